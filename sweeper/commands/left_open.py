"""What dead runners left open: told by every command, and settled first by those that run. It never stops a command."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.core.words import utc
from sweeper.errors import LockHeldError
from sweeper.record.locks import holder
from sweeper.run.registry import Debt, Registry, state_folder

if TYPE_CHECKING:
    from sweeper.core.model import Sweep
    from sweeper.run.clock import SystemClock
    from sweeper.run.release import Unreleased


def abandoned(*but: str) -> Iterator[Debt]:
    """Open debts that nobody looks after, but for the sweeps in these folders."""
    return (debt for debt in _unattended() if debt.folder not in but and not _kept(debt))


def _unattended() -> Iterator[Debt]:
    """Open debts whose runner is not alive."""
    return (debt for debt in Registry(state_folder()) if holder(debt.lock) is None)


def _kept(debt: Debt) -> bool:
    """Is its pool left idle on purpose, under the eyes of a watchdog?"""
    from sweeper.run.clock import SystemClock

    return bool(debt.kept_until) and debt.kept_until > SystemClock().now()


def remind(say: Callable[[str], None]) -> None:
    """Tell of every debt that nobody is looking after."""
    for debt in _unattended():
        if _kept(debt):
            until = utc(debt.kept_until)
            say(f"{debt.sweep} keeps its pool warm until {until}; sooner closed with: sweeper pools release")
        else:
            say(f"warning: the sweep {debt.sweep} in {debt.folder} may have an open pool; see `sweeper pools`")
    for path in Registry(state_folder()).unreadable():
        say(f"warning: {path} cannot be read; it may have told of an open pool: see `sweeper pools`")


def settle_others(
    clock: SystemClock, say: Callable[[str], None], but: str, heirs_of: Collection[str] = ()
) -> list[Unreleased]:
    """Close what other, dead runners left open, before a new sweep adds to it. What still trains is left alone.

    Whatever is wrong with another's debt is told and passed over: it is not this sweep's. But what this project owes
    in an account that these credentials are not of is returned: whoever runs it is the one who can take the right ones.
    `heirs_of`: the folders of those whose pools this sweep has taken over; their watchdogs look after the rest.
    """
    out_of_reach: list[Unreleased] = []
    for debt in abandoned(but, *heirs_of):
        if Path(debt.folder).parent == Path(but).parent and (why := debt.account.strange_caller):
            out_of_reach += unasked(debt, why)
            continue
        try:
            unreleased = settle(debt, clock, say)
        except LockHeldError:
            continue  # its runner has come back, or its watchdog is at it
        except Exception as error:  # noqa: BLE001 - a damaged file, a read-only folder, an account that is gone
            say(f"warning: the sweep {debt.sweep} in {debt.folder} may have an open pool: {error or type(error)}")
            continue
        for pool in unreleased:
            say(f"warning: the sweep {debt.sweep} in {debt.folder}: the pool of {pool.name} may still bill: {pool.why}")
    return out_of_reach


def unasked(debt: Debt, why: str) -> list[Unreleased]:
    """What may still bill of a debt whose service could not be asked; the sweep itself where nothing names its jobs."""
    from sweeper.run.release import Unreleased

    reason, flags = f"it could not be asked: {why}", debt.account.flags
    names = [job.name for job in debt.owed or ()]
    named = [Unreleased(name, reason, flags, ended=False) for name in names]
    return named or [Unreleased(f"the sweep {debt.sweep}", reason, flags, nameless=True)]


def settle(debt: Debt, clock: SystemClock, say: Callable[[str], None]) -> Sequence[Unreleased]:
    """Close what idles of a debt; what still trains, or cannot be asked soon, is left and named.

    Raises LockHeldError while somebody else is at it, and what its account raises.
    """
    from sweeper.run.debts import close_debt
    from sweeper.run.release import Running

    registry = Registry(state_folder())
    if debt.account.gone or debt.account.stopped:
        registry.settle(debt)  # with the local engine stopped nothing runs and nothing bills
        return ()
    say(f"closing the pools that the sweep {debt.sweep} in {debt.folder} left open")
    return close_debt(debt, registry, clock, say, closes="another run", running=Running.LEAVE)


def left_by(sweep: Sweep, say: Callable[[str], None]) -> list[Unreleased]:
    """What earlier runs of a sweep that cannot run now left open: what idles is closed, the rest is named.

    The journal may be refused, the folder read-only, the account unreachable: the registry knows of the debt.
    """
    from sweeper.run.clock import SystemClock

    runs, clock = Path(sweep.project).absolute() / "runs", SystemClock()
    pools: list[Unreleased] = []
    with clock.listening():
        for debt in abandoned():
            if (debt.sweep, Path(debt.folder).parent, debt.account.engine) != (sweep.name, runs, sweep.engine.value):
                continue
            try:
                poolless = {job.name for job in debt.owed or () if not job.keep_alive_s}
                pools += [pool for pool in settle(debt, clock, say) if pool.name not in poolless]
            except LockHeldError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever keeps it from being asked, it may be open
                pools += unasked(debt, str(error))
    return pools
