"""backend=batch as a user runs it: real processes, a real engine, a real boto3 client of AWS Batch."""

from __future__ import annotations

import json
import signal
from typing import Any

from sweeper.aws.clients import Clients, Endpoint
from sweeper.engine import launch

from .conftest import Project, wait_for

QUEUE = ("backend=batch", "backend.queue=team", "backend.share_identifier=ann", "backend.max_in_flight=1")


def client(project: Project) -> Any:
    """A client of the engine's AWS Batch."""
    return Clients(Endpoint.local(launch.ensure(project.root / ".sweeper/engine"))).client("batch")


def service_jobs(project: Project) -> list[dict[str, Any]]:
    """Every job of the queue, oldest first."""
    batch = client(project)
    every = [{"name": "AFTER_CREATED_AT", "values": ["0"]}]
    return list(reversed(batch.list_service_jobs(jobQueue="team", filters=every)["jobSummaryList"]))


def test_a_sweep_through_a_queue_that_is_killed_and_goes_on(project: Project) -> None:
    """The queue is made; its job's priority changed; a killed run's is looked for nowhere else, and ended by name.

    A request that is too large for the queue brings its hyperparameters by way of S3.
    """
    killed = project.start(*QUEUE, "hyperparameters.wait=600", "pool.watchdog_grace_s=600")
    wait_for(project.begun, "the first script")
    told = json.loads(project.verb("priority", "tiny", "1", "7", "--json").out)
    assert (told["priority"], told["before"]) == (7, 0)
    late = project.verb("priority", "tiny", "2", "7")
    assert (late.code, late.err.endswith("no job of it is in the queue now\n")) == (2, True)
    killed.send_signal(signal.SIGKILL)
    assert "made the job queue team on the local engine" in project.ended(killed).err
    (job,) = service_jobs(project)
    assert client(project).describe_service_job(jobId=job["jobId"])["schedulingPriority"] == 7
    elsewhere = project.run("backend=on_demand")
    assert (elsewhere.code, f"{job['jobName']} is in the job queue team" in elsewhere.err) == (2, True)
    assert project.verb("pools", "release", job["jobName"]).out == f"{job['jobName']}: closed\n"
    (job,) = service_jobs(project)
    assert (job["status"], job["statusReason"]) == ("FAILED", "stopped by sweeper")

    large = [f"+hyperparameters.n{number}={'1' * 2400}" for number in range(5)]  # more than Batch carries
    assert project.run(*QUEUE, "hyperparameters.x=2", *large).code == 0
    rows = [row for row in project.rows() if row["declared"] == "true"]
    assert [(row["metric.score"], row["pool"]) for row in rows] == [("20.0", "cold")]
    told = json.loads(
        client(project).describe_service_job(jobId=service_jobs(project)[-1]["jobId"])["serviceRequestPayload"]
    )
    assert told["HyperParameters"].keys() == {"x", "wait", "fail", "n2", "n3", "n4"}  # as few by way of S3 as must
    assert [job["jobName"] for job in service_jobs(project)[1:]] == [row["job_name"] for row in rows]
    assert (project.root / "runs/tiny/trials" / rows[0]["trial"] / "log.txt").read_text() == "score=20.0\n"
    again = project.verb("rerun", "tiny", rows[0]["trial"])
    assert (again.code, len(service_jobs(project))) == (0, 3), again.err
