"""What every class of failure, and everything that may follow one, holds to: those that are registered."""

from __future__ import annotations

import re
import signal
from dataclasses import replace
from typing import Any

import pytest

from sweeper.config.check import findings
from sweeper.config.schema import SECTIONS
from sweeper.core import remedies
from sweeper.core.decide import Decide, Submit
from sweeper.core.failures import Failure, classify, pause_s, root_cause
from sweeper.core.options import declared
from sweeper.core.remedies import on_failure
from sweeper.driver.causes import cause_and_detail
from sweeper.simulation.drawn import KEY
from tests.core.test_decide import a_sweep, done, next_move

KEYS = {"patch": {KEY: "value // 2"}, "next": {KEY: [2, 1]}, "retry": 2}
"""The option that each action cannot do without."""


@pytest.fixture(params=[failure.value for failure in Failure])
def failure(request: pytest.FixtureRequest) -> Failure:
    """Each class by its name."""
    return next(one for one in Failure if one.value == request.param)


@pytest.fixture(params=remedies.KINDS)
def said(request: pytest.FixtureRequest) -> Any:
    """The shortest way to say each action."""
    name = str(request.param)
    return {name: KEYS[name]} if declared(remedies.KINDS[name]) else name


def test_a_row_is_whole(failure: Failure) -> None:
    """A name that is a column's value and a key, words, and where it knows a text, one that it knows."""
    row = failure.row
    assert re.fullmatch(r"[a-z_]+", failure.value) and row.words.endswith(".")
    assert bool(row.platform or row.cause or row.prefix) is bool(row.example)


def test_its_text_is_told_as_it(failure: Failure) -> None:
    """As the service puts it, and as our driver and another launcher read it out of what a script has printed."""
    row = failure.row
    if not row.example:
        return  # it is no text that tells it
    if not (row.cause or failure is Failure.ALGORITHM_ERROR):
        assert classify(row.example) is failure
    else:
        printed = ["epoch 1", *row.example.splitlines()]
        for code in (1, *((-signal.SIGABRT,) if "what():" in row.example else ())):
            cause, *detail = cause_and_detail(code, printed, [])
            reason = "\n".join([f"AlgorithmError: {cause}", f"exit code {code if code > 0 else 128 - code}", *detail])
            assert classify(reason) is failure
            assert row.example.splitlines()[-1].strip() in root_cause(reason)
        vague = 'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage ""'
        assert classify(vague, "\n".join(printed)) is failure


def test_it_may_be_said_of_it_what_follows(failure: Failure, said: Any) -> None:
    """Every action is valid under every class, and is what follows that failure and no other."""
    assert findings({failure.value: said}, SECTIONS["on_failure"]) == []
    chosen = on_failure({failure.value: said})
    action = chosen.after(failure.value)
    assert action and action.name in said and chosen.after("another") is None
    assert bool(chosen.tries_again) is action.tries_again
    assert failure.value in chosen.words
    other = {**said, "nope": 1} if isinstance(said, dict) else f"{said} then"
    assert findings({failure.value: other}, SECTIONS["on_failure"])


def test_a_retry_waits_as_long_as_the_failure_lasts(failure: Failure) -> None:
    """A matter of time is waited for, twice as long each time and within a bound; nothing else is."""
    first, most = failure.row.pause_s
    assert 0 <= first <= most and pause_s(failure.value, 1) == first and pause_s(failure.value, 50) == most
    past = done(0, "failed", failure=failure.value, ended_at=1000.0)
    move = next_move(a_sweep(on_failure=on_failure({failure.value: {"retry": 1}})), *past)
    if first:
        assert not isinstance(move, Submit)  # it waits
    else:
        assert isinstance(move, Submit) and (move.attempt, move.not_before) == (2, 0.0)


def test_an_action_does_what_it_says(said: Any) -> None:
    """The chain ends, the trial runs again, or the next one does; a class that no version of ours knows is one more."""
    sweep = replace(a_sweep(), on_failure=on_failure({"of_another_version": said}))
    action = sweep.on_failure.after("of_another_version")
    assert action and not (action.ends and action.tries_again)
    move = next_move(sweep, *done(0, "failed", failure="of_another_version"))
    if action.ends:
        assert isinstance(move, Decide) and move.rule == "on_failure.of_another_version"
    elif isinstance(move, Submit):
        assert move.trial in sweep.trials
