"""A program of an SDK v2 user, run in that SDK's own environment: one Estimator fits twice on one pool.

Prints the names of its jobs and the size of the model that the SDK finds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import sagemaker
from sagemaker.estimator import Estimator

SCRIPT = """\
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int)
number = int(pathlib.Path(os.environ["SM_CHANNEL_NUMBERS"], "numbers.txt").read_text())
print(f"score={number * parser.parse_args().factor}")
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text("trained")
"""


def main(folder: Path) -> None:
    """Upload a channel, fit twice with the log, fetch the model."""
    source = folder / "source"
    source.mkdir()
    (source / "train.py").write_text(SCRIPT)
    (folder / "numbers.txt").write_text("21\n")
    session = sagemaker.Session()
    numbers = session.upload_data(str(folder / "numbers.txt"), key_prefix="numbers")
    estimator = Estimator(
        image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        role="arn:aws:iam::123456789012:role/mine",
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        source_dir=str(source),
        entry_point="train.py",
        hyperparameters={"factor": 2},
        metric_definitions=[{"Name": "score", "Regex": "score=([0-9.]+)"}],
        keep_alive_period_in_seconds=600,
        max_run=600,
    )
    for _ in range(2):
        estimator.fit({"numbers": numbers}, wait=True, logs=True)
    bucket, _, key = estimator.model_data.removeprefix("s3://").partition("/")
    (fetched,) = session.download_data(str(folder), bucket, key_prefix=key)
    print(json.dumps({"version": sagemaker.__version__, "model": fetched}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
