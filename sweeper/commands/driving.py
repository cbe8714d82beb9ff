"""One invocation, from its locks to the end of its runner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from sweeper.commands.left_open import settle_others
from sweeper.commands.own_folders import own_folders
from sweeper.commands.say import hide, package_version
from sweeper.core.model import Sweep
from sweeper.core.tracked import seen
from sweeper.errors import LockHeldError
from sweeper.record.locks import held
from sweeper.run.clock import SystemClock
from sweeper.run.connect import connect
from sweeper.run.ending import Ending
from sweeper.run.release import Unreleased
from sweeper.run.runner import Runner
from sweeper.run.session import Session, Shown
from sweeper.run.tenure import Tenure, runs_of
from sweeper.run.world import Archive
from sweeper.show import plain
from sweeper.show.display import Display
from sweeper.tracking.telling import Telling


def outside_of(
    sweep: Sweep, made: type[Session], clock: SystemClock, show: Callable[[Session], Shown] = Display
) -> Session:
    """The outside of an invocation. `made`: which outside it has; `show`: who tells of it. Raises UsageError."""
    versions = {name: package_version(name) for name in ("sweeper", "boto3", "hydra-core")}
    return made(sweep, connect(sweep), clock, clock.now(), show, plain.as_yaml, versions)


def lock_folder(session: Session, stack: ExitStack) -> None:
    """Its sweep's folder is nobody else's, until `stack` ends. Raises LockHeldError, OSError."""
    sweep, clock = session.sweep, session.clock
    with suppress(OSError):  # they are a convenience: what has to be written says so itself
        own_folders(Path(sweep.project))
    stack.callback(lambda: session.shown.close())
    lock, runs = session.folder / ".lock", runs_of(session)
    stack.enter_context(held(lock, f"the sweep {sweep.name}", clock.now(), runs=runs, wait=clock.sleep))


def drive(
    sweep: Sweep,
    stack: ExitStack,
    made: type[Session],
    show: Callable[[Session], Shown] = Display,
    tenure: Tenure | None = None,
) -> tuple[Ending, Session, Telling]:
    """Run the chain under its locks. `tenure`: what this process holds already. Raises what keeps it from running."""
    tenure = tenure or Tenure(stack)
    session = outside_of(sweep, made, tenure.clock, show)
    hide(session.redact)
    lock_folder(session, stack)
    if tenure.waits:
        session.open(stack)
    if sweep.backend.finds_pool:
        tenure.take(session)
        session.succession = tenure.succession()
    if not tenure.waits:
        session.open(stack)
    return run_in(session, stack)


def run_in(session: Session, stack: ExitStack) -> tuple[Ending, Session, Telling]:
    """Run the chain of a session that is open and holds its pool."""
    sweep, clock, ledger = session.sweep, session.clock, session.ledger
    session.claim.freeze(stack)
    try:
        session.claim.take_lease(stack)
    except LockHeldError as error:
        error.unreleased = ledger.close_inherited(session.api)  # type: ignore[attr-defined]
        raise
    session.preflight()
    elsewhere: list[Unreleased] = []
    if sweep.pool.settle_debts:
        elsewhere = settle_others(clock, session.shown.say, str(session.folder), ledger.inherited_from)
    telling, world = _telling(sweep, session), session.world()
    world.archive = Archive(telling.after(world.archive.keep), world.archive.kept)
    runner = Runner(sweep, session.connection.scope, session.connection.owner, world)
    telling.begin(runner.chain)
    with telling.of_a_break(sweep, runner.chain, session.shown.say):
        try:
            ending = runner.run()
        except BaseException:  # what it was, and whether a pool is left, is told further up
            ledger.broken_off(runner.chain)
            raise
    ending.unreleased += ledger.close_forgotten(ending.chain, session.api)
    if not ending.chain.debts and not ending.unreleased:
        ledger.settle()
    elif sweep.leaves_warm and not ending.unreleased:
        ending.kept_until = ledger.leave_warm(ending.chain)
    ending.unreleased += elsewhere
    return ending, session, telling


def _telling(sweep: Sweep, session: Session) -> Telling:
    """Tells the sweep's trackers what it comes to."""

    see = partial(seen, sweep, session.folder, session.redact)
    return Telling(sweep.trackers, session.folder, see, sweep.rate)
