"""A sweep on spot machines: interruptions end no job, checkpoints are each trial's own, and nothing is left running."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sweeper.aws.quotas import Quotas
from sweeper.backends.spot import Spot
from sweeper.core import paces, plan
from sweeper.core.costs import Rate
from sweeper.core.events import Closed, TrialStatus
from sweeper.core.model import PoolSettings, Sweep
from sweeper.core.remedies import on_failure
from sweeper.core.results import SAVINGS, results
from sweeper.core.scope import EngineKind
from sweeper.core.verdict import Check, Verdict
from sweeper.engine.training.settings import ServiceSettings
from sweeper.run.checks import quota
from sweeper.testing.twin import Script
from tests.laws.outside import Outside, make_sweep, scripts

Make = Callable[..., Outside]
SCRIPTS = scripts(**{f"x{n}": Script(1000.0, metrics={"m": n}, stops_in=0.0) for n in range(2)})

THEIRS, MINE = (f"{account}.dkr.ecr.us-east-1.amazonaws.com" for account in ("382416733822", "123456789012"))


def sweep(trials: int = 2, checkpoints: str | None = "s3://bucket/checkpoints", **changes: Any) -> Sweep:
    """A sweep whose jobs have a place for their checkpoints, unless there is to be none."""
    plain = make_sweep(trials, backend=Spot(), pool=PoolSettings(keep_alive_s=0), **changes)

    def resolve(trial: Any, taken: Any = None) -> Any:
        found = plain.resolve(trial)
        return {**found, "job": {**found["job"], "checkpoint_s3_uri": checkpoints}}

    return replace(plain, resolve=resolve)


def on_spot(outside: Make, declared: Sweep | None = None, wait_s: int = 3600, **settings: Any) -> Outside:
    """The outside of such a sweep; every machine is taken three times unless the settings say something else."""
    plan = {"spot_interruptions": (200.0, 300.0, 400.0), "spot_wait_s": 60.0, "spot_discount": 0.8}
    here = outside(sweep=declared or sweep(), settings=ServiceSettings(**{**plan, **settings}), behaviour=SCRIPTS)
    here.sweep = replace(here.sweep, backend=Spot(wait_s))
    return here


def test_row_60_jobs_interrupted_three_times_finish_from_their_checkpoints(outside: Make) -> None:
    """Each trial is one job that lost three machines and trained nothing twice; its savings follow the formula."""
    here = on_spot(outside)
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 2
    assert here.failures == ["", ""]
    assert here.said.count("secondary='Interrupted'") == 6
    assert len(here.ledger.jobs) == 2 and here.whole()
    assert {job.closed for job in here.chain.jobs.values()} == {Closed.NEVER_HAD_POOL}
    table = results(here.sweep, here.chain)
    assert table.columns[-1] == SAVINGS
    for row in table.rows:
        assert 1000 <= row["train_seconds"] <= 1008
        assert row["savings_percent"] == round((1 - row["billable_seconds"] / row["train_seconds"]) * 100, 2)
        assert row["savings_percent"] == pytest.approx(80, abs=0.1)
        assert row["interruptions"] == 3
        assert row["interrupted_seconds"] == pytest.approx(180, abs=1)


def test_no_request_asks_for_a_pool_and_each_trial_has_its_own_checkpoints(outside: Make) -> None:
    """What goes over the wire: spot, no keep-alive, a wait longer than the run, and a prefix for each trial."""
    here = on_spot(outside, spot_interruptions=())
    here.run()
    requests = [job.request for job in here.ledger.jobs]
    assert all(request["EnableManagedSpotTraining"] for request in requests)
    assert not any("KeepAlivePeriodInSeconds" in request["ResourceConfig"] for request in requests)
    assert {request["StoppingCondition"]["MaxWaitTimeInSeconds"] for request in requests} == {7200}
    assert len({request["CheckpointConfig"]["S3Uri"] for request in requests}) == 2


@pytest.mark.parametrize("phase", ["Training", "Interrupted"])
def test_a_signal_ends_the_job_and_the_next_run_goes_on_from_its_checkpoint(outside: Make, phase: str) -> None:
    """Ctrl-C while it trains or waits for a machine: stopped at once; the next attempt trains only what is left."""
    here = on_spot(outside, sweep(1))
    watching = here.listener.event

    def interrupt(event: Any, chain: Any) -> None:
        watching(event, chain)
        if getattr(event, "secondary", "") == phase and not here.caught:
            here.caught.append(signal.SIGINT)

    here.listener.event = interrupt  # type: ignore[method-assign]
    assert here.run().signal == signal.SIGINT
    assert here.statuses == [TrialStatus.INTERRUPTED] and here.nothing_is_open()
    here.listener.event = watching  # type: ignore[method-assign]
    here.caught.clear()
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] and here.whole()
    assert len({job.request["CheckpointConfig"]["S3Uri"] for job in here.ledger.jobs}) == 1
    (row,) = results(here.sweep, here.chain).rows
    assert row["attempts"] == 2 and 1000 <= row["train_seconds"] <= 1012


def test_a_job_that_finds_no_machine_is_a_matter_of_capacity_and_its_retry_goes_on(outside: Make) -> None:
    """MaxWaitTimeExceeded is no timeout of the script; the remedy of missing capacity trains only what is left."""
    declared = sweep(1, on_failure=on_failure({"capacity": {"retry": 1}}))
    here = on_spot(outside, declared, wait_s=100, spot_interruptions=(600.0,), spot_wait_s=1e6)
    here.run()
    assert here.failures == ["capacity", ""] and here.nothing_is_open()
    assert "backend.wait_s" in here.said
    trained = [job.outcome.train_seconds for job in here.chain.outcomes if job.outcome]
    assert trained == [pytest.approx(600, abs=8), pytest.approx(400, abs=8)]


def test_without_checkpoints_an_interrupted_job_begins_anew(outside: Make) -> None:
    """What `allow_restart` allows: each machine begins at nothing, all of it is trained and billed, and it ends."""
    here = on_spot(outside, sweep(1, None), spot_interruptions=(200.0, 300.0))
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] and here.whole()
    (job,) = here.ledger.jobs
    assert "CheckpointConfig" not in job.request
    (row,) = results(here.sweep, here.chain).rows
    assert (row["interruptions"], row["train_seconds"]) == (2, pytest.approx(1500, abs=8))


@pytest.mark.parametrize(
    ("spot", "job", "keys"),
    [
        (Spot(), {}, ["job.checkpoint_s3_uri"]),
        (Spot(), {"checkpoint_s3_uri": "s3://b/c"}, []),
        (Spot(7200, allow_restart=True), {}, []),
        (Spot(0, allow_restart=True), {"algorithm_name": "theirs"}, []),
        (Spot(1, allow_restart=True), {"algorithm_name": "theirs"}, ["backend.wait_s"]),
        (Spot(1, allow_restart=True), {"image_uri": f"{THEIRS}/kmeans:1", "launch": "image"}, ["backend.wait_s"]),
        (Spot(1, allow_restart=True), {"image_uri": f"{THEIRS}/sagemaker-xgboost:1.7", "launch": "toolkit"}, []),
        (Spot(1, allow_restart=True), {"image_uri": f"{MINE}/kmeans:1", "launch": "image"}, []),
        (Spot(1), {"algorithm_name": "theirs", "checkpoint_s3_uri": "s3://b/c"}, []),
    ],
)
def test_what_may_not_be_lost_is_asked_for(spot: Spot, job: dict[str, Any], keys: list[str]) -> None:
    """Checkpoints, unless it may begin anew; then the longest wait of algorithms that AWS brings."""
    values = {
        "job": {"checkpoint_s3_uri": None, "algorithm_name": None, "image_uri": None, "launch": "driver"} | job,
        "locked": {"role_arn": "arn:aws:iam::123456789012:role/x"},
        "pool": {"keep_alive_s": 0},
    }
    values["job"]["max_runtime_s"] = 3600
    assert [".".join(map(str, path)) for path, _ in spot.refused(values)] == keys


def test_spot_machines_have_a_quota_of_their_own(outside: Make) -> None:
    """Before anything is sent: the quota for spot decides, and not the one for training or for pools."""
    here = on_spot(outside)

    def told(found: Quotas) -> list[Check]:
        return list(quota.judged(here.sweep, [found], []))

    assert [check.verdict for check in told(Quotas(training=0, warm_pool=0, spot=1))] == [Verdict.PASS]
    (refused,) = told(Quotas(training=10, warm_pool=10, spot=0))
    assert refused.verdict is Verdict.FAIL
    assert "for spot training job usage' is 0 and 1 needed" in refused.line


def test_a_plan_tells_what_is_known_of_spot_prices(outside: Make) -> None:
    """Before a job has ended: the price on demand, unless the experiment assumes savings; then what was measured."""
    rate, declared = Rate(0.01), {"cold_start_s": 0, "train_s": 1000}
    composed = {"job": {"checkpoint_s3_uri": "s3://b/c"}, "assume": declared}
    here = on_spot(outside, sweep(1, composed=composed))

    def usd(engine: EngineKind) -> float | None:
        there = replace(here.sweep, engine=engine)
        return plan.estimates(there, 1, paces.assumed(there, here.chain), rate)[-1].usd

    here.run()
    assert usd(EngineKind.AWS) == pytest.approx(2.0, abs=0.1)  # 1000 s and four starts, a fifth of the price
    assert usd(EngineKind.LOCAL) == pytest.approx(10.0, abs=0.1)  # what is simulated says nothing of an account
    told = {**composed, "assume": {**declared, "spot_savings_percent": 50}}
    for assumed, price in ((composed, 10.0), (told, 5.0)):
        unrun = sweep(1, composed=assumed)
        assert plan.estimates(unrun, 1, paces.assumed(unrun, type(here.chain)()), rate)[-1].usd == price
