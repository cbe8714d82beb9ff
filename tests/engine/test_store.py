"""Records on disk: a restart changes nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine.errors import ServiceError
from sweeper.engine.store import Store
from sweeper.engine.training.service import Service
from sweeper.engine.training.settings import ServiceSettings

SETTINGS = ServiceSettings(
    cold_start_s=20,
    warm_start_s=2,
    settle_gap_s=3,
    release_lag_s=4,
    stopping_s=1,
    stop_grace_s=10,
    pool_patch_rate=0.3,
    spot_interruptions=(2.0, 1.0, 2.0),
    spot_wait_s=5,
)


def request(name: str, rng: random.Random) -> dict[str, Any]:
    """One of a few requests."""
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": rng.choice([1, 2])}
    return {
        "TrainingJobName": name,
        "RoleArn": "r",
        "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
        "ResourceConfig": {**resources, "KeepAlivePeriodInSeconds": rng.choice([0, 30, 300])},
        "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
        "StoppingCondition": {"MaxRuntimeInSeconds": rng.choice([5, 100]), "MaxWaitTimeInSeconds": 120},
        "EnableManagedSpotTraining": rng.random() < 0.3,
    }


def act(service: Service, rng: random.Random, now: float, number: int) -> None:
    """Something at random, as a client or as the world."""
    name = rng.choice(list(service.jobs) or ["nobody"])
    what = rng.randrange(9)
    try:
        if what <= 1:
            service.call("CreateTrainingJob", request(f"job-{number}", rng), now)
        elif what == 2:
            service.call("StopTrainingJob", {"TrainingJobName": name}, now)
        elif what == 3:
            keep = {"KeepAlivePeriodInSeconds": rng.choice([0, 60])}
            service.call("UpdateTrainingJob", {"TrainingJobName": name, "ResourceConfig": keep}, now)
        elif what == 4:
            service.reports.container_started(name, now)
        elif what == 5:
            service.reports.metrics_seen(name, {"m": (rng.random(), now)})
            service.reports.container_exited(name, rng.choice([0, 1]), "why", now)
        elif what == 6:
            service.reports.artifacts_uploaded(name, now)
        elif what == 7:
            service.reports.vacated(name, now)
        else:
            service.call("DeleteTrainingJob", {"TrainingJobName": name}, now)
    except ServiceError:
        pass


def told(service: Service, now: float) -> list[dict[str, Any]]:
    """Everything a client can see."""
    return [service.call("DescribeTrainingJob", {"TrainingJobName": name}, now) for name in service.jobs]


@pytest.mark.parametrize("seed", range(30))
def test_a_restart_changes_nothing(tmp_path: Path, seed: int) -> None:
    """Written and read back at any moment, the service tells the same and has the same things due."""
    rng, now = random.Random(seed), 1_700_000_000.0
    service = Service(SETTINGS, random.Random(seed))
    store = Store(tmp_path / "engine.db")
    for number in range(60):
        now += rng.choice([0.0, 0.5, 3.0, 40.0])
        act(service, rng, now, number)
        jobs = {name: service.jobs.get(name) for name in service.ledger.changed_jobs}
        store.save(jobs, {key: service.pools.get(key) for key in service.ledger.changed_pools})
        service.ledger.changed_jobs.clear()
        service.ledger.changed_pools.clear()
        again = Service(SETTINGS, random.Random(seed))
        again.restore(*store.load())
        assert list(again.jobs) == list(service.jobs)
        assert again.jobs == service.jobs
        assert again.pools == service.pools
        assert again.next_due() == service.next_due()
        assert [job.name for job in again.running] == [job.name for job in service.running]
    assert told(again, now) == told(service, now)
    store.close()


@pytest.mark.parametrize("seed", range(30))
def test_a_pool_bills_from_the_end_of_its_job_to_its_own(seed: int) -> None:
    """Whatever happens: idle pools belong to jobs that show them, and no more is billed than was kept alive."""
    rng, now = random.Random(seed), 1_700_000_000.0
    service = Service(SETTINGS, random.Random(seed))
    for number in range(120):
        now += rng.choice([0.0, 0.5, 3.0, 40.0])
        act(service, rng, now, number)
        service.tick(now)
        for pool in service.idle_pools:
            holder = service.jobs[pool.holder]
            assert holder.status.terminal
            assert holder.retention is not None and holder.retention.ended_at is None
            assert pool.expires_at is not None and pool.expires_at > now
        held = [pool.holder for pool in service.pools.values()]
        assert len(held) == len(set(held))
        for job in service.jobs.values():
            assert job.status.terminal is (job.ended is not None)
            assert not (job.status.terminal and job.timers)
            if job.retention is not None and job.retention.ended_at is not None:
                assert job.retention.since <= job.retention.ended_at <= now
