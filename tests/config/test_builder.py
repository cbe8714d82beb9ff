"""`builder:` what a user's function would send by any client of botocore is what the trials of an experiment send."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest

from sweeper.aws.capture import Capture, captured, stay_here
from sweeper.config.template import Captured, sections_of
from sweeper.core.model import Sweep
from sweeper.core.request import Staged, build
from sweeper.core.scope import NO_ACCOUNT
from sweeper.core.unbuilt import experiment_of
from sweeper.errors import UsageError
from tests.config.conftest import Project

DEFAULT = f"s3://sagemaker-us-east-1-{NO_ACCOUNT}"
REQUEST: dict[str, Any] = {
    "TrainingJobName": "mine-2030-01-01",
    "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
    "AlgorithmSpecification": {
        "TrainingImage": "repository/train:1",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=(.+)"}],
    },
    "HyperParameters": {"rank": "8", "word": ""},
    "Environment": {"MODE": "fast"},
    "ResourceConfig": {
        "InstanceType": "ml.g5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
        "KeepAlivePeriodInSeconds": 90,
    },
    "OutputDataConfig": {"S3OutputPath": f"{DEFAULT}/mine"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
}
TRAINERS = f"""\
import threading
import boto3

class Trainer:
    def fit(self, inputs=None, wait=True, logs="All"):
        assert not wait and not logs
        account = boto3.client("sts").get_caller_identity()["Account"]
        bucket = f"sagemaker-us-east-1-{{account}}"
        boto3.client("s3").put_object(Bucket=bucket, Key="mine/data/part", Body=b"1,2")
        place = {{"S3Uri": f"s3://{{bucket}}/mine/data", "S3DataType": "S3Prefix"}}
        channel = {{"ChannelName": "train", "DataSource": {{"S3DataSource": place}}}}
        boto3.client("sagemaker").create_training_job(**{REQUEST!r}, InputDataConfig=[channel])

def make():
    print("a word of the user's")
    threading.Thread(target=threading.Event().wait).start()  # nobody waits for it
    return Trainer()
"""
ENGINE = "engine: {images: {'*': [python3]}}\n"
BUILT = f"builder: trainers:make\nsweep: {{grid: {{hyperparameters.rank: [1, 0]}}}}\n{ENGINE}"
BY_HAND = """\
locked: {role_arn: "arn:aws:iam::123456789012:role/sweeper", instance_type: ml.g5.xlarge}
job:
  image_uri: repository/train:1
  launch: image
  max_runtime_s: 600
  metrics: [{name: accuracy, regex: "accuracy=(.+)"}]
  inputs: {train: data}
hyperparameters: {rank: 8, word: ""}
environment: {MODE: fast}
pool: {keep_alive_s: 90}
sweep: {grid: {hyperparameters.rank: [1, 0]}}
"""


def requests(sweep: Sweep) -> list[Any]:
    """What the trials of a sweep send."""
    staged = Staged("", {"train": "s3://b/data/"}, "s3://b/out")
    more: dict[str, Any] = {"mark": "m", "sweep": "x", "max_runtime_s": 600, "staged": staged, "region": "us-east-1"}
    built = [build(sweep.resolve(trial), name="n", **more) for trial in sweep.trials]
    return [sweep.backend.shape(request, int(sweep.pool.keep_alive_s)) for request in built]


def test_a_function_is_as_good_as_what_is_written_by_hand(project: Project) -> None:
    """Its request with the swept values is what is sent, nothing falsy is lost, and what it uploads is a folder."""
    project.write("trainers.py", TRAINERS)
    project.write("experiments/built.yaml", BUILT)
    project.write("experiments/hand.yaml", BY_HAND + ENGINE)
    project.write("data/part", "1,2")
    built, hand = project.sweep(name="built"), project.sweep(name="hand")
    assert requests(built) == requests(hand)
    assert [trial.id for trial in built.trials] == [trial.id for trial in hand.trials]
    assert built.pool == hand.pool
    assert built.given_by == {"request": "trainers:make"}
    assert (project.root / built.composed["job"]["inputs"]["train"] / "part").read_text() == "1,2"


def test_what_both_say_of_what_is_locked_must_agree(project: Project) -> None:
    """Another value of a locked field, or of what is started, is refused at its line; the rest is the experiment's."""
    project.write(
        "trainers.py", f"import boto3\nmake = lambda: boto3.client('sagemaker').create_training_job(**{REQUEST!r})"
    )
    locked = "locked:\n  instance_type: ml.g5.2xlarge\n  instance_count: 1\n"
    project.write("experiments/x.yaml", f"{BUILT}{locked}job: {{entry_script: train.py, max_runtime_s: 60}}\n")
    here, started = project.refused()
    assert here == (
        "experiments/x.yaml:5:3: locked.instance_type: is 'ml.g5.2xlarge', and trainers:make asks for 'ml.g5.xlarge': "
        "say it in one place"
    )
    assert started.startswith("experiments/x.yaml:7:7: job.entry_script: is 'train.py', and trainers:make asks for")


