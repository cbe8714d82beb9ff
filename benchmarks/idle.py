"""How long the pool idles between two jobs: sweeper's chain and a loop of ModelTrainer.train(wait=True), one engine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3

from sweeper.engine import launch
from sweeper.run.connect import engine_folder

JOBS = 6
SDK = Path(".venv-clients/sdk3/bin/python")
EXPERIMENT = f"""\
name: loop
locked: {{role_arn: "arn:aws:iam::123456789012:role/mine", instance_type: ml.m5.xlarge}}
job:
  image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
  source_dir: source
  entry_script: train.py
  max_runtime_s: 600
  metrics: [{{name: score, regex: "score=([0-9.e+-]+)"}}]
hyperparameters: {{x: 0}}
sweep: {{grid: {{hyperparameters.x: {{range: [0, {JOBS}, 1]}}}}}}
"""


def between(jobs: Iterable[Mapping[str, Any]]) -> list[float]:
    """Seconds from the end of each job to the start of the next on its pool, as DescribeTrainingJob tells them."""
    gaps = []
    for job, following in pairwise(jobs):
        assert job["WarmPoolStatus"]["ReusedByJob"] == following["TrainingJobName"], "it ran on another pool"
        gaps.append((following["TrainingStartTime"] - job["TrainingEndTime"]).total_seconds())
    return gaps


def described(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every job, oldest first."""
    api = boto3.client(
        "sagemaker",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    listed = api.list_training_jobs(SortBy="CreationTime", SortOrder="Ascending", MaxResults=100)
    names = [job["TrainingJobName"] for job in listed["TrainingJobSummaries"]]
    return [api.describe_training_job(TrainingJobName=name) for name in names]


def main() -> None:
    """Measure both on one engine, the SDK's loop first, and print their ratio."""
    if not SDK.exists():
        print(f"\npool idle between two jobs: not measured, {SDK} is missing; make bench installs it")
        return
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        state = engine_folder(project)
        serving = [sys.executable, "-m", "sweeper", "engine", "serve", "--detach", "--json", "--state-dir", str(state)]
        served = json.loads(subprocess.run(serving, capture_output=True, text=True, check=True).stdout)
        try:
            measure(project, served["environment"])
        finally:
            launch.stop(state)


def measure(project: Path, environment: Mapping[str, str]) -> None:
    """Run both loops in this folder."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    loop = [SDK.absolute(), Path(__file__).with_name("model_trainer.py"), str(JOBS), str(project / "source")]
    done = subprocess.run(loop, env={**kept, **environment}, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    theirs = between(described(environment))

    (project / "experiments").mkdir()
    (project / "experiments/loop.yaml").write_text(EXPERIMENT)
    state = {"XDG_STATE_HOME": str(project / "state"), "SWEEPER_OWNER": "bench"}
    chain = [sys.executable, "-m", "sweeper", "+experiment=loop"]
    subprocess.run(chain, cwd=project, env={**kept, **state}, capture_output=True, check=True)
    ours = between(described(environment)[JOBS:])

    sdk = f"sagemaker-train {told['version']}, whole loop {told['seconds']:.1f} s"
    print(f"\npool idle between two of {JOBS} jobs on one engine, from one's end to the next one's start there")
    print(f"  sweeper, looking every 0.1 s   {_told(ours)}")
    print(f"  ModelTrainer.train(wait=True)  {_told(theirs)}   {sdk}")
    print(f"  ratio 1/{statistics.median(theirs) / statistics.median(ours):.1f}")


def _told(gaps: list[float]) -> str:
    return f"median {statistics.median(gaps):.2f} s, {min(gaps):.2f} to {max(gaps):.2f}"


if __name__ == "__main__":
    main()
