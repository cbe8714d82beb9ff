"""`sweeper stop`: asks a running chain to end; its runner releases the pool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell, warn_unreleased
from sweeper.record.journal import ask
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.show.summary import left_open

LOOK_S = 0.2


class StopAsked(TypedDict):
    """A sweep that was asked to end."""

    sweep: str
    asked: bool
    """False: nobody runs it."""
    open_pools: list[str]
    """The jobs whose pool was not seen closed, of a sweep that nobody runs; exit code 3 then."""


def main(arguments: Sequence[str]) -> int:
    """Leave the request in the sweep's journal; returns the exit code."""
    parser = Parser(
        prog="sweeper stop",
        description="Ask a running sweep to end. Its runner ends the chain and releases the pool; the same command "
        "that started it goes on later where it stopped.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("--now", action="store_true", help="stop the running job too; default: let it finish")
    parser.add_argument("--wait", action="store_true", help="return when the runner has ended")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    sweep = sweeps.find(options.name)
    runner = sweep.runner
    if runner:
        ask(sweep.journal, SystemClock().now(), "stop", now=options.now)
        what = "what runs" if len(sweep.chain.unfinished) > 1 else "the running job"
        how = f"and stop {what}" if options.now else f"after {what}"
        said = f"asked {runner.short} to end {sweep.name} {how}; it releases the pool"
        if options.wait:
            sweep = _ended(sweep.folder)
            said = f"{sweep.name} has ended: {sweep.chain}"
    else:
        said = f"{sweep.name} is not running; nothing to stop"
    owed = left_open(sweep)
    if options.json:
        told: StopAsked = {
            "sweep": sweep.name,
            "asked": runner is not None,
            "open_pools": [pool.name for pool in owed],
        }
        tell_json(told)
    else:
        tell(said)
    return warn_unreleased(owed)


def _ended(folder: Path) -> StoredSweep:
    clock = SystemClock()
    while (sweep := StoredSweep(folder)).runner:
        clock.sleep(LOOK_S)
    return sweep