@pytest.mark.skipif(find_spec("sagemaker") is not None, reason="the SDK is installed here")
def test_without_the_sdk_one_line_says_what_to_install(project: Project) -> None:
    """The line names the experiment's builder and the extra."""
    project.write("trainers.py", "from sagemaker.train import ModelTrainer\n")
    project.write("experiments/x.yaml", BUILT)
    assert project.refused() == [
        "experiments/x.yaml:1:1: builder: trainers:make: needs SageMaker's SDK, which is not installed: "
        "pip install 'sweeper[sagemaker]'"
    ]


# -- the capture, in this process -----------------------------------------------------------------------------------


@pytest.fixture
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    """Every new session of botocore is watched; the working directory may be imported from."""
    (folder := tmp_path / "uploads").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    before = set(sys.modules)
    found = Capture(folder)
    botocore.register_initializer(found.watch)
    yield found
    botocore.unregister_initializer(found.watch)
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


def test_whatever_is_uploaded_is_kept(capture: Capture, tmp_path: Path) -> None:
    """Text, bytes and a file in several parts are there as they are, without credentials."""
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 50_000)
    s3 = boto3.Session().client("s3")
    s3.put_object(Bucket="b", Key="text", Body="words")
    s3.upload_file(str(large), "b", "large")
    assert (capture.folder / capture.uploads["s3://b/text"]).read_text() == "words"
    assert (capture.folder / capture.uploads["s3://b/large"]).read_bytes() == large.read_bytes()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("def make(x): ...", "is called with nothing: missing a required argument: 'x'"),
        ("def other(): ...", "there is no make in own_made"),
        ("import own_nowhere", "ModuleNotFoundError: No module named 'own_nowhere' (own_made.py:1)"),
        ("def make():\n    raise SystemExit('no data')", "SystemExit: no data (own_made.py:2)"),
        ("def make(): return 3", "sends no CreateTrainingJob: return the ModelTrainer or the Estimator that would"),
        (
            "import boto3\ndef make(): boto3.Session().client('s3').list_objects_v2(Bucket='b')",
            "RefusedError: it asks s3.ListObjectsV2, and nothing leaves this machine while a request is built "
            "(own_made.py:2)",
        ),
    ],
)
def test_what_is_wrong_with_a_function_is_one_line(capture: Capture, tmp_path: Path, program: str, told: str) -> None:
    """Whatever a user's function does, what is told of it is one line, with its place where it is in their files."""
    (tmp_path / "own_made.py").write_text(program)
    assert captured("own_made:make", capture) == {"failed": told}


def test_a_function_may_train_by_itself(capture: Capture, tmp_path: Path) -> None:
    """The first request counts, also when whatever sent it swallows what ends it and goes on."""
    program = f"""
import boto3
def make():
    try:
        boto3.Session().client("sagemaker").create_training_job(**{REQUEST!r})
    finally:
        return undefined
"""
    (tmp_path / "own_trains.py").write_text(program)
    assert captured("own_trains:make", capture)["request"] == REQUEST


def test_nothing_leaves(tmp_path: Path) -> None:
    """No name is looked up and no connection made but within the machine: the SDK reports what it is used for."""
    stay_here("socket.getaddrinfo", ("localhost", 80))
    stay_here("socket.connect", (None, ("127.0.0.1", 80)))
    stay_here("socket.connect", (None, str(tmp_path / "socket")))
    stay_here("open", ("example.com", "r", 0))
    for event, arguments in (
        ("socket.getaddrinfo", (b"example.com", 443)),
        ("socket.connect", (None, ("169.254.169.254", 80))),
        ("socket.sendto", (None, ("8.8.8.8", 53))),
    ):
        with pytest.raises(ConnectionRefusedError, match="while a request is built"):
            stay_here(event, arguments)


# -- from a request to an experiment --------------------------------------------------------------------------------


def channel(name: str, uri: str) -> dict[str, Any]:
    """A channel of a request."""
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix"}}}


def estimators(tmp_path: Path, directory: str) -> Captured:
    """What an estimator of version 2 sends, whose script lies in an archive that it uploads."""
    archive = tmp_path / f"archive-{len(list(tmp_path.iterdir()))}"
    with tarfile.open(archive, "w:gz") as packed:  # with today's time in it
        info = tarfile.TarInfo("train.py")
        info.size = 2
        packed.addfile(info, io.BytesIO(b"1\n"))
    toolkit = {"sagemaker_program": "train.py", "sagemaker_submit_directory": directory, "opt": "adam", "lr": 0.1}
    request = {
        **REQUEST,
        "HyperParameters": {name: json.dumps(value) for name, value in toolkit.items()},
        "DebugHookConfig": {"S3OutputPath": f"{DEFAULT}/", "CollectionConfigurations": []},
        "ProfilerConfig": {"S3OutputPath": f"{DEFAULT}/", "DisableProfiler": False},
    }
    return Captured(request, {f"{DEFAULT}/mine/source/sourcedir.tar.gz": archive})


