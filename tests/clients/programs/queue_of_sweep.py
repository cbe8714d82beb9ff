"""A program of an SDK v3 user who shares a queue with a sweep: makes it with its quota shares, and later looks into it.

Prints what the SDK says of the jobs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import boto3
from queue_trainers import trainer
from sagemaker.train.aws_batch.training_queue import TrainingQueue

KIND, TYPE = "SAGEMAKER_TRAINING", "ml.m5.large"


def create_queue(name: str) -> None:
    """A queue of two machines, one for each of two quota shares."""
    batch = boto3.client("batch")
    limits = [{"maxCapacity": 2, "capacityUnit": TYPE}]
    batch.create_service_environment(serviceEnvironmentName=name, serviceEnvironmentType=KIND, capacityLimits=limits)
    policy = batch.create_scheduling_policy(name=name, quotaSharePolicy={"idleResourceAssignmentStrategy": "FIFO"})
    batch.create_job_queue(
        jobQueueName=name,
        jobQueueType=KIND,
        priority=1,
        serviceEnvironmentOrder=[{"order": 1, "serviceEnvironment": name}],
        schedulingPolicyArn=policy["arn"],
    )
    for share in ("sdk", "sweeps"):
        batch.create_quota_share(
            quotaShareName=share,
            jobQueue=name,
            capacityLimits=[{"maxCapacity": 1, "capacityUnit": TYPE}],
            resourceSharingConfiguration={"strategy": "LEND_AND_BORROW"},
            preemptionConfiguration={"inSharePreemption": "ENABLED"},
        )


def begin(folder: Path) -> None:
    """A job of the SDK's own in its share, whose priority is changed."""
    create_queue("shared")
    long = trainer(folder / "long", "import time\ntime.sleep(600)\n")
    job = TrainingQueue("shared").submit(long, None, job_name="long", quota_share_name="sdk")
    job.update(7)
    print(json.dumps({"priority": job.describe()["schedulingPriority"]}))


def look(name: str) -> None:
    """The sweep's jobs by status, share and name; the trainer of one; its own is ended."""
    queue = TrainingQueue("shared")
    done = queue.list_jobs_by_share(status="SUCCEEDED", quota_share_name="sweeps")
    found = queue.get_job(name)
    queue.get_job("long").terminate("enough")
    told = {
        "done": sorted(job.job_name for job in done),
        "share": found.quota_share_name,
        "result": found.result(timeout=60)["status"],
        "hyperparameters": dict(found.get_model_trainer().hyperparameters),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    begin(Path(sys.argv[2])) if sys.argv[1] == "begin" else look(sys.argv[2])
