"""Scripts in the three dialects, each started natively with its own encoding, exit code and failure file."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine import launch
from sweeper.engine.machine import toolkit
from sweeper.engine.machine.dialects import Dialect, dialect_of
from tests.forked import start_engine

from .conftest import Clients, channel, request

TELL = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))\n"
VALUES: dict[str, Any] = {
    "lr": 0.1,
    "name": "adam",
    "flag": True,
    "none": None,
    "list": [1, 2],
    "map": {"a": 1, "b": "x"},
    "e": 5,
    "version": "1.10",
    "learning-rate": 1,
}


def archive(files: dict[str, str]) -> bytes:
    """A tar.gz of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def toolkit_request(
    clients: Clients, job: str, source: bytes, program: str = "train.py", **values: Any
) -> dict[str, Any]:
    """What a v2 estimator sends: every hyperparameter is JSON."""
    clients.s3.put_object(Bucket="bucket", Key=f"source/{job}.tar.gz", Body=source)
    clients.s3.put_object(Bucket="bucket", Key="toolkit-data/x.csv", Body=b"1")
    told = {
        **values,
        "sagemaker_program": program,
        "sagemaker_submit_directory": f"s3://bucket/source/{job}.tar.gz",
        "sagemaker_container_log_level": 20,
        "sagemaker_job_name": job,
        "sagemaker_region": "us-east-1",
    }
    made = request(job, HyperParameters={k: json.dumps(v) for k, v in told.items()})
    made["InputDataConfig"] = [channel("train", "s3://bucket/toolkit-data")]
    del made["AlgorithmSpecification"]["ContainerEntrypoint"]
    return made


def told(clients: Clients, name: str) -> tuple[list[str], str, dict[str, str]]:
    """What a script that runs TELL saw."""
    argv, cwd, environment = json.loads(next(line for line in clients.log(name) if line.startswith("[[")))
    return argv, cwd, environment


def test_the_dialects_are_told_apart() -> None:
    """An entrypoint and sm_drivers is v3, a program and no entrypoint is the toolkit, the rest is the image's own."""
    plain = request("x")
    assert dialect_of(plain) is Dialect.OWN
    assert dialect_of({**plain, "InputDataConfig": [channel("sm_drivers", "s3://b/x")]}) is Dialect.DRIVER_V3
    bare = {**plain, "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"}}
    assert dialect_of(bare) is Dialect.OWN
    program = {"sagemaker_program": '"t.py"', "sagemaker_submit_directory": '"s3://b/s"'}
    assert dialect_of({**bare, "HyperParameters": program}) is Dialect.TOOLKIT
    assert dialect_of({**plain, "HyperParameters": program}) is Dialect.OWN


def test_the_toolkit_gives_arguments_and_variables_its_own_way(any_clients: Clients) -> None:
    """Sorted arguments in Python's words, one dash for one letter, SM_HP_* as they are, cwd is the code."""
    clients = any_clients
    made = toolkit_request(clients, "tk-args", archive({"train.py": TELL}), **VALUES)
    clients.sagemaker.create_training_job(**made)
    answer = clients.ended("tk-args")
    assert answer["TrainingJobStatus"] == "Completed", clients.log("tk-args")
    argv, cwd, seen = told(clients, "tk-args")
    assert argv == [
        *("-e", "5", "--flag", "True", "--learning-rate", "1", "--list", "[1, 2]", "--lr", "0.1"),
        *("--map", "a=1,b=x", "--name", "adam", "--none", "", "--version", "1.10"),
    ]
    root = seen["SM_MODEL_DIR"].removesuffix("/model")
    assert cwd == f"{root}/code"
    assert seen["SM_CHANNEL_TRAIN"] == f"{root}/input/data/train"
    assert seen["SM_CHANNELS"] == '["train"]'
    assert seen["SM_HP_LEARNING-RATE"] == "1"
    assert seen["SM_HP_FLAG"] == "true"
    assert json.loads(seen["SM_HPS"]) == VALUES
    assert seen["SM_MODULE_NAME"] == "train"
    assert json.loads(seen["SM_TRAINING_ENV"])["hyperparameters"] == VALUES
    assert json.loads(seen["SM_USER_ARGS"]) == argv


def test_the_toolkits_container_exits_with_one_and_its_own_failure_text(clients: Clients) -> None:
    """Whatever the script's exit code, the container's is 1; the text names the code and the command."""
    made = toolkit_request(clients, "tk-fails", archive({"train.py": "import sys; sys.exit(3)"}), lr=0.1)
    clients.sagemaker.create_training_job(**made)
    reason = clients.ended("tk-fails")["FailureReason"]
    assert reason.startswith('AlgorithmError: ExecuteUserScriptError:\nExitCode 3\nErrorMessage ""\nCommand "')
    assert reason.endswith('train.py --lr 0.1", exit code: 1')


