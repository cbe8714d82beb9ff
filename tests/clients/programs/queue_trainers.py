"""A program of an SDK v3 user, run in that SDK's own environment: a TrainingQueue on AWS Batch.

Prints what the SDK says of its jobs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from batch_queue import create_queue
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train.aws_batch.training_queue import TrainingQueue
from sagemaker.train.model_trainer import ModelTrainer


def trainer(folder: Path, script: str) -> ModelTrainer:
    """A trainer of this script."""
    folder.mkdir()
    (folder / "train.py").write_text(script)
    return ModelTrainer(
        training_image="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        role="arn:aws:iam::123456789012:role/mine",
        base_job_name=folder.name,
        source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
    )


def main(folder: Path) -> None:
    """One waits in the queue behind a long one that is terminated; all are found again."""
    create_queue("queue")
    queue = TrainingQueue("queue")
    long = queue.submit(trainer(folder / "long", "import time\ntime.sleep(600)\n"), None, job_name="long")
    short = queue.submit(trainer(folder / "short", "print('trained')\n"), None, job_name="short", priority=3)
    waits = [job.job_name for job in queue.list_jobs(status="RUNNABLE")]
    long.terminate("enough")
    found = queue.get_job("short")
    result = found.result(timeout=120)
    job = found.get_model_trainer()._latest_training_job
    told = {
        "waits": waits,
        "short": result["status"],
        "training_job": job.training_job_status,
        "same": found.job_arn == short.job_arn,
        "long": long.wait()["status"],
        "succeeded": [job.job_name for job in queue.list_jobs(status="SUCCEEDED")],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
