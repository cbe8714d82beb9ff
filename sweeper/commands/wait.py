"""`sweeper wait`: until a sweep that another process runs has ended; its exit code is that sweep's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweeper.commands import sweeps
from sweeper.commands.ended import tell_programs
from sweeper.commands.exit_code import stored_exit_code
from sweeper.commands.output import Output
from sweeper.commands.parsing import Parser, add_output, output_of
from sweeper.commands.say import tell_words, warn_unreleased
from sweeper.commands.status import line
from sweeper.core import events as ev
from sweeper.core.chain import apply, fold
from sweeper.errors import UsageError
from sweeper.record.changes import is_running
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.show import table
from sweeper.show.events import Stream
from sweeper.show.live.watched import Watched
from sweeper.show.summary import left_open, stored_ended

LOOK_S = 0.2
"""Seconds between two looks."""
STILL_RUNS = 124
"""The exit code when the time is up: what timeout(1) ends with."""


def main(arguments: Sequence[str]) -> int:
    """Wait; returns the exit code of the sweep."""
    options = _parser().parse_args(arguments)
    if options.timeout is not None and not options.timeout >= 0:  # nan is neither
        raise UsageError("wait: --timeout is a number of seconds, 0 or more")
    sweep, clock, output = sweeps.find(options.name), SystemClock(), output_of(options)
    until = None if options.timeout is None else clock.monotonic() + options.timeout
    look = _stream(sweep, clock, output) if output.events else lambda: None
    while is_running(sweep.folder) and (until is None or clock.monotonic() < until):
        look()
        clock.sleep(LOOK_S if until is None else min(LOOK_S, max(0.0, until - clock.monotonic())))
    look()
    return _told(StoredSweep(sweep.folder), clock.now(), output)


def _parser() -> Parser:
    parser = Parser(
        prog="sweeper wait",
        description="Wait until nobody runs a sweep any more; at once where nobody does. The exit code is that of its "
        "newest run, whoever started it. Ctrl-C ends the waiting and not the run.",
        epilog=f"Exit code {STILL_RUNS}: it still runs when the time is up. A run that was killed has left no exit "
        "code: it is 3 where a pool was not seen closed, else 1.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("--timeout", type=float, metavar="S", help="wait so many seconds at most")
    add_output(parser)
    return parser


def _stream(sweep: StoredSweep, clock: SystemClock, output: Output) -> Callable[[], None]:
    """What tells, at each call, what has happened since the one before: at the first, since the run began."""
    stream = Stream((sweep.name, str(sweep.folder)), sweep.declared.trials, output.emit, clock.now, str)
    watched = Watched(sweep, clock.monotonic)
    watched.listeners.append(stream.printed)
    begins = [number for number, (_, event) in enumerate(sweep.events) if isinstance(event, ev.Opened)]
    chain = fold(event for _, event in sweep.events[: begins[-1] if begins else 0])
    come = [*sweep.events[begins[-1] if begins else 0 :]]

    def look() -> None:
        come.extend(watched.look(clock.now(), soon=not watched.running).events)
        for at, event in come:
            stream.tell(event, apply(chain, event), at)
        come.clear()

    return look


def _told(sweep: StoredSweep, now: float, output: Output) -> int:
    """Tell how it stands; returns the exit code."""
    owed = left_open(sweep)
    code = STILL_RUNS if sweep.runner else warn_unreleased(owed) or stored_exit_code(sweep)
    if not output.for_programs:
        tell_words(table.pool_line(sweep.chain, running=sweep.runner is not None))
        tell_words(line(sweep, now))
        if not sweep.runner and (idle := table.idle_line(sweep.table, sweep.chain)):
            tell_words(idle)
    else:
        tell_programs(stored_ended(sweep, code), output, now)
    return code