def test_a_toolkit_without_a_network_cannot_fetch_its_source(clients: Clients) -> None:
    """As on SageMaker it fails where its source lies in S3, and runs where a channel brings it."""
    made = toolkit_request(clients, "tk-alone", archive({"train.py": "print('ran')"}))
    made["EnableNetworkIsolation"] = True
    clients.sagemaker.create_training_job(**made)
    brought = {**made, "TrainingJobName": "tk-brought", "HyperParameters": {**made["HyperParameters"]}}
    brought["InputDataConfig"] = [channel("code", "s3://bucket/source/tk-alone.tar.gz")]
    brought["HyperParameters"]["sagemaker_submit_directory"] = '"/opt/ml/input/data/code/tk-alone.tar.gz"'
    clients.sagemaker.create_training_job(**brought)
    assert "Could not connect to the endpoint URL" in clients.ended("tk-alone")["FailureReason"]
    assert clients.ended("tk-brought")["TrainingJobStatus"] == "Completed"
    assert clients.log("tk-brought")[-1] == "ran"


def test_pytorch_containers_quote_the_scripts_stderr(clients: Clients) -> None:
    """Where the image captures errors the traceback is in the failure text."""
    made = toolkit_request(clients, "tk-quotes", archive({"train.py": "raise ValueError('no such rank')"}))
    made["AlgorithmSpecification"]["TrainingImage"] = "1.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2"
    clients.sagemaker.create_training_job(**made)
    assert "ValueError: no such rank" in clients.ended("tk-quotes")["FailureReason"]
    assert "ValueError: no such rank" in clients.log("tk-quotes")


def test_the_toolkit_runs_shell_programs_and_packages(clients: Clients) -> None:
    """A .sh goes through the shell with its arguments; a source with setup.py is a module."""
    shell = toolkit_request(clients, "tk-shell", archive({"go.sh": "#!/bin/sh\necho got $@\n"}), "go.sh", rank=4)
    clients.sagemaker.create_training_job(**shell)
    package = {"setup.py": "", "trainer/__init__.py": "", "trainer/__main__.py": "print('as a module')"}
    module = toolkit_request(clients, "tk-module", archive(package), "trainer")
    clients.sagemaker.create_training_job(**module)
    assert clients.ended("tk-shell")["TrainingJobStatus"] == "Completed"
    assert clients.log("tk-shell")[-1] == "got --rank 4"
    assert clients.ended("tk-module")["TrainingJobStatus"] == "Completed"
    assert clients.log("tk-module")[-1] == "as a module"


