"""The exit code of an invocation, by the precedence of the contract: as it ends, and by what its folder tells of it."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

from sweeper import errors
from sweeper.commands.say import BILLING
from sweeper.core import stop
from sweeper.core.chain import Chain
from sweeper.core.events import TrialStatus
from sweeper.core.model import Sweep
from sweeper.core.ports import StopRule
from sweeper.core.remedies import SAME_ERROR_LIMIT
from sweeper.core.results import Results
from sweeper.errors import BUG, LockHeldError, UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.ending import Ending
from sweeper.show.summary import ended_by

FAILED = 1


BY_PRECEDENCE = (BILLING, BUG, LockHeldError.exit_code, UsageError.exit_code, 5, 1)
"""As the contract has them; a signal's, 128 and more, come after the first two."""


def worst(codes: Iterable[int]) -> int:
    """The exit code of several invocations in one command."""
    found = set(codes)
    signals = sorted(code for code in found if code >= 128)
    ranks = [*BY_PRECEDENCE[:2], *signals, *BY_PRECEDENCE[2:]]
    return next((code for code in ranks if code in found), max(found, default=0))


def exit_code(sweep: Sweep, ending: Ending, table: Results) -> int:
    """The exit code of an ending whose rows these are, by the precedence of the contract."""
    if ending.unreleased:
        return BILLING
    if ending.signal:
        return 128 + ending.signal
    return _by_results(ending.chain, sweep.stop, table, sweep.only)


def _by_results(chain: Chain, rules: tuple[StopRule, ...], table: Results, only: str) -> int:
    decided = chain.decided.rule if chain.decided else ""
    by_rule = FAILED if decided == SAME_ERROR_LIMIT else stop.exit_code(decided, rules)
    bad = {TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value}
    meant = [row for row in table.rows if (row["trial"] == only if only else row["declared"])]
    failed = any(row["status"] in bad for row in meant)
    return max(by_rule, int(failed))


def stored_exit_code(sweep: StoredSweep) -> int:
    """What the newest run of a sweep that nobody runs has ended with, or would have, had it not been killed."""
    chain = sweep.chain
    if chain.debts:
        return BILLING
    ended = ended_by(chain, running=False)
    by_results = _by_results(chain, sweep.said.rules, sweep.table, chain.opened.only if chain.opened else "")
    if ended is None:
        return by_results
    if ended["signal"]:
        return 128 + ended["signal"]
    if ended["by"] == "error":
        return _of_error(ended["why"].partition(":")[0])
    return max(by_results, FAILED) if ended["by"] == "broken_off" else by_results


def _of_error(name: str) -> int:
    """What an error of this name ends a run with, as the command line has it."""
    ours = getattr(errors, name, None)
    if isinstance(ours, type) and issubclass(ours, errors.SweeperError):
        return ours.exit_code
    theirs = getattr(builtins, name, None)
    if isinstance(theirs, type) and issubclass(theirs, OSError):
        return errors.UsageError.exit_code
    return 130 if theirs is KeyboardInterrupt else errors.BUG
