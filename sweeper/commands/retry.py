"""`sweeper retry`: opens finished trials again; the next run of the sweep takes them, under new names."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from sweeper.clock import SystemClock
from sweeper.commands import sweeps
from sweeper.core.events import TrialStatus
from sweeper.journal import ask

FAILED = frozenset({TrialStatus.FAILED, TrialStatus.METRIC_MISSING, TrialStatus.STOPPED})


def main(arguments: Sequence[str]) -> int:
    """Leave the request in the sweep's journal; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper retry",
        description="Open finished trials again. Nothing is sent now: the next run of the sweep (or the one that is "
        "at work) takes them, as the next attempt of each.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--failed", action="store_true", help="failed, stopped and metric-less trials (default)")
    which.add_argument("--trial", metavar="ID", help="this trial: its id, name or index")
    which.add_argument("--all", action="store_true", help="every finished trial")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    sweep = sweeps.find(options.name)
    finished = {t.id: t for t in sweep.chain.trials.values() if t.finished}
    if options.trial:
        wanted = [sweeps.find_trial(sweep, options.trial).id]
    else:
        wanted = [id_ for id_, trial in finished.items() if options.all or trial.status in FAILED]
    chosen = [id_ for id_ in wanted if id_ in finished]
    if chosen:
        ask(sweep.journal, SystemClock().now(), "retry", trials=chosen)
    if options.json:
        print(json.dumps({"sweep": sweep.name, "reopened": chosen}))
    elif chosen:
        names = ", ".join(finished[id_].last.intent.label for id_ in chosen[:5])
        more = ", ..." if len(chosen) > 5 else ""
        print(f"reopened {len(chosen)} of {sweep.name} ({names}{more}); run it again")
    else:
        print(f"{sweep.name}: nothing to reopen")
    return 0
