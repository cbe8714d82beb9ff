"""Whatever a caller may not do: a sweep ends by itself, the action is named, and what may still bill is named too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sweeper.core.events import TrialStatus
from sweeper.core.model import PoolSettings
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.permissions import Permissions
from sweeper.errors import ApiError
from sweeper.testing.twin import Script
from tests.laws.outside import Outside, code_of, make_sweep, scripts

Make = Callable[..., Outside]
SETTINGS = ServiceSettings(cold_start_s=90.0, warm_start_s=5.0, settle_gap_s=2.0)


def deny(here: Outside, *actions: str, keep_alive_below_s: int | None = None) -> None:
    """From here on."""
    here.twin.permissions = Permissions(replace(SETTINGS, deny=actions, keep_alive_below_s=keep_alive_below_s))


@pytest.mark.parametrize("action", ["sagemaker:CreateTrainingJob", "iam:PassRole", "sagemaker:AddTags"])
def test_what_create_needs_is_asked_once_and_named(outside: Make, action: str) -> None:
    """A Create that is denied, for itself, the role or the tags, is not sent again; no job exists, nothing bills."""
    here = outside(settings=SETTINGS)
    deny(here, action)
    with pytest.raises(ApiError, match=f"not authorized to perform: {action} on resource"):
        here.run()
    assert len(here.calls("CreateTrainingJob")) == 1
    assert here.nothing_is_open()


def test_a_right_that_is_lost_in_the_middle_closes_the_pool_that_is_there(outside: Make) -> None:
    """PassRole is taken away after the first job: the second Create ends the sweep, and the pool is released."""
    here = outside(settings=SETTINGS)
    here.after_append = lambda events: deny(here, "iam:PassRole") if here.calls("CreateTrainingJob") else None
    with pytest.raises(ApiError, match="iam:PassRole"):
        here.run()
    assert here.statuses[0] is TrialStatus.COMPLETED
    assert here.nothing_is_open()


def test_a_keep_alive_over_the_policys_is_denied_by_the_service(outside: Make) -> None:
    """The condition on sagemaker:KeepAlivePeriod denies a Create with a longer one, and lets a shorter one through."""
    here = outside(settings=SETTINGS, sweep=make_sweep(1))
    deny(here, keep_alive_below_s=300)
    with pytest.raises(ApiError, match="sagemaker:CreateTrainingJob"):
        here.run()
    shorter = outside(settings=SETTINGS, sweep=make_sweep(1, pool=PoolSettings(keep_alive_s=299)))
    deny(shorter, keep_alive_below_s=300)
    shorter.run()
    assert shorter.whole()


def test_who_may_not_stop_is_told_and_the_pool_is_released_at_the_jobs_own_end(outside: Make) -> None:
    """An interrupted sweep whose running job may not be stopped says so once, waits for it, and releases."""
    here = outside(settings=SETTINGS, behaviour=scripts(x0=Script(3000.0, metrics={"m": 1.0})), sweep=make_sweep(1))
    deny(here, "sagemaker:StopTrainingJob")
    here.after_append = lambda events: here.caught.append(2) if here.calls("CreateTrainingJob") else None
    ending = here.run()
    assert code_of(here, ending) == 130
    assert here.said.count("not authorized to perform: sagemaker:StopTrainingJob") == 1
    assert here.pools == ["terminated"]
    assert here.whole()


def test_who_may_not_look_is_told_what_may_bill(outside: Make) -> None:
    """Describe that stays denied is waited out for the 300 s of a propagation, then it is an error with the names."""
    here = outside(settings=SETTINGS, sweep=make_sweep(1))
    deny(here, "sagemaker:DescribeTrainingJob")
    begun = here.clock.now()
    with pytest.raises(ApiError, match="sagemaker:DescribeTrainingJob") as told:
        here.run()
    assert here.clock.now() - begun > 300
    assert [pool.name for pool in told.value.unreleased] == [job.name for job in here.ledger.jobs]  # type: ignore[attr-defined]
