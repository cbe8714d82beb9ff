"""What decides is never masked: whatever the environment holds, the sweep does the same and its journal tells it so."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweeper.core import events as ev
from sweeper.core.model import Sweep
from sweeper.core.secrets import MASK
from sweeper.core.stop import rules
from sweeper.record.journal import SqliteJournal
from sweeper.simulation.drawn import KEY
from sweeper.testing.twin import Script
from tests.laws.outside import Outside, Trouble, invalid, make_outside, make_sweep, scripts

WORDS = ("negative", "positive", "12345", "max_trials", "budget_usd", "completed", "InProgress", "planted-secret")
ENVIRONMENTS = st.dictionaries(st.sampled_from(["TOKEN", "KIND", "MODE"]), st.sampled_from(WORDS), max_size=3)
TASKS = (WORDS[:3], WORDS[2:5], WORDS[-3:])
STOPS: Sequence[Mapping[str, Any]] = ({"max_trials": 1}, {"budget_usd": 0.5}, {"max_failures": 1})


def with_environment(sweep: Sweep, environment: Mapping[str, Any]) -> Sweep:
    """The same sweep, whose jobs get this environment, and the task of the job before."""

    def resolve(trial: Any, taken: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        config = sweep.resolve(trial)
        told = {**config["hyperparameters"], "before": (taken or {}).get(f"values.{KEY}", "none")}
        return {**config, "hyperparameters": told, "environment": dict(environment)}

    return replace(sweep, resolve=resolve, prev=(f"values.{KEY}",))


def history(environment: Mapping[str, str], tasks: Sequence[str], stop: Mapping[str, Any]) -> list[Any]:
    """What two invocations did: the first ends by a rule, the second goes on; the first task's script fails."""
    with tempfile.TemporaryDirectory() as folder:
        plain = make_sweep([{KEY: task} for task in tasks])
        failing = {f"x{tasks[-1]}": Script(30.0, 1, f"ValueError: {tasks[-1]} is wrong\nexit code 1")}
        here = make_outside(Path(folder), sweep=with_environment(plain, environment), behaviour=scripts(**failing))
        for following in (stop, {}):
            here.sweep = replace(here.sweep, stop=rules(following))
            assert here.run().chain == here.chain  # fold(stored) == live
        return [*told_by_journal(here), *(job.request["HyperParameters"] for job in here.ledger.jobs)]


def told_by_journal(here: Outside) -> list[Any]:
    """Every event without what it says to people: what the chain is made of."""
    silent = dict.fromkeys(ev.FREE_TEXT)
    return [(event.kind, {**ev.to_dict(event), **silent}) for event in here.journal]


@cache
def without_secrets(position: int) -> list[Any]:
    """The history of the sweep whose environment is empty."""
    return history({}, TASKS[position], STOPS[position])


@settings(max_examples=10)
@given(ENVIRONMENTS, st.sampled_from(range(3)))
@example({"KIND": "negative"}, 0)
@example({"KIND": "budget_usd"}, 1)
def test_secrets_change_nothing_that_a_sweep_does(environment: dict[str, str], position: int) -> None:
    """For every drawn history fold(stored) == live, and it is the history of the same sweep that has no secrets."""
    assert history(environment, TASKS[position], STOPS[position]) == without_secrets(position)


def test_a_refusal_that_repeats_the_environment_is_told_without_it(tmp_path: Path) -> None:
    """The service answers a wrong request with what was in it, cut anywhere; other words of it stay."""
    secret = "planted-5e3c7e7-value"
    echo = (
        f"Value '{{TOKEN={secret}, PEM=two\nlines{secret[:4]}' at 'environment' failed to satisfy constraint: too long"
    )
    trouble = Trouble("CreateTrainingJob", invalid(f"2 validation errors detected: Value 'n' at 'x' failed; {echo}"))
    here = make_outside(tmp_path, trouble, sweep=with_environment(make_sweep(1), {"TOKEN": secret}))
    here.run()
    told = next(job.outcome.message for job in here.chain.outcomes if job.outcome)
    assert told.endswith("Value 'n' at 'x' failed; Value '***' at 'environment' failed to satisfy constraint: too long")
    assert secret[:4] not in here.said


def test_what_a_script_says_of_a_secret_is_masked_before_it_is_durable(tmp_path: Path) -> None:
    """The cause of a failure, cut in the middle of a secret, is told without it, live and in the journal."""
    secret = "planted-5e3c7e7-value"
    cut = f"ValueError: {'x' * 480} {secret}"[:500]
    sweep = with_environment(make_sweep(2), {"TOKEN": secret})
    failing = Script(30.0, 1, f"{cut}\nexit code 1"), Script(30.0, 1, f"ValueError: {secret} is wrong\nexit code 1")
    here = make_outside(tmp_path, sweep=sweep, behaviour=scripts(x0=failing[0], x1=failing[1]))
    assert here.run().chain == here.chain
    told = [job.outcome.message.removeprefix("ValueError: ").lstrip("x ") for job in here.chain.outcomes if job.outcome]
    assert told == [MASK, f"{MASK} is wrong"]
    assert secret[:5] not in here.said
    assert secret[:5].encode() not in here.path.read_bytes()


def test_an_added_trial_that_an_earlier_version_has_masked_is_not_run(tmp_path: Path) -> None:
    """Nobody knows its value any more: it is said, left out for good, and the others run."""
    here = make_outside(tmp_path, sweep=make_sweep(1))
    journal = SqliteJournal(here.path, here.clock.now)
    journal.append(ev.Added("f" * 16, 1, f"x={MASK}", {KEY: MASK}))
    journal.close()
    here.run()
    assert f"trial x={MASK}: a value was masked by an earlier version; add it again" in here.said
    assert [job.request["HyperParameters"]["x"] for job in here.ledger.jobs] == ["0"]
    assert here.run().chain.trials["f" * 16].skipped
