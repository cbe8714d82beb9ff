"""`sweeper +experiment=NAME`: run a sweep or continue it, then report."""

from __future__ import annotations

from contextlib import ExitStack

from sweeper.commands.driving import drive
from sweeper.commands.ended import told, undisturbed
from sweeper.commands.left_open import left_by
from sweeper.commands.say import complain
from sweeper.core.model import Sweep
from sweeper.errors import LockHeldError
from sweeper.record import script
from sweeper.run.session import Session


def run(sweep: Sweep, session: type[Session] | None = None) -> int:
    """Run a sweep, or continue it; returns the exit code. `session`: another outside than the real one, for tests."""
    for warning in filter(None, (*sweep.warnings, script.warning(sweep))):
        complain(f"warning: {warning}")
    try:
        with ExitStack() as stack:
            ending, outside, telling = drive(sweep, stack, session or Session)
    except LockHeldError:
        raise  # who holds it looks after its pools
    except BaseException as error:
        if not hasattr(error, "unreleased"):  # the runner did not come to close anything
            error.unreleased = left_by(sweep, complain)  # type: ignore[attr-defined]
        raise
    with undisturbed(ending):
        return told(sweep, ending, outside, telling)
