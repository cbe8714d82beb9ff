"""The end of a run, when something may still bill."""

from __future__ import annotations

import os
import signal

import pytest

from sweeper.commands.ended import undisturbed
from sweeper.core.chain import Chain
from sweeper.run.ending import Ending
from sweeper.run.release import Unreleased


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_no_signal_keeps_back_what_may_still_bill(number: signal.Signals) -> None:
    """It is heeded after the names and the command are told; the handlers of before are there again."""
    before = signal.getsignal(number)
    told = []
    with undisturbed(Ending("", Chain(), unreleased=[Unreleased("a-job", "it was denied")])):
        os.kill(os.getpid(), number)
        told.append("a-job")
    assert told == ["a-job"]
    assert signal.getsignal(number) is before
