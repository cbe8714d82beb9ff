"""`sweeper skip`: a trial is not run, or not run on; the chain goes on with the next one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from sweeper.clock import SystemClock
from sweeper.commands import sweeps
from sweeper.journal import ask


def main(arguments: Sequence[str]) -> int:
    """Leave the request in the sweep's journal; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper skip",
        description="Leave a trial out. When it runs now its job is stopped; the next trial takes the pool, or the "
        "runner releases it at the end. `sweeper retry --trial` opens it again.",
    )
    parser.add_argument("words", nargs="+", metavar="[NAME] TRIAL", help="a sweep (default: the newest), and a trial")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if len(options.words) > 2:
        parser.error("give one trial, after the sweep's name if it is not the newest one")
    sweep = sweeps.find(options.words[0]) if len(options.words) > 1 else sweeps.newest()
    trial = sweeps.find_trial(sweep, options.words[-1])
    history = sweep.chain.trials.get(trial.id)
    running = any(job.intent.trial == trial.id for job in sweep.chain.unfinished.values())
    asked = not (history and history.finished)
    if asked:
        ask(sweep.journal, SystemClock().now(), "skip", trial=trial.id)
    if options.json:
        print(json.dumps({"sweep": sweep.name, "trial": trial.id, "asked": asked, "running": running}))
    elif not asked:
        print(f"{trial.name} of {sweep.name} has finished; nothing to skip")
    elif running and sweep.runner:
        print(f"asked {sweep.runner} to stop {trial.name}; the pool goes to the next trial, or is released at the end")
    else:
        when = "its runner leaves it out" if sweep.runner else "the next run leaves it out"
        print(f"{trial.name} of {sweep.name}: {when}; no pool is touched")
    return 0