def test_requirements_are_the_jobs_own_and_kept_by_the_pool(clients: Clients, tmp_path: Path) -> None:
    """They are installed on top of the engine's packages, not into them, and the next job finds them ready."""
    package = tmp_path / "thing"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "thing"\nversion = "1"\n'
    )
    # a build backend of ten lines: nothing is fetched
    (package / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        "    name = 'thing-1-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{folder}/{name}', 'w') as wheel:\n"
        "        wheel.writestr('thing.py', 'WORD = \"installed\"')\n"
        "        wheel.writestr('thing-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: thing\\nVersion: 1\\n')\n"
        "        wheel.writestr('thing-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n')\n"
        "        wheel.writestr('thing-1.dist-info/RECORD', '')\n"
        "    return name\n"
    )
    source = archive({"train.py": "import thing, boto3; print(thing.WORD)", "requirements.txt": f"{package}\n"})
    for name in ("req-1", "req-2"):
        made = toolkit_request(clients, name, source)
        made["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 600
        made["ResourceConfig"]["VolumeSizeInGB"] = 77
        clients.sagemaker.create_training_job(**made)
        clients.until(name, lambda d: d.get("WarmPoolStatus", {}).get("Status") == "Available", timeout_s=60)
        assert clients.log(name)[-1] == "installed"
    assert any("Successfully installed thing" in line for line in clients.log("req-1"))
    assert not any("Successfully installed" in line for line in clients.log("req-2"))
    with pytest.raises(ImportError):
        __import__("thing")


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped-by-sweeper-test", "link"])
def test_an_archive_that_leads_out_of_its_folder_is_refused(clients: Clients, state_dir: Path, name: str) -> None:
    """Names with dots, absolute names and links never write outside the job's folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        if name == "link":
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "../../../.."
            tar.addfile(link)
        member = tarfile.TarInfo("link/escaped" if name == "link" else name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"!"))
    job = f"tk-evil-{abs(hash(name)) % 10**6}"
    clients.sagemaker.create_training_job(**toolkit_request(clients, job, out.getvalue()))
    assert "leads out of the source folder" in clients.ended(job)["FailureReason"]
    assert not list(state_dir.parent.rglob("escaped*"))
    assert not Path("/tmp/escaped-by-sweeper-test").exists()


def test_modeltrainers_driver_runs_as_it_is(any_clients: Clients) -> None:
    """The v3 shell driver names /opt/ml itself; its script's own exit code is the container's."""
    clients = any_clients
    driver = (
        "#!/bin/bash\nset -e\n"
        "python3 /opt/ml/input/data/sm_drivers/environment.py > /tmp/$TRAINING_JOB_NAME.env\n"
        ". /tmp/$TRAINING_JOB_NAME.env; rm /tmp/$TRAINING_JOB_NAME.env\n"
        "cd /opt/ml/input/data/code\nexec python3 train.py --lr $SM_HP_LR\n"
    )
    environment = (
        "import json\n"
        "for k, v in json.load(open('/opt/ml/input/config/hyperparameters.json')).items():\n"
        "    print(f\"export SM_HP_{k.upper()}='{v}'\")\n"
    )
    put = clients.s3.put_object
    put(Bucket="bucket", Key="v3/sm_drivers/sm_train.sh", Body=driver.encode())
    put(Bucket="bucket", Key="v3/sm_drivers/environment.py", Body=environment.encode())
    put(Bucket="bucket", Key="v3/code/train.py", Body=(TELL + "sys.exit(3)").encode())
    run = "/opt/ml/input/data/sm_drivers/sm_train.sh"
    made = request(
        "v3",
        HyperParameters={"lr": "0.1", "name": "adam"},
        InputDataConfig=[channel(n, f"s3://bucket/v3/{n}") for n in ("code", "sm_drivers")],
        algorithm={"ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", f"chmod +x {run} && {run}"]},
    )
    clients.sagemaker.create_training_job(**made)
    assert clients.ended("v3")["FailureReason"] == "AlgorithmError: , exit code: 3"
    argv, cwd, seen = told(clients, "v3")
    assert argv == ["--lr", "0.1"]
    assert cwd.endswith("/input/data/code")
    assert seen["SM_HP_NAME"] == "adam"


def test_an_image_without_entrypoint_runs_what_the_settings_say(tmp_path: Path) -> None:
    """Bring your own: the image's program is called with `train`, and reads plain strings."""
    program = tmp_path / "program.py"
    program.write_text(TELL)
    info = start_engine(tmp_path / "state", {"images": {"*/mine:*": ["python3", str(program)]}})
    clients = Clients(info, tmp_path / "state")
    try:
        clients.s3.create_bucket(Bucket="bucket")
        for name, image in (("byo", "1.dkr.ecr/mine:1"), ("unknown", "1.dkr.ecr/other:1")):
            made = request(name, HyperParameters={"depth": "3"}, algorithm={"TrainingImage": image})
            del made["AlgorithmSpecification"]["ContainerEntrypoint"]
            del made["InputDataConfig"]
            clients.sagemaker.create_training_job(**made)
        assert clients.ended("byo")["TrainingJobStatus"] == "Completed"
        assert told(clients, "byo")[0] == ["train"]
        assert "does not run images" in clients.ended("unknown")["FailureReason"]
    finally:
        launch.stop(tmp_path / "state")


def test_checkpoints_go_to_s3_and_come_back(clients: Clients) -> None:
    """What a job writes is in S3 while it still runs, and the next job with the prefix starts with it."""
    config = {"CheckpointConfig": {"S3Uri": "s3://bucket/ckpt/a", "LocalPath": "/opt/ml/checkpoints"}}
    script = (
        "import os, pathlib, time\n"
        "folder = pathlib.Path(__file__).resolve().parents[3] / 'checkpoints'\n"
        "print(sorted(p.name for p in folder.iterdir()), flush=True)\n"
        "(folder / os.environ['TRAINING_JOB_NAME']).write_text('x')\n"
        "time.sleep(float(os.environ.get('LONG', 0)))\n"
    )
    clients.run("ck-1", script, **config, Environment={"LONG": "60"})
    clients.until("ck-1", lambda _: "Contents" in clients.s3.list_objects_v2(Bucket="bucket", Prefix="ckpt/a/"))
    assert clients.describe("ck-1")["TrainingJobStatus"] == "InProgress"
    clients.sagemaker.stop_training_job(TrainingJobName="ck-1")
    clients.ended("ck-1")
    clients.run("ck-2", script, **config)
    clients.ended("ck-2")
    assert clients.log("ck-2") == ["['ck-1']"]
    kept = clients.s3.list_objects_v2(Bucket="bucket", Prefix="ckpt/a/")["Contents"]
    assert [item["Key"] for item in kept] == ["ckpt/a/ck-1", "ckpt/a/ck-2"]


def test_the_toolkits_encodings() -> None:
    """Arguments and variables, value by value."""
    assert toolkit.arguments({"b": None, "aa": {"y": 1, "x": True}}) == ["--aa", "x=True,y=1", "-b", ""]
    assert toolkit.variables({"a": [1, "x"], "b": None, "c": "s"}) == {"SM_A": '[1,"x"]', "SM_B": "", "SM_C": "s"}
    assert toolkit.decoded("adam") == "adam"
