"""`sweeper +experiment=NAME`: run a sweep or continue it, then report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from sweeper.commands.detaching import detached
from sweeper.commands.driving import drive
from sweeper.commands.ended import told, undisturbed
from sweeper.commands.left_open import left_by
from sweeper.commands.output import PEOPLE, Output
from sweeper.commands.say import complain
from sweeper.core.model import Sweep
from sweeper.errors import LockHeldError
from sweeper.record import script
from sweeper.run.clock import SystemClock
from sweeper.run.ending import Ending
from sweeper.run.session import Session, Shown
from sweeper.run.tenure import Tenure, Turn
from sweeper.show.display import Display, in_lines, streaming
from sweeper.show.events import warned
from sweeper.tracking.telling import Telling

Driven = tuple[Ending, Session, Telling]
"""How it ended, in which outside, and who tells its trackers."""


def run(sweep: Sweep, session: type[Session] | None = None, output: Output = PEOPLE, turn: Turn = Turn.AT_ONCE) -> int:
    """Run a sweep, or continue it; returns the exit code. `session`: another outside than the real one.

    `turn`: when it begins where another sweep holds its pool.
    """
    if output.detach:
        return detached(
            lambda part: _run(sweep, session, PEOPLE, lambda outside: Display(outside, part, made=in_lines), turn),
            output,
        )
    streams = [streaming(output.emit)] if output.events else []
    return _run(sweep, session, output, lambda made: Display(made, *streams), turn)


def _run(
    sweep: Sweep, session: type[Session] | None, output: Output, show: Callable[[Session], Shown], turn: Turn
) -> int:
    for warning in filter(None, (*sweep.warnings, script.warning(sweep))):
        complain(f"warning: {warning}")
        if output.events:
            output.emit(warned(warning, SystemClock().now()))
    ending, outside, telling = driven(sweep, session or Session, show, turn=turn)
    with undisturbed(ending):
        return told(sweep, ending, outside, telling, output)


def driven(
    sweep: Sweep,
    session: type[Session],
    show: Callable[[Session], Shown] = Display,
    say: Callable[[str], None] = complain,
    turn: Turn = Turn.AT_ONCE,
) -> Driven:
    """One invocation, to the end of its runner. An error that ends it brings what may still bill as `unreleased`."""
    return attended(sweep, lambda stack: drive(sweep, stack, session, show, Tenure(stack, turn)), say)


def attended(sweep: Sweep, driving: Callable[[ExitStack], Driven], say: Callable[[str], None] = complain) -> Driven:
    """Drive a sweep to the end of its runner, as `driven` says."""
    try:
        with ExitStack() as stack:
            return driving(stack)
    except LockHeldError:
        raise  # who holds it looks after its pools
    except BaseException as error:
        if not hasattr(error, "unreleased"):  # the runner did not come to close anything
            error.unreleased = left_by(sweep, say)  # type: ignore[attr-defined]
        raise
