"""A trainer of either SDK is an experiment, and a trial is a script of the SDK: with the SDKs themselves."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from sweeper.config.sdk_defaults import USER
from sweeper.engine import launch
from tests.clients.programs import trainers

SCRIPT = """\
import argparse, os
parser = argparse.ArgumentParser()
for name, kind in (("rank", int), ("scale", float), ("warm", str), ("zero", int), ("word", str)):
    parser.add_argument(f"--{name}", type=kind)
a = parser.parse_args()
assert (os.environ["MODE"], a.warm.lower(), a.zero, a.word) == ("fast", "false", 0, "a word"), a
print(f"score={a.rank * a.scale}")
"""
SWEEP: dict[str, Any] = {
    "sweep": {"grid": {"hyperparameters.rank": [1, 2, 4], "hyperparameters.scale": [0, 0.25]}},
    "objective": {"metric": "score", "goal": "maximize"},
}
BY_HAND: dict[str, Any] = {
    "locked": {"role_arn": trainers.ROLE, "instance_type": "ml.m5.large"},
    "job": {
        "image_uri": trainers.IMAGE,
        "source_dir": "code",
        "entry_script": "train.py",
        "max_runtime_s": 600,
        "metrics": [{"name": trainers.NAME, "regex": trainers.REGEX}],
    },
    "hyperparameters": trainers.VALUES,
    "environment": {"MODE": "fast"},
}


@dataclass
class Own:
    """A user's project, in which sweeper runs in the environment of either SDK."""

    root: Path
    clients: Path

    def run(self, python: Path | str, *words: str, **environment: str) -> str:
        """Run a Python program or module to its end; returns what it printed."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SAGEMAKER_"))}
        own = {"HOME": str(self.root), "XDG_STATE_HOME": str(self.root / "state"), **environment}
        done = subprocess.run(
            [python, *words],
            cwd=self.root,
            env={**kept, **own},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sweep(self, version: int, name: str, *overrides: str) -> None:
        """Run an experiment, or go on with it, in the environment of this version."""
        self.run(self.python(version), "-m", "sweeper", f"+experiment={name}", *overrides)

    def python(self, version: int) -> Path:
        """The interpreter that has it."""
        return self.clients / f"sdk{version}/bin/python"

    def rows(self, name: str) -> list[tuple[str, ...]]:
        """What the trials of a sweep have come to, in their order."""
        with (self.root / f"runs/{name}/results.csv").open(newline="") as file:
            keys = ("name", "status", "hyperparameters.rank", "hyperparameters.scale", "metric.score")
            return [tuple(row[key] for key in keys) for row in csv.DictReader(file) if row["declared"] == "true"]

    def staged(self) -> list[tuple[str, Any]]:
        """Every object that jobs read, and when it was put there."""
        s3 = boto3.client("s3", **launch.ensure(self.root / ".sweeper/engine").client_options)  # type: ignore[call-overload]
        (bucket,) = (bucket["Name"] for bucket in s3.list_buckets()["Buckets"])
        found = [o for below in ("_inputs", "_sources") for o in _listed(s3, bucket, f"sweeper/{below}/")]
        return [(one["Key"], one["LastModified"]) for one in found]


def _listed(s3: Any, bucket: str, prefix: str) -> list[dict[str, Any]]:
    return list(s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []))


@pytest.fixture
def own(tmp_path: Path, clients: Path) -> Iterator[Own]:
    """A project with the trainers of both versions and the same training written by hand."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text(SCRIPT)
    shutil.copy(trainers.__file__, tmp_path / "trainers.py")
    for name, said in (("v2", "version2"), ("v3", "version3")):
        (tmp_path / f"experiments/{name}.yaml").write_text(yaml.safe_dump({"builder": f"trainers:{said}", **SWEEP}))
    (tmp_path / "experiments/hand.yaml").write_text(yaml.safe_dump({**BY_HAND, **SWEEP}))
    yield Own(tmp_path, clients)
    launch.stop(tmp_path / ".sweeper/engine")


