"""A job queue of AWS Batch for training jobs, one at a time; the SDKs have no call that creates one."""

from __future__ import annotations

import boto3


def create_queue(name: str) -> None:
    """Create the queue and its service environment."""
    batch = boto3.client("batch")
    kind = "SAGEMAKER_TRAINING"
    batch.create_service_environment(
        serviceEnvironmentName=f"{name}-environment",
        serviceEnvironmentType=kind,
        capacityLimits=[{"maxCapacity": 1, "capacityUnit": "NUM_INSTANCES"}],
    )
    order = [{"order": 1, "serviceEnvironment": f"{name}-environment"}]
    batch.create_job_queue(jobQueueName=name, jobQueueType=kind, priority=1, serviceEnvironmentOrder=order)
