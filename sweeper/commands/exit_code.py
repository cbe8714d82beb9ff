"""The exit code of an invocation, by the precedence of the contract."""

from __future__ import annotations

from sweeper.commands.say import BILLING
from sweeper.core import stop
from sweeper.core.events import TrialStatus
from sweeper.core.model import Sweep
from sweeper.core.remedies import SAME_ERROR_LIMIT
from sweeper.core.results import Results
from sweeper.run.ending import Ending


def exit_code(sweep: Sweep, ending: Ending, table: Results) -> int:
    """The exit code of an ending whose rows these are, by the precedence of the contract."""
    if ending.unreleased:
        return BILLING
    if ending.signal:
        return 128 + ending.signal
    decided = ending.chain.decided.rule if ending.chain.decided else ""
    by_rule = 1 if decided == SAME_ERROR_LIMIT else stop.exit_code(decided, sweep.stop)
    bad = {TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value}
    meant = [row for row in table.rows if (row["trial"] == sweep.only if sweep.only else row["declared"])]
    failed = any(row["status"] in bad for row in meant)
    return max(by_rule, int(failed))