@pytest.mark.parametrize("version", [2, 3])
def test_six_trials_of_a_trainer_are_those_written_by_hand(own: Own, version: int) -> None:
    """Equal rows, in one pool; nothing is uploaded after the first job, by this invocation or the next one."""
    own.sweep(version, f"v{version}", "stop.max_trials=1")
    before = own.staged()
    own.sweep(version, f"v{version}")
    assert before and own.staged() == before
    own.sweep(version, "hand")
    rows = own.rows(f"v{version}")
    assert rows == own.rows("hand")
    assert len(rows) == 6 and {row[1] for row in rows} == {"completed"}


@pytest.mark.parametrize("name", ["v3", "hand"])
def test_an_exported_trial_comes_to_the_same_with_the_sdk_alone(own: Own, name: str) -> None:
    """The script of the best trial runs on the engine, and its job has the metric that the trial had."""
    own.sweep(3, name)
    own.run(sys.executable, "-m", "sweeper", "export", name, "best", "--as", "model_trainer", "--to", "best.py")
    launch.stop(own.root / ".sweeper/engine")
    served = own.run(sys.executable, "-m", "sweeper", "engine", "serve", "--detach", "--json")
    own.run(own.python(3), "best.py", **json.loads(served)["environment"])
    sagemaker = boto3.client("sagemaker", **launch.ensure(own.root / ".sweeper/engine").client_options)  # type: ignore[call-overload]
    newest = sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Descending", MaxResults=1)
    job = sagemaker.describe_training_job(TrainingJobName=newest["TrainingJobSummaries"][0]["TrainingJobName"])
    assert not job["TrainingJobName"].endswith("-a01")
    assert [(metric["MetricName"], metric["Value"]) for metric in job["FinalMetricDataList"]] == [("score", 1.0)]


@pytest.mark.parametrize("version", [2, 3])
def test_what_contradicts_the_trainer_is_refused(own: Own, version: int) -> None:
    """A locked field that it sends otherwise, and an experiment whose function is of the other version."""
    python, other = own.python(version), 5 - version
    asked = ["-m", "sweeper", "plan", f"+experiment=v{version}", "locked.volume_size_in_gb=99"]
    refused = subprocess.run([python, *asked], cwd=own.root, capture_output=True, text=True, check=False)
    said = f"command line: locked.volume_size_in_gb: is 99, and trainers:version{version} asks for 30"
    assert refused.returncode == 2 and said in refused.stderr
    asked = ["-m", "sweeper", "plan", f"+experiment=v{other}"]
    refused = subprocess.run([python, *asked], cwd=own.root, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and f"trainers:version{other}: needs sagemaker." in refused.stderr


@pytest.mark.parametrize("version", [2, 3])
def test_the_defaults_file_means_what_the_sdk_means(own: Own, version: int) -> None:
    """The role, the VPC and the keys that the SDK reads of the file are those that sweeper reads of it."""
    role = "arn:aws:iam::123456789012:role/of-the-file"
    network = {"Subnets": ["subnet-0a"], "SecurityGroupIds": ["sg-0a"]}
    job = {"RoleArn": role, "VpcConfig": network, "OutputDataConfig": {"KmsKeyId": "models"}}
    defaults = {"SchemaVersion": "1.0", "SageMaker": {"TrainingJob": job}}
    (own.root / "sdk.yaml").write_text(yaml.safe_dump(defaults))
    module = own.root / "trainers.py"
    module.write_text(module.read_text().replace("role=ROLE,", "role=None,"))
    hand = {**BY_HAND, "locked": {"instance_type": "ml.m5.large"}, **SWEEP}
    (own.root / "experiments/hand.yaml").write_text(yaml.safe_dump(hand))
    found = []
    for name in (f"v{version}", "hand"):
        told = own.run(
            own.python(version), "-m", "sweeper", "plan", f"+experiment={name}", "--requests", **{USER: "sdk.yaml"}
        )
        found.append(json.loads(told.splitlines()[0]))
    built, by_hand = found
    for member in ("RoleArn", "VpcConfig", "ResourceConfig"):
        assert built[member] == by_hand[member], member
    assert (by_hand["RoleArn"], by_hand["VpcConfig"]) == (role, network)
    assert built["OutputDataConfig"].get("KmsKeyId") == by_hand["OutputDataConfig"].get("KmsKeyId") == "models"
