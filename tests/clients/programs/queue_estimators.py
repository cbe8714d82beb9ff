"""A program of an SDK v2 user, run in that SDK's own environment: a TrainingQueue of Estimators on AWS Batch.

Prints what the SDK says of its jobs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from batch_queue import create_queue
from sagemaker.aws_batch.training_queue import TrainingQueue
from sagemaker.estimator import Estimator


def main(folder: Path) -> None:
    """Submit two, wait for them, and find them and the estimator of one again."""
    (folder / "train.py").write_text("print('trained')\n")
    create_queue("queue")
    queue = TrainingQueue("queue")
    estimator = Estimator(
        image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        role="arn:aws:iam::123456789012:role/mine",
        instance_count=1,
        instance_type="ml.m5.large",
        source_dir=str(folder),
        entry_point="train.py",
    )
    jobs = queue.map(estimator, [None, None], job_names=["one", "two"])
    results = [job.result(timeout=120)["status"] for job in jobs]
    attached = queue.get_job("two").get_estimator().latest_training_job
    told = {
        "results": results,
        "succeeded": sorted(job.job_name for job in queue.list_jobs(status="SUCCEEDED")),
        "training_job": attached.describe()["TrainingJobStatus"],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
