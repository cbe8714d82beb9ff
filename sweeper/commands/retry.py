"""`sweeper retry`: opens finished trials again; the next run of the sweep takes them, under new names."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.core.asked import queued_values
from sweeper.core.events import TrialStatus
from sweeper.core.model import Trial
from sweeper.errors import UsageError
from sweeper.record.journal import ask
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock

FAILED = frozenset({TrialStatus.FAILED, TrialStatus.METRIC_MISSING, TrialStatus.STOPPED})


class Retried(TypedDict):
    """Trials that the next run takes again."""

    sweep: str
    reopened: list[str]
    """By identity."""


def main(arguments: Sequence[str]) -> int:
    """Leave the request in the sweep's journal; returns the exit code."""
    parser = Parser(
        prog="sweeper retry",
        description="Open finished trials again. Nothing is sent now: the next run of the sweep (or the one that is "
        "at work) takes them, as the next attempt of each.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--failed", action="store_true", help="failed, stopped and metric-less trials (default)")
    which.add_argument("--trial", metavar="TRIAL", help="this trial: its number, id or name")
    which.add_argument("--all", action="store_true", help="every finished trial")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    sweep = sweeps.find(options.name)
    if options.trial:
        wanted = [_declared(sweep, sweeps.find_trial(sweep, options.trial))]
    else:
        wanted = [trial for trial in sweep.trials if trial.index >= 0 and _meant(sweep, trial, options)]
    chosen = [trial for trial in wanted if sweep.chain.is_finished(trial.id)]
    if chosen:
        ask(sweep.journal, SystemClock().now(), "retry", trials=[trial.id for trial in chosen], **queued_values(chosen))
    if options.json:
        told: Retried = {"sweep": sweep.name, "reopened": [trial.id for trial in chosen]}
        tell_json(told)
    elif chosen:
        names = ", ".join(trial.name for trial in chosen[: sweeps.NAMED])
        more = ", ..." if len(chosen) > sweeps.NAMED else ""
        then = "the run that is at work takes them" if sweep.runner else "run it again"
        tell(f"reopened {len(chosen)} of {sweep.name} ({names}{more}); {then}")
    else:
        tell(f"{sweep.name}: nothing to reopen")
    return 0


def _declared(sweep: StoredSweep, trial: Trial) -> Trial:
    if trial.index < 0:
        instead = f"sweeper rerun {sweep.name} {trial.id}"
        raise UsageError(f"{trial.name} of {sweep.name} is not declared any more: no run takes it; {instead} does")
    return trial


def _meant(sweep: StoredSweep, trial: Trial, options: argparse.Namespace) -> bool:
    history = sweep.chain.trials.get(trial.id)
    return history is not None and (options.all or (history.status in FAILED and not history.skipped))
