"""A program of an SDK v3 user, run in that SDK's own environment: a job that fails and one that is stopped.

Prints the SDK's exception for the first and the status of the second.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.train.model_trainer import ModelTrainer


def trainer(name: str, script: str) -> ModelTrainer:
    """A trainer of this script."""
    folder = Path(sys.argv[1], name)
    folder.mkdir()
    (folder / "train.py").write_text(script)
    return ModelTrainer(
        training_image="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        role="arn:aws:iam::123456789012:role/mine",
        base_job_name=name,
        source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
    )


def main() -> None:
    """Start the long one, let the other fail, stop the long one."""
    long = trainer("long", "import time\nprint('trains', flush=True)\ntime.sleep(600)\n")
    long.train(wait=False)
    failure = ""
    try:
        trainer("fails", "raise SystemExit(3)\n").train(wait=True, logs=True)
    except FailedStatusError as error:
        failure = str(error)
    job = long._latest_training_job
    job.stop()
    job.wait(poll=1)
    job.refresh()
    print(json.dumps({"failure": failure, "status": job.training_job_status}))


if __name__ == "__main__":
    main()
