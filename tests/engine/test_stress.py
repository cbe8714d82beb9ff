"""Many at once: nothing hangs, nothing is lost."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sweeper.engine import launch
from tests.forked import start_engine

from .conftest import FAST, Clients, request

SHELL = {"ContainerEntrypoint": ["/bin/sh", "-c", "echo x=1; sleep $T; exit $C"]}


def test_jobs_stopped_at_any_moment_all_end(tmp_path: Path) -> None:
    """A stop may come before, while and after a container starts; every job ends, no pool is left, none fails of it."""
    info = start_engine(tmp_path, FAST)
    rng = random.Random(1)
    clients = Clients(info, tmp_path)
    clients.s3.create_bucket(Bucket="bucket")

    def one(number: int) -> str:
        name = f"job-{number}"
        wait, code, pooled = rng.random() * 0.3, rng.choice([0, 1]), rng.random() < 0.5
        made = request(
            name,
            algorithm={**SHELL, "MetricDefinitions": [{"Name": "x", "Regex": "x=([0-9])"}]},
            resources={"KeepAlivePeriodInSeconds": 600} if pooled else {},
            Environment={"T": "0.2", "C": str(code)},
        )
        del made["InputDataConfig"]
        clients.sagemaker.create_training_job(**made)
        threading.Event().wait(wait)
        stopped = rng.random() < 0.7
        if stopped:
            try:
                clients.sagemaker.stop_training_job(TrainingJobName=name)
            except clients.sagemaker.exceptions.ClientError as error:
                assert "is in status" in str(error)
                stopped = False  # it had ended
        ended = clients.ended(name)
        status = str(ended["TrainingJobStatus"])
        shown = [transition["Status"] for transition in ended["SecondaryStatusTransitions"]]
        if stopped and code and shown[-3:] == ["Uploading", "Stopping", "Failed"]:
            return status  # it had failed, and what it left was on its way to S3
        assert status == ("Stopped" if stopped else "Failed" if code else "Completed"), shown
        return status

    try:
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(one, range(40)))
        assert set(statuses) <= {"Completed", "Failed", "Stopped"}
        assert "Stopped" in statuses
        status = launch.status(tmp_path)
        assert status is not None
        assert status["jobs_running"] == 0
        assert {job["name"] for job in status["jobs"]} == {f"job-{n}" for n in range(40)}
    finally:
        launch.stop(tmp_path)
    assert launch.status(tmp_path) is None


def test_objects_put_and_deleted_at_once_stay_whole(clients: Clients) -> None:
    """What is read is what was written last, whoever writes beside."""

    def one(number: int) -> None:
        key, body = f"stress/{number % 4}-{number}", bytes([number % 256]) * 10_000
        clients.s3.put_object(Bucket="bucket", Key=key, Body=body)
        assert clients.s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body
        if number % 2:
            clients.s3.delete_object(Bucket="bucket", Key=key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(200)))
    kept = clients.s3.list_objects_v2(Bucket="bucket", Prefix="stress/")["Contents"]
    assert len(kept) == 100
