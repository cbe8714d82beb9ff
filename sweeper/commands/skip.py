"""`sweeper skip`: a trial is not run, or not run on; the chain goes on with the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.core.asked import queued_values
from sweeper.core.model import Trial
from sweeper.record.journal import ask
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock


class SkipAsked(TypedDict):
    """A trial that is to be left out, or with --undo to be taken in again."""

    sweep: str
    trial: str
    asked: bool
    """False: there was nothing to do."""
    running: bool
    """Does its job run? Then it is stopped."""


def main(arguments: Sequence[str]) -> int:
    """Leave the request in the sweep's journal; returns the exit code."""
    parser = Parser(
        prog="sweeper skip",
        description="Leave a trial out. When it runs now its job is stopped; the next trial takes the pool, or the "
        "runner releases it at the end. With --undo it is taken in again.",
    )
    parser.add_argument("words", nargs="+", metavar="[NAME] TRIAL", help="a sweep (default: the newest), and a trial")
    parser.add_argument("--undo", action="store_true", help="take a trial in again that was left out")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if len(options.words) > 2:
        parser.error("give one trial, after the sweep's name if it is not the newest one")
    sweep = sweeps.find(options.words[0]) if len(options.words) > 1 else sweeps.newest()
    trial = sweeps.find_trial(sweep, options.words[-1])
    history = sweep.chain.trials.get(trial.id)
    running = any(job.intent.trial == trial.id for job in sweep.chain.unfinished.values())
    if options.undo:
        return _undo(sweep, trial, as_json=options.json)
    asked = not (history and history.finished)
    if asked:
        ask(sweep.journal, SystemClock().now(), "skip", trial=trial.id, label=trial.name, **queued_values([trial]))
    if options.json:
        told: SkipAsked = {"sweep": sweep.name, "trial": trial.id, "asked": asked, "running": running}
        tell_json(told)
    elif not asked:
        done = "is skipped already" if history and history.skipped else "has finished"
        tell(f"{trial.name} of {sweep.name} {done}; nothing to skip")
    elif running and sweep.runner:
        tell(f"asked {sweep.runner.short} to stop {trial.name}; the pool goes to the next trial, or is released")
    else:
        when = "its runner leaves it out" if sweep.runner else "the next run leaves it out"
        tell(f"{trial.name} of {sweep.name}: {when}; no pool is touched. To take it in again: --undo")
    return 0


def _undo(sweep: StoredSweep, trial: Trial, *, as_json: bool) -> int:
    history = sweep.chain.trials.get(trial.id)
    skipped = history is not None and history.skipped and history.finished
    if skipped:
        ask(sweep.journal, SystemClock().now(), "retry", trials=[trial.id], **queued_values([trial]))
    if as_json:
        told: SkipAsked = {"sweep": sweep.name, "trial": trial.id, "asked": skipped, "running": False}
        tell_json(told)
    else:
        what = "is taken in again" if skipped else "was not skipped; nothing to undo"
        tell(f"{trial.name} of {sweep.name} {what}")
    return 0
