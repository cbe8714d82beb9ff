"""Debts of other sweeps: told by every command, and settled first by those that run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.core.events import JobStatus
from sweeper.core.model import EngineKind
from sweeper.errors import ApiError, ApiErrorKind, JournalError, LockHeldError, SweeperError
from sweeper.locks import holder
from sweeper.registry import Debt, Registry, state_folder

if TYPE_CHECKING:
    from sweeper.clock import SystemClock


def abandoned(but: str = "") -> Iterator[Debt]:
    """Open debts whose runner is not alive, but for the sweep in this folder."""
    for debt in Registry(state_folder()):
        if debt.folder != but and holder(Path(debt.folder) / ".lock") is None:
            yield debt


def remind(say: Callable[[str], None]) -> None:
    """Tell of every debt that nobody is looking after."""
    for debt in abandoned():
        say(f"warning: the sweep {debt.sweep} in {debt.folder} may have an open pool; see `sweeper pools`")


def settle_others(clock: SystemClock, say: Callable[[str], None], but: str) -> None:
    """Close what other, dead runners left open, before a new sweep adds to it. What still trains is left alone."""
    for debt in abandoned(but):
        try:
            _settle(debt, clock, say)
        except LockHeldError:
            continue  # its runner has come back
        except SweeperError as error:
            say(f"warning: the sweep {debt.sweep} in {debt.folder} may have an open pool: {error}")


def _settle(debt: Debt, clock: SystemClock, say: Callable[[str], None]) -> None:
    from sweeper.debts import close_debts

    registry = Registry(state_folder())
    if debt.account.gone or _engine_stopped(debt):
        registry.settle(debt.folder)  # with the local engine stopped nothing runs and nothing bills
        return
    training = _training(debt)
    if training:
        say(f"warning: {training} of the sweep {debt.sweep} still trains without a runner; run that sweep again")
        return
    say(f"closing the pools that the sweep {debt.sweep} in {debt.folder} left open")
    unreleased = close_debts(debt, clock, say, stop_running=False, impatient=lambda: bool(clock.caught))
    if not unreleased:
        registry.settle(debt.folder)
    for pool in unreleased:
        say(f"THE POOL OF {pool.name} MAY STILL BILL: {pool.why}; release it with: {pool.command}")


def _engine_stopped(debt: Debt) -> bool:
    from sweeper.engine import launch

    local = debt.account.engine == EngineKind.LOCAL.value
    return local and launch.status(Path(debt.account.engine_folder)) is None


def _training(debt: Debt) -> str:
    """The name of a job of this sweep that still runs, empty when none does. Raises JournalError, ApiError."""
    if not debt.journal.exists():
        raise JournalError(f"{debt.journal} is gone; `sweeper pools release` closes what it left")
    api = debt.account.api()
    for job in debt.chain().debts_newest_first:
        try:
            description = api.describe_training_job(job.name)
        except ApiError as error:
            if error.kind is not ApiErrorKind.NOT_FOUND:
                raise
            continue
        if not JobStatus.of(description.get("TrainingJobStatus")).terminal:
            return job.name
    return ""
