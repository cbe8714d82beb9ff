"""One child process in the environment of SageMaker's SDK: a loop of jobs on one pool, each run by a ModelTrainer.

A user's program, unmodified: it needs the variables that `sweeper engine serve` prints. Prints what it took.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train.model_trainer import ModelTrainer

SCRIPT = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=int)
print(f"score={parser.parse_args().x * 10}")
"""


def main(size: int, folder: Path) -> None:
    """Train with x = 0, 1, 2 ... one after the other, each job waited for with its log."""
    logging.basicConfig(level=logging.INFO)
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    begun = time.perf_counter()
    for x in range(size):
        trainer = ModelTrainer(
            training_image="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
            role="arn:aws:iam::123456789012:role/mine",
            base_job_name="loop",
            source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
            hyperparameters={"x": x},
            compute=Compute(instance_type="ml.m5.large", instance_count=1, keep_alive_period_in_seconds=600),
        ).with_metric_definitions([MetricDefinition(name="score", regex="score=([0-9.]+)")])
        trainer.train(wait=True, logs=True)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "version": version("sagemaker-train")}))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
