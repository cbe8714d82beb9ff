"""What is told of an invocation that has ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from sweeper.commands.exit_code import exit_code
from sweeper.commands.output import Output
from sweeper.commands.say import READER_GONE, complain, forget_stdout, relative, tell, tell_words, warn_unreleased
from sweeper.core.as_json import moment
from sweeper.core.chain import Chain
from sweeper.core.model import Sweep
from sweeper.core.results import Results, Row
from sweeper.core.tracked import sweep_ended
from sweeper.errors import Fault, UsageError
from sweeper.run.clock import SystemClock
from sweeper.run.ending import Ending
from sweeper.run.session import Session
from sweeper.show import files, receipt
from sweeper.show import report as page
from sweeper.show import table as tables
from sweeper.show.events import SweepOver
from sweeper.show.summary import RunEnded, may_bill, standing
from sweeper.tracking.telling import Telling


def undisturbed(ending: Ending) -> AbstractContextManager[object]:
    """While something may still bill no signal ends the telling of it; else one ends the report at once."""
    return SystemClock().listening() if ending.unreleased else nullcontext()


def told(sweep: Sweep, ending: Ending, outside: Session, telling: Telling, output: Output) -> int:
    """Report, then say what may still bill: the pool came first. Returns the exit code."""
    try:
        table, best = report(sweep, ending.chain, outside, printed=not output.for_programs)
        tell_trackers(ending, telling, table, best, complain)
    except OSError as error:
        # A full disk: the journal knows everything, and `sweeper report` writes the files again.
        message = f"the results could not be written: {error}"
        complain(message)
        code = warn_unreleased(ending.unreleased) or UsageError.exit_code
        output.failed(code, [Fault("system", message)], ending.unreleased)
        return code
    except BaseException as error:
        error.unreleased = ending.unreleased  # type: ignore[attr-defined]
        raise
    code = warn_unreleased(ending.unreleased) or exit_code(sweep, ending, table)
    if output.for_programs:
        tell_programs(run_ended(sweep, ending, outside.folder, table, code), output, outside.clock.now())
    return code


def tell_trackers(
    ending: Ending, telling: Telling, table: Results, best: Row | None, say: Callable[[str], None]
) -> None:
    """Tell the trackers what the sweep has come to, and a person what is wrong with them."""
    unreleased = [pool.name for pool in ending.unreleased]
    telling.end(ending.chain, sweep_ended(ending.chain, table, best, unreleased), say)
    for trouble in telling.troubles():
        say(trouble)


def run_ended(sweep: Sweep, ending: Ending, folder: Path, table: Results, code: int) -> RunEnded:
    """What programs are told of the end."""
    simulated = not sweep.engine.on_aws
    stands = standing(table, ending.chain, sweep.objective, simulated=simulated, running=False, why=ending.why)
    return {
        "sweep": folder.name,
        "name": sweep.name,
        "folder": str(folder),
        "exit_code": code,
        "unreleased": may_bill(ending.unreleased),
        **stands,
    }


def tell_programs(ended: RunEnded, output: Output, now: float) -> None:
    """The end, as a stream's last line, and as the one object. It is as long for a thousand trials as for one."""
    if output.events:
        over: SweepOver = {"event": "ended", "at": moment(now), **ended}
        output.emit(over)
    if output.json:
        output.emit(ended)


def report(sweep: Sweep, chain: Chain, outside: Session, *, printed: bool) -> tuple[Results, Row | None]:
    """Write the result files, print the table, write the page; returns the table and its best row. Raises OSError."""
    folder = outside.folder
    rows, chosen = files.write_results(sweep, chain, folder, outside.redact)
    if printed:
        print_report(sweep, chain, outside, rows, chosen)
    page.keep_current(folder, rows, chosen, outside.clock.now())  # last: nobody waits for their table
    return rows, chosen


def print_report(sweep: Sweep, chain: Chain, outside: Session, rows: Results, chosen: Row | None) -> None:
    """What a person reads at the end. Raises OSError."""
    folder = outside.folder
    try:
        tables.print_table(sys.stdout, rows, sweep.trials.keys, chosen, sweep.objective)
        tell_words(tables.pool_line(chain))
        simulated = not sweep.engine.on_aws
        for line in tables.ending_lines(rows, chain, simulated=simulated):
            tell_words(line)
        for line in receipt.of_sweep(sweep.composed, chain, sweep.rate, simulated=simulated).lines:
            tell_words(line)
        if model := tables.model_line(chosen, folder.name):
            tell_words(model)
        tell(f"results: {relative(folder)}/results.csv")
        tell(f"report: {relative(folder)}/{page.NAME}")
        if idle := tables.idle_line(rows, chain):
            tell_words(idle)
        sys.stdout.flush()
    except OSError as error:
        forget_stdout()
        if error.errno not in READER_GONE:
            raise
