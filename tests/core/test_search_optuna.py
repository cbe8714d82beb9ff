"""Optuna's proposals: from what the chain has shown, the same after a restart, and never the same trial twice."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from sweeper.core import events as ev  # noqa: E402
from sweeper.core.chain import Chain, fold  # noqa: E402
from sweeper.core.identity import Base  # noqa: E402
from sweeper.core.model import Goal, Objective, Trial  # noqa: E402
from sweeper.core.space.optuna_search import SAMPLERS, OptunaSearch, OptunaTrials, Settings  # noqa: E402

OF: Any = {
    "hyperparameters.lr": ("loguniform", [1e-4, 1.0]),
    "hyperparameters.rank": ("int", [1, 64]),
    "hyperparameters.kind": ("choice", ["a", 1, "1", [1, 2]]),
}


def search(count: int = 12, sampler: str = "tpe", of: Any = None, seed: int = 0) -> tuple[OptunaTrials, OptunaSearch]:
    """A fresh search, as a new process makes it."""
    domains = of or OF
    trials = OptunaTrials(count, tuple(domains), Base({}, tuple(domains)))
    return trials, OptunaSearch(Settings(count, sampler, seed, 3, domains), trials, Objective("loss", Goal.MINIMIZE))


def loss(trial: Trial) -> float:
    """Something to minimise."""
    return (math.log10(trial.values["hyperparameters.lr"]) + 2) ** 2 + trial.values["hyperparameters.rank"] / 64


def ended(trial: Trial, value: float | None, status: str = "completed", attempt: int = 1) -> list[Any]:
    """A job of this trial that came and went."""
    name = f"{trial.id}-{attempt}"
    metrics = {} if value is None else {"loss": value}
    intent = ev.Intent(name, trial.id, trial.index, trial.name, trial.values, attempt, "m", 0, 1, "")
    return [intent, ev.Outcome(name, "Completed", status, metrics)]


def run(made: OptunaSearch, events: list[Any], most: int) -> list[Trial]:
    """Run trials in a chain until there is none left, or so many."""
    done = []
    while len(done) < most and (proposal := made.propose(fold(events))):
        events += ended(proposal.trial, loss(proposal.trial))
        done.append(proposal.trial)
    return done


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "gp"])
def test_a_restart_changes_nothing(sampler: str) -> None:
    """A chain that is broken off and taken up by a new process proposes what an unbroken one does."""
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    of = {key: domain for key, domain in OF.items() if sampler != "qmc" or domain[0] != "choice"}
    unbroken = run(search(sampler=sampler, of=of)[1], [], 12)
    events: list[Any] = []
    first = run(search(sampler=sampler, of=of)[1], events, 7)
    rest = run(search(sampler=sampler, of=of)[1], events, 12)
    assert first + rest == unbroken
    assert len({trial.id for trial in unbroken}) == 12


def test_it_searches() -> None:
    """Later proposals are better than the first ones."""
    done = run(search(count=40)[1], [], 40)
    assert min(map(loss, done[20:])) < min(map(loss, done[:5]))


def test_values_are_of_their_domain() -> None:
    """Every proposal is a value that was declared, of its own type."""
    for trial in run(search()[1], [], 12):
        assert trial.values["hyperparameters.kind"] in ["a", 1, "1", [1, 2]]
        assert isinstance(trial.values["hyperparameters.rank"], int)
        assert 1e-4 <= trial.values["hyperparameters.lr"] <= 1
        assert trial.name.startswith("lr=")


def test_asking_again_gives_the_same() -> None:
    """A proposal that has not begun, or was interrupted, is proposed again; a running one is not."""
    trials, made = search()
    first = made.propose(Chain())
    assert first is not None
    assert made.propose(Chain()) == first
    running = ended(first.trial, None)[:1]
    second = made.propose(fold(running))
    assert second is not None
    assert second.trial.id != first.trial.id
    assert trials.find(first.trial.id, 0) == first.trial


def test_the_end_is_known() -> None:
    """After `count` trials there is nothing more, and the last one is known to be the last."""
    _, made = search(count=3)
    events: list[Any] = []
    last = []
    while proposal := made.propose(fold(events)):
        last.append(proposal.last)
        events += ended(proposal.trial, 1.0)
    assert last == [False, False, True]


def test_small_domains_run_dry() -> None:
    """Where nothing new can be proposed the search ends early, without running anything twice."""
    _, made = search(count=10, of={"hyperparameters.kind": ("choice", ["a", "b"])})
    events: list[Any] = []
    seen = []
    while proposal := made.propose(fold(events)):
        seen.append(proposal.trial.values["hyperparameters.kind"])
        events += ended(proposal.trial, 1.0)
    assert sorted(seen) == ["a", "b"]


@pytest.mark.parametrize(("value", "status"), [(None, "failed"), (math.nan, "completed"), (1.0, "failed")])
def test_failures_and_nan_are_no_results(value: float | None, status: str) -> None:
    """A trial without a value is told as failed: the search goes on."""
    _, made = search()
    proposal = made.propose(Chain())
    assert proposal is not None
    assert made.propose(fold(ended(proposal.trial, value, status))) is not None


def test_a_journal_of_another_search() -> None:
    """What it would have proposed otherwise is taken in as it was; other keys, domains or scripts say nothing here."""
    events: list[Any] = []
    run(search(seed=1)[1], events, 4)
    strange = Trial(9, "f" * 16, "x", {"hyperparameters.other": 1})
    trials, made = search()
    values = {"hyperparameters.lr": 0.01, "hyperparameters.rank": 1, "hyperparameters.kind": "a"}
    same, outside = trials.make(values), trials.make({**values, "hyperparameters.lr": 99.0})
    edited = replace(same, id="e" * 16)
    for trial in (strange, outside, edited, same):
        events += ended(trial, 1.0)
    proposal = made.propose(fold(events))
    assert proposal is not None
    assert trials.find(same.id, 0) is not None
    assert [trials.find(other.id, 0) for other in (strange, outside, edited)] == [None] * 3


def test_places_without_a_proposal() -> None:
    """Trials to come have a place and no values."""
    trials, made = search(count=3)
    made.propose(Chain())
    assert [trial.name for trial in trials][1:] == ["proposal 2", "proposal 3"]
    assert trials[-1].values == {}
    with pytest.raises(IndexError):
        trials[3]


@pytest.mark.parametrize("seed", range(2))
def test_with_eight_pending_nothing_is_proposed_twice_and_a_restart_proposes_the_same(seed: int) -> None:
    """Trials end in any order, fail and are tried again, are interrupted, skipped and reopened."""
    rng = random.Random(seed)
    _, made = search(count=16)
    events: list[Any] = []
    pending: dict[str, Trial] = {}
    begun: list[str] = []
    attempts: Counter[str] = Counter()
    while True:
        while len(pending) < 8 and (found := made.propose(fold(events))):
            again = search(count=16)[1].propose(fold(events))
            assert again is not None and again.trial == found.trial
            trial = found.trial
            assert trial.id not in pending and (trial.id not in begun or attempts[trial.id])
            if rng.random() < 0.1:
                break  # the job could not be sent yet: something else happens before
            begun.append(trial.id)
            pending[trial.id] = trial
            attempts[trial.id] += 1
            events += ended(trial, None, attempt=attempts[trial.id])[:1]
        if not pending:
            break
        trial = pending.pop(rng.choice(sorted(pending)))
        came_to = rng.choice(("completed", "completed", "completed", "failed", "interrupted"))
        events += ended(trial, loss(trial) if came_to == "completed" else None, came_to, attempts[trial.id])[1:]
        if rng.random() < 0.1:
            events.append(rng.choice((ev.Skipped, ev.Reopened))(trial.id))
    assert len(set(begun)) == 16
