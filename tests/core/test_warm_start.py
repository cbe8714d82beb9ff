"""What a search may learn of another sweep's trials: those that could have been proposed here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.space.applying import Condition, Conditions
from sweeper.core.space.domains import holds
from sweeper.core.space.rules import formula
from sweeper.core.space.warm_start import Here, Past
from tests.core.test_search_optuna import OF, run, search

LR, RANK, KIND = "hyperparameters.lr", "hyperparameters.rank", "hyperparameters.kind"
FIT = {LR: 0.01, RANK: 8, KIND: "a"}
HERE = Here(OF, "loss", {"hyperparameters": {"lr": None, "rank": 1, "epochs": 5}})


@pytest.mark.parametrize(
    ("values", "config", "result", "why"),
    [
        (FIT, {}, 1.0, None),
        ({LR: 0.01}, {"hyperparameters": {"lr": 9, "rank": 8, "kind": "a"}}, 1.0, None),
        ({**FIT, "hyperparameters.epochs": 5, "repeat": 2}, {}, 1.0, None),
        ({**FIT, "hyperparameters.epochs": 6}, {}, 1.0, "hyperparameters.epochs is another than here"),
        ({**FIT, RANK: 65}, {}, 1.0, f"{RANK} has a value that is not proposed here"),
        ({**FIT, KIND: "1 "}, {}, 1.0, f"{KIND} has a value that is not proposed here"),
        ({LR: 0.01, RANK: 8}, {}, 1.0, f"{KIND} has a value that is not proposed here"),
        (FIT, {}, None, "has no loss"),
    ],
)
def test_a_trial_of_another_sweep_fits_or_is_told_why_not(values: Any, config: Any, result: Any, why: Any) -> None:
    """What varies here has a value that may be proposed, there swept or fixed; what varies there alone is as here."""
    taught = HERE.taught("other", [Past(values, config, result)])
    assert taught.others == ({why: 1} if why else {})
    assert taught.trials == ([] if why else [[FIT, 1.0]])
    assert taught.words == ("0 trials of other; 1 left out: " + why if why else "1 trial of other")


def test_a_parameter_that_would_not_be_there_is_not_looked_at() -> None:
    """A trial fits by the parameters that its values ask for."""
    rank_if_a = Condition(RANK, "kind == 'a'", formula("kind == 'a'", lambda name: f"hyperparameters.{name}"))
    here = replace(HERE, conditions=Conditions([rank_if_a]))
    without = {LR: 0.01, KIND: 1}
    past = [Past(FIT, {}, 1.0), Past(without, {}, 2.0), Past({**without, RANK: 99}, {}, 3.0)]
    assert here.taught("other", past).trials == [[FIT, 1.0], [without, 2.0], [without, 3.0]]


@pytest.mark.parametrize(
    ("domain", "arguments", "inside", "outside"),
    [
        ("int", [1, 8], [1, 8, 8.0], [0, 9, 1.5, True, "1", None]),
        ("randint", [1, 8], [7], [8]),
        ("quniform", [0, 1, 0.1], [0, 0.3, 1.0], [0.35, 1.1]),
        ("loguniform", [0.1, 1], [0.1, 0.55], [0.05]),
        ("normal", [0, 1], [-9.5], ["x"]),
        ("choice", [1, "1"], [1, "1"], [1.0, True]),
    ],
)
def test_a_value_is_of_a_domain_or_not(domain: str, arguments: list[Any], inside: Any, outside: Any) -> None:
    """By its ends, its steps and its type; a choice is that value and no other that is equal."""
    assert all(holds(domain, arguments, value) for value in inside)
    assert not any(holds(domain, arguments, value) for value in outside)


def test_what_was_taught_counts_from_where_it_stands_and_a_restart_proposes_the_same() -> None:
    """At the beginning or in the middle of a chain: other proposals than without it, and the same again after each."""
    past = [[{LR: 0.01 * n, RANK: n, KIND: "a"}, n / 64] for n in range(1, 9)]
    taught: list[ev.Event] = [ev.Taught("other", [*past, [{LR: 99.0, RANK: 1, KIND: "a"}, 0.0]])]
    plain = [trial.id for trial in run(search()[1], [], 6)]
    assert [trial.id for trial in run(search()[1], [*taught], 6)] != plain
    for before in (0, 3):
        events: list[Any] = []
        run(search()[1], events, before)
        events += taught
        done = [trial.id for trial in run(search()[1], [*events], 6)]
        again = list(events)
        for _ in range(6):
            run(search()[1], again, 1)
        assert [e.trial for e in again if isinstance(e, ev.Intent)][before:] == done
    assert fold(taught).taught["other"].trials == taught[0].trials
