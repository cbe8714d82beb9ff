"""One run in somebody else's process: its signals and what it raises, and how it is told of."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sweeper.api.result import Result
from sweeper.api.rows import Rows
from sweeper.api.telling import Telling
from sweeper.commands.ended import report, run_ended, tell_trackers, undisturbed
from sweeper.commands.exit_code import exit_code
from sweeper.commands.run import driven
from sweeper.core.as_json import moment, plain
from sweeper.core.model import Sweep
from sweeper.errors import GaveUpWaitingError, LockHeldError, PoolOpenError
from sweeper.record import script
from sweeper.run.ending import Ending
from sweeper.run.release import Unreleased
from sweeper.run.session import Session
from sweeper.run.tenure import Turn

UNCAUGHT = (
    "this is not the main thread, where alone Python catches signals: end it with Sweep.stop(now=True); "
    "if the process dies, its watchdog releases the pool"
)

_alone = threading.Lock()
_runs: list[str] = []
"""The sweep that runs in this process."""


def run(sweep: Sweep, telling: Telling, *, wait: bool) -> Result:
    """Run it, or continue it, and give what it came to. One at a time in a process. `wait`: for a pool that is held.

    Raises what the command line tells as an error, PoolOpenError above all, and KeyboardInterrupt after a Ctrl-C: the
    pool is released by then. Another signal that was caught goes to whoever handled it before.
    """
    try:
        with _only(sweep.name):
            ending, result = _run(sweep, telling, Turn.FOR_POOL if wait else Turn.AT_ONCE)
    except GaveUpWaitingError as error:
        _hand_on(error.signal)
        raise
    _hand_on(ending.signal)
    return result


def _hand_on(number: int) -> None:
    """Let a signal that has ended a run come to whoever handled it before."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt from None
    if number:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.raise_signal(number)


@contextmanager
def _only(name: str) -> Iterator[None]:
    """A run holds back Creates of another pool in all of its process: one at a time. Raises LockHeldError."""
    if not _alone.acquire(blocking=False):
        raise LockHeldError(
            f"{name}: this process runs {', '.join(_runs) or 'a sweep'} already; wait until it has ended, "
            "or take a process of its own"
        )
    _runs.append(name)
    try:
        yield
    finally:
        _runs.clear()
        _alone.release()


def _run(sweep: Sweep, telling: Telling, turn: Turn) -> tuple[Ending, Result]:
    warnings = [*filter(None, (*sweep.warnings, script.warning(sweep)))]
    telling.said += warnings
    before = [f"warning: {warning}" for warning in warnings]
    if threading.current_thread() is not threading.main_thread():
        before.append(UNCAUGHT)
    open_now: Sequence[Unreleased] = ()
    try:
        show = partial(telling.show, before=before)
        ending, outside, trackers = driven(sweep, Session, show, telling.said.append, turn)
        open_now = ending.unreleased
        with undisturbed(ending):
            table, best = report(sweep, ending.chain, outside, printed=False)
            tell_trackers(ending, trackers, table, best, telling.said.append)
    except BaseException as error:  # whatever it is: what may still bill is told first
        if pools := getattr(error, "unreleased", open_now):
            raise _still_open(pools) from error
        raise
    if open_now:
        raise _still_open(open_now)
    told = run_ended(sweep, ending, outside.folder, table, exit_code(sweep, ending, table))
    if telling.emit:
        telling.emit({"event": "ended", "at": moment(outside.clock.now()), **told})
    rows = Rows(table, sweep.trials.keys, best["trial"] if best else None)
    return ending, Result(plain(told), rows, tuple(telling.said))


def _still_open(pools: Sequence[Unreleased]) -> PoolOpenError:
    lines = [f"the pool of {pool.name} may still bill: {pool.why}; release it with: {pool.command}" for pool in pools]
    return PoolOpenError("\n".join(lines), [pool.name for pool in pools], [pool.command for pool in pools])
