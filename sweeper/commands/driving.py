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
from sweeper.record.locks import held
from sweeper.run.clock import SystemClock
from sweeper.run.connect import connect
from sweeper.run.ending import Ending
from sweeper.run.runner import Runner
from sweeper.run.session import Session, Shown
from sweeper.run.world import Archive
from sweeper.show import plain
from sweeper.show.display import Display
from sweeper.tracking.telling import Telling


def drive(
    sweep: Sweep, stack: ExitStack, made: type[Session], show: Callable[[Session], Shown] = Display
) -> tuple[Ending, Session, Telling]:
    """Run the chain under its locks. `made`: which outside it has; `show`: who tells of it. Raises what keeps it from
    running.
    """
    clock = SystemClock()
    stack.enter_context(clock.listening())
    versions = {name: package_version(name) for name in ("sweeper", "boto3", "hydra-core")}
    session = made(sweep, connect(sweep), clock, clock.now(), show, plain.as_yaml, versions)
    with suppress(OSError):  # they are a convenience: what has to be written says so itself
        own_folders(Path(sweep.project))
    hide(session.redact)
    stack.callback(lambda: session.shown.close())
    runs = f"the sweep {sweep.name} in {session.folder}"
    lock = session.folder / ".lock"
    stack.enter_context(held(lock, f"the sweep {sweep.name}", clock.now(), runs=runs, wait=clock.sleep))
    if sweep.backend.finds_pool:
        stack.enter_context(held(session.claim.lock, "the pool that this sweep uses", clock.now(), runs=runs))
    session.open(stack)
    session.claim.take_lease(stack)
    session.preflight()
    elsewhere = settle_others(clock, session.shown.say, but=str(session.folder)) if sweep.pool.settle_debts else []
    telling, world = _telling(sweep, session), session.world()
    world.archive = Archive(telling.after(world.archive.keep), world.archive.kept)
    runner = Runner(sweep, session.connection.scope, session.connection.owner, world)
    telling.begin(runner.chain)
    with telling.of_a_break(sweep, runner.chain, session.shown.say):
        try:
            ending = runner.run()
        except BaseException:  # what it was, and whether a pool is left, is told further up
            session.ledger.broken_off(runner.chain)
            raise
    ending.unreleased += session.ledger.close_forgotten(ending.chain, session.api)
    if not ending.chain.debts and not ending.unreleased:
        session.ledger.settle()
    elif sweep.leaves_warm and not ending.unreleased:
        ending.kept_until = session.ledger.leave_warm(ending.chain)
    ending.unreleased += elsewhere
    return ending, session, telling


def _telling(sweep: Sweep, session: Session) -> Telling:
    """Tells the sweep's trackers what it comes to."""

    see = partial(seen, sweep, session.folder, session.redact)
    return Telling(sweep.trackers, session.folder, see, sweep.rate)