def test_an_estimators_script_is_one_of_the_toolkit(tmp_path: Path) -> None:
    """Its archive is a folder, the same whenever it was packed; values are what they were; what nobody said is gone."""
    one = sections_of(estimators(tmp_path, f"{DEFAULT}/mine/source/sourcedir.tar.gz"), tmp_path)
    again = sections_of(estimators(tmp_path, f"{DEFAULT}/mine/source/sourcedir.tar.gz"), tmp_path)
    job = one.sections["job"]
    assert (job["launch"], job["entry_script"]) == ("toolkit", "train.py")
    assert (tmp_path / job["source_dir"] / "train.py").read_text() == "1\n"
    assert one.sections["hyperparameters"] == {"opt": "adam", "lr": 0.1}
    assert "output_path" not in job and "request" not in one.sections
    assert again == one


def test_what_is_kept_is_what_was_uploaded(tmp_path: Path) -> None:
    """A folder that somebody has changed since is made anew, and what the SDK notes of this machine is left out."""
    names = ("sourcecode.json", "sm_train.sh")
    request = {**REQUEST, "InputDataConfig": [channel("sm_drivers", "s3://b/mine/drivers")]}

    def made() -> Path:
        uploads = {f"s3://b/mine/drivers/{name}": tmp_path / name for name in names}
        for file in uploads.values():
            file.unlink(missing_ok=True)
            file.write_text('{"source_dir": "/home/me/src", "command": "x"}')
        return tmp_path / sections_of(Captured(request, uploads), tmp_path).sections["job"]["inputs"]["sm_drivers"]

    first = made()
    (first / "sm_train.sh").write_text("changed")
    (first / "another").touch()
    assert made() == first
    assert {file.name for file in first.iterdir()} == set(names)
    assert json.loads((first / "sourcecode.json").read_text()) == {"source_dir": None, "command": "x"}
    assert "/home/me/src" in (first / "sm_train.sh").read_text()


def test_an_estimator_without_a_network_has_its_script_in_a_channel(tmp_path: Path) -> None:
    """That channel is ours to make: it is none of the experiment's."""
    isolated = estimators(tmp_path, "/opt/ml/input/data/code/sourcedir.tar.gz")
    isolated.request["InputDataConfig"] = [channel("code", f"{DEFAULT}/mine/source/sourcedir.tar.gz")]
    job = sections_of(isolated, tmp_path).sections["job"]
    assert (job["launch"], job["inputs"]) == ("toolkit", {})
    assert (tmp_path / job["source_dir"] / "train.py").is_file()


def test_what_lies_in_a_bucket_that_nobody_knows_is_yet_to_be_said(tmp_path: Path) -> None:
    """Elsewhere than for the models the default bucket of an unknown account is a value that is missing."""
    more = {
        "CheckpointConfig": {"S3Uri": f"{DEFAULT}/mine/checkpoints"},
        "InputDataConfig": [channel("train", f"{DEFAULT}/data"), channel("test", "s3://there/data")],
    }
    job = sections_of(Captured({**REQUEST, **more}, {}), tmp_path).sections["job"]
    assert (job["checkpoint_s3_uri"], job["inputs"]) == ("???", {"train": "???", "test": "s3://there/data"})


def test_an_upload_stays_in_its_channel(tmp_path: Path) -> None:
    """An object whose name leads out of the folder is refused, and nothing is written there."""
    uploads = {"s3://b/mine/../../out": tmp_path / "file"}
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"'\.\./\.\./out' in its channel"):
        sections_of(Captured({**REQUEST, "InputDataConfig": [channel("train", "s3://b/mine")]}, uploads), tmp_path)


def test_a_request_that_uploads_nothing_is_that_experiment(tmp_path: Path) -> None:
    """Without uploads and default bucket it is the experiment that `init --from-job` writes, and no folder is made."""
    plain = {**REQUEST, "OutputDataConfig": {"S3OutputPath": "s3://there/out"}}
    found, expected = sections_of(Captured(plain, {}), tmp_path), experiment_of(plain)
    values = {"rank": 8, "word": ""}  # what they were, where the same text becomes of it
    job = {**expected.sections["job"], "inputs": {}}
    assert found.sections == {**expected.sections, "job": job, "hyperparameters": values}
    assert not list(tmp_path.iterdir())
