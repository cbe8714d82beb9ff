"""`sweeper +experiment=NAME`: run a sweep or continue it, then report."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path

from sweeper.commands.owed import abandoned, settle, settle_others, unasked
from sweeper.commands.say import (
    READER_GONE,
    complain,
    forget_stdout,
    hide,
    package_version,
    relative,
    tell,
    warn_unreleased,
)
from sweeper.config.project import packaged_conf
from sweeper.core import results as tables
from sweeper.core import stop
from sweeper.core.chain import Chain
from sweeper.core.events import TrialStatus
from sweeper.core.model import Sweep
from sweeper.core.remedies import SAME_ERROR_LIMIT
from sweeper.core.secrets import Redactor, masked
from sweeper.core.tracked import Notebook, Tracked, sweep_ended
from sweeper.errors import LockHeldError, UsageError
from sweeper.record import script
from sweeper.record.atomic import unversioned, write_atomically
from sweeper.record.locks import held
from sweeper.run.clock import SystemClock
from sweeper.run.connect import connect
from sweeper.run.ending import Ending
from sweeper.run.release import Unreleased
from sweeper.run.runner import Runner
from sweeper.run.session import Session
from sweeper.run.world import Archive
from sweeper.show import files, table
from sweeper.show.display import Display
from sweeper.tracking.telling import Telling

SCHEMA = "experiment.json"
"""What checks and completes experiments in an editor; in a project it lies in `.sweeper/`."""


def run(sweep: Sweep, session: type[Session] | None = None) -> int:
    """Run a sweep, or continue it; returns the exit code. `session`: another outside than the real one, for tests."""
    for warning in filter(None, (*sweep.warnings, script.warning(sweep))):
        complain(f"warning: {warning}")
    try:
        with ExitStack() as stack:
            ending, outside, telling = _drive(sweep, stack, session or Session)
    except LockHeldError:
        raise  # who holds it looks after its pools
    except BaseException as error:
        if not hasattr(error, "unreleased"):  # the runner did not come to close anything
            error.unreleased = left_open(sweep)  # type: ignore[attr-defined]
        raise
    with undisturbed(ending):
        return _told(sweep, ending, outside, telling)


def undisturbed(ending: Ending) -> AbstractContextManager[object]:
    """While something may still bill no signal ends the telling of it; else one ends the report at once."""
    return SystemClock().listening() if ending.unreleased else nullcontext()


def _told(sweep: Sweep, ending: Ending, outside: Session, telling: Telling) -> int:
    """Report, then say what may still bill: the pool came first. Returns the exit code."""
    try:
        found, best = report(sweep, ending.chain, outside.folder, outside.redact)
        telling.end(ending.chain, sweep_ended(ending.chain, found, best, [pool.name for pool in ending.unreleased]))
        for trouble in telling.troubles():
            complain(trouble)
    except OSError as error:
        # A full disk: the journal knows everything, and `sweeper report` writes the files again.
        complain(f"the results could not be written: {error}")
        return warn_unreleased(ending.unreleased) or UsageError.exit_code
    except BaseException as error:
        error.unreleased = ending.unreleased  # type: ignore[attr-defined]
        raise
    return exit_code(sweep, ending)


def left_open(sweep: Sweep) -> list[Unreleased]:
    """What earlier runs of a sweep that cannot run now left open: what idles is closed, the rest is named.

    The journal may be refused, the folder read-only, the account unreachable: the registry knows of the debt.
    """
    runs, clock = Path(sweep.project).absolute() / "runs", SystemClock()
    found: list[Unreleased] = []
    with clock.listening():
        for debt in abandoned():
            if (debt.sweep, Path(debt.folder).parent, debt.account.engine) != (sweep.name, runs, sweep.engine.value):
                continue
            try:
                poolless = {job.name for job in debt.owed or () if not job.keep_alive_s}
                found += [pool for pool in settle(debt, clock, complain) if pool.name not in poolless]
            except LockHeldError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever keeps it from being asked, it may be open
                found += unasked(debt, str(error))
    return found


def _drive(sweep: Sweep, stack: ExitStack, made: type[Session]) -> tuple[Ending, Session, Telling]:
    clock = SystemClock()
    stack.enter_context(clock.listening())
    versions = {name: package_version(name) for name in ("sweeper", "boto3", "hydra-core")}
    session = made(sweep, connect(sweep), clock, clock.now(), Display, files.as_yaml, versions)
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
        ending = runner.run()
    ending.unreleased += session.ledger.close_forgotten(ending.chain, session.api)
    if not ending.chain.debts and not ending.unreleased:
        session.ledger.settle()
    ending.unreleased += elsewhere
    return ending, session, telling


def _telling(sweep: Sweep, session: Session) -> Telling:
    """Tells the sweep's trackers what it comes to."""

    def see(notes: Notebook) -> Tracked:
        config = masked(sweep.composed, session.redact)
        return Tracked(sweep.name, session.folder, config, sweep.objective, sweep.trials, notes, sweep.only)

    return Telling(sweep.trackers, session.folder, see, sweep.rate)


def own_folders(project: Path) -> None:
    """The folders that runs write, which git leaves alone, and the schema where an editor finds it. Raises OSError."""
    unversioned(project / "runs")
    schema = (packaged_conf() / "schema" / SCHEMA).read_text(encoding="utf-8")
    copy = unversioned(project / ".sweeper") / SCHEMA
    if not copy.exists() or copy.read_text(encoding="utf-8") != schema:
        write_atomically(copy, schema)


def report(sweep: Sweep, chain: Chain, folder: Path, redact: Redactor) -> tuple[tables.Results, tables.Row | None]:
    """Write the result files and print the table, which is returned with its best row. Raises OSError."""
    found, chosen = files.write_results(sweep, chain, folder, redact)
    try:
        table.print_table(sys.stdout, found, sweep.trials.keys, chosen, sweep.objective)
        tell(table.pool_line(chain))
        for line in table.ending_lines(found, chain, simulated=not sweep.engine.on_aws):
            tell(line)
        if model := table.model_line(chosen, folder.name):
            tell(model)
        tell(f"results: {relative(folder)}/results.csv")
        if idle := table.idle_line(found, chain):
            tell(idle)
        sys.stdout.flush()
    except OSError as error:
        forget_stdout()
        if error.errno not in READER_GONE:
            raise
    return found, chosen


def exit_code(sweep: Sweep, ending: Ending) -> int:
    """The exit code of an ending, by the precedence of the contract."""
    if ending.unreleased:
        return warn_unreleased(ending.unreleased)
    if ending.signal:
        return 128 + ending.signal
    decided = ending.chain.decided.rule if ending.chain.decided else ""
    by_rule = 1 if decided == SAME_ERROR_LIMIT else stop.exit_code(decided, sweep.stop)
    bad = {TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value}
    rows = tables.results(sweep, ending.chain).rows
    meant = [row for row in rows if (row["trial"] == sweep.only if sweep.only else row["declared"])]
    failed = any(row["status"] in bad for row in meant)
    return max(by_rule, int(failed))
