"""What every search that proposes one trial after another holds to: those that are registered."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from sweeper.config.check import findings
from sweeper.config.schema import SECTIONS
from sweeper.core.chain import Chain, fold
from sweeper.core.identity import Base
from sweeper.core.model import Goal, Objective
from sweeper.core.options import from_section
from sweeper.core.ports import Proposer
from sweeper.core.space.applying import Conditions
from sweeper.core.space.declared import SEARCHES, Sweeps
from tests.core.test_decide import OPENED, done

KEY = "hyperparameters.x"
COUNT = 3
SAID = {"count": COUNT, "of": {KEY: {"int": [1, 9]}}}
DOMAINS = {KEY: ("int", [1, 9])}
OBJECTIVE = Objective("m", Goal.MAXIMIZE)


@pytest.fixture(params=SEARCHES)
def proposer(request: pytest.FixtureRequest) -> Proposer:
    """Each search, as the shortest experiment says it."""
    found: Proposer = from_section(SEARCHES[request.param], SAID)
    assert found.missing(DOMAINS, OBJECTIVE) == ""
    return found


def ended(trial: Any, value: float) -> list[Any]:
    """What a journal has of this trial when it has come to this value."""
    intent, *rest = done(trial.values[KEY], metrics={"m": value})
    return [type(intent)(**{**vars(intent), "trial": trial.id, "values": trial.values}), *rest]


def proposals(proposer: Proposer, past: list[Any]) -> tuple[list[Any], Any]:
    """The trials known after this past, and the next one, of a search that begins anew."""
    trials, search = proposer.begun(DOMAINS, OBJECTIVE, Base({}, (KEY,)), lambda values: values[KEY] == 5, Conditions())
    chain: Chain = fold([OPENED, *past])
    found = search(chain).propose(chain)
    return [trial for trial in trials if trial.id], found


def test_it_is_an_option_of_the_sweep_section(proposer: Proposer) -> None:
    """Under its name, with its own fields as the schema."""
    assert proposer.name in {one.name for one in fields(Sweeps)}
    assert findings({proposer.name: SAID}, SECTIONS["sweep"]) == []
    assert [path for path, _ in findings({proposer.name: {**SAID, "nope": 1}}, SECTIONS["sweep"])] == [
        (proposer.name, "nope")
    ]


def test_the_same_past_gets_the_same_proposal_until_there_are_enough(proposer: Proposer) -> None:
    """Each is new, within its domain and not left out; the last is known as such, and none follows it."""
    past: list[Any] = []
    seen: list[Any] = []
    for number in range(COUNT):
        _, found = proposals(proposer, past)
        known, again = proposals(proposer, past)
        assert found is not None and found == again
        assert found.last is (number == COUNT - 1)
        assert found.trial.values[KEY] in {*range(1, 10)} - {5} and found.trial.values not in seen
        assert found.trial in known and len(known) == number + 1
        seen.append(found.trial.values)
        past += ended(found.trial, float(number))
    assert proposals(proposer, past)[1] is None
