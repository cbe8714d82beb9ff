"""Real boto3 over real HTTP, with real subprocesses."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sweeper.engine import launch

from .conftest import Clients, channel, request, wait_for

POOL = {"resources": {"KeepAlivePeriodInSeconds": 600}}
PRINT_ROOT = "import pathlib; ROOT = pathlib.Path(__file__).resolve().parents[3]\n"


def test_a_job_trains_for_real(clients: Clients) -> None:
    """Configuration in, log, metric, model and outputs out."""
    script = PRINT_ROOT + (
        "import json, os\n"
        "print(json.load(open(ROOT / 'input/config/hyperparameters.json')))\n"
        "print(sorted(os.listdir(ROOT / 'input/data/train')))\n"
        "print('acc=0.5\\tstep 1'); print('acc=0.75\\tstep 2')\n"
        "(ROOT / 'model/weights.txt').write_text('w')\n"
        "(ROOT / 'output/data/extra.txt').write_text('e')\n"
    )
    clients.s3.put_object(Bucket="bucket", Key="data/a.csv", Body=b"1")
    clients.s3.put_object(Bucket="bucket", Key="data/deep/b.csv", Body=b"2")
    clients.run(
        "real",
        script,
        HyperParameters={"lr": "0.1"},
        InputDataConfig=[channel("code", "s3://bucket/code/real"), channel("train", "s3://bucket/data")],
        algorithm={"MetricDefinitions": [{"Name": "acc", "Regex": "acc=([0-9.]+)#011"}]},
    )
    answer = clients.ended("real")
    assert answer["TrainingJobStatus"] == "Completed", answer
    assert clients.log("real") == [
        "{'lr': '0.1'}",
        "['a.csv', 'deep']",
        "acc=0.5#011step 1",
        "acc=0.75#011step 2",
    ]
    assert [(m["MetricName"], m["Value"]) for m in answer["FinalMetricDataList"]] == [("acc", 0.75)]
    for artifact, member in (("model", "weights.txt"), ("output", "extra.txt")):
        body = clients.s3.get_object(Bucket="bucket", Key=f"out/real/output/{artifact}.tar.gz")["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            assert tar.getnames() == [member]
    assert answer["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/real/output/model.tar.gz"


def test_metrics_can_be_read_while_the_job_runs(clients: Clients) -> None:
    """FinalMetricDataList grows before the end."""
    script = "import time\nprint('loss=3', flush=True)\ntime.sleep(60)\n"
    clients.run("live", script, algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]})
    found = clients.until("live", lambda d: d.get("FinalMetricDataList"))
    assert found["TrainingJobStatus"] == "InProgress"
    assert found["FinalMetricDataList"][0]["Value"] == 3.0
    clients.sagemaker.stop_training_job(TrainingJobName="live")
    assert clients.ended("live")["TrainingJobStatus"] == "Stopped"


def test_a_pool_is_reused_and_its_cache_lives_as_long(clients: Clients, state_dir: Path) -> None:
    """The second job is warm and finds the first one's cache; Update(0) ends the pool and the cache."""
    script = (
        "import os, pathlib\n"
        "cache = pathlib.Path(os.environ['SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY'])\n"
        "print(sorted(p.name for p in cache.iterdir()))\n"
        "(cache / os.environ['TRAINING_JOB_NAME']).touch()\n"
    )
    clients.run("warm-1", script, **POOL)
    clients.until("warm-1", lambda d: d.get("WarmPoolStatus", {}).get("Status") == "Available")
    clients.run("warm-2", script, **POOL)
    clients.until("warm-2", lambda d: d.get("WarmPoolStatus", {}).get("Status") == "Available")
    assert clients.describe("warm-1")["WarmPoolStatus"]["ReusedByJob"] == "warm-2"
    assert clients.log("warm-2") == ["['warm-1']"]
    assert list((state_dir / "pools").glob("*/cache/warm-2"))
    clients.sagemaker.update_training_job(TrainingJobName="warm-2", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    clients.until("warm-2", lambda d: d["WarmPoolStatus"]["Status"] == "Terminated")
    assert not list((state_dir / "pools").glob("*/cache/warm-2"))


def test_a_failure_file_becomes_the_failure_reason(clients: Clients) -> None:
    """The job fails with its own words and its exit code; it leaves no model."""
    script = PRINT_ROOT + (
        "(ROOT / 'output/failure').write_text('ValueError: bad')\n(ROOT / 'model/x').touch()\nraise SystemExit(3)\n"
    )
    clients.run("fails", script)
    answer = clients.ended("fails")
    assert answer["FailureReason"] == "AlgorithmError: ValueError: bad, exit code: 3"
    assert "Contents" not in clients.s3.list_objects_v2(Bucket="bucket", Prefix="out/fails/")


def test_a_missing_input_fails_the_job(clients: Clients) -> None:
    """No objects under the prefix is a ClientError of the job, not of the request."""
    clients.sagemaker.create_training_job(**request("no-input"))
    assert clients.ended("no-input")["FailureReason"].startswith("ClientError: Data download failed")


def test_a_stopped_script_may_save_its_model(clients: Clients) -> None:
    """TERM reaches the script, what it leaves is uploaded, and the job is Stopped."""
    script = PRINT_ROOT + (
        "import signal, sys, time\n"
        "def save(*_):\n"
        "    (ROOT / 'model/saved').touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    clients.run("saves", script)
    clients.until("saves", lambda d: d["SecondaryStatus"] == "Training" and "ready" in clients.log("saves"))
    clients.sagemaker.stop_training_job(TrainingJobName="saves")
    answer = clients.ended("saves")
    assert (answer["TrainingJobStatus"], answer["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert clients.s3.head_object(Bucket="bucket", Key="out/saves/output/model.tar.gz")


@pytest.mark.parametrize("there", [".", "spec.json", "lock", "supervisor.log", "log", "started.json"])
def test_a_stop_at_any_moment_of_a_start_ends_a_job_as_stopped(any_clients: Clients, there: str) -> None:
    """Before it has a container, before that can heed a signal, before its script runs: never Failed."""
    clients, name = any_clients, f"early-{len(there)}"
    clients.run(name, "import time; time.sleep(60)")
    wait_for((clients.state_dir / "jobs" / name / there).exists)
    clients.sagemaker.stop_training_job(TrainingJobName=name)
    answer = clients.ended(name)
    assert (answer["TrainingJobStatus"], answer["SecondaryStatus"]) == ("Stopped", "Stopped"), answer


def sleeping(seconds: str) -> bool:
    """Does a `sleep` of so many seconds live anywhere on this machine?"""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if entry.read_bytes() == f"sleep\0{seconds}\0".encode():
                return True
    return False


def test_a_deaf_job_is_killed_with_everything_it_started(any_clients: Clients) -> None:
    """After the grace nothing of the job is alive, not even a daemon in a session of its own."""
    clients, name = any_clients, "deaf"
    seconds = f"1000.{clients.url[-5:]}"
    script = (
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"subprocess.Popen(['sleep', '{seconds}'], start_new_session=True)\n"
        "print('ready', flush=True)\n"
        "time.sleep(1000)\n"
    )
    clients.run(name, script)
    clients.until(name, lambda d: d["SecondaryStatus"] == "Training" and clients.log(name))
    assert sleeping(seconds)
    clients.sagemaker.stop_training_job(TrainingJobName=name)
    assert clients.ended(name)["TrainingJobStatus"] == "Stopped"
    assert not sleeping(seconds)


def test_a_daemon_does_not_outlive_its_job(any_clients: Clients) -> None:
    """The container ends with its entrypoint, and with it whatever was left running."""
    clients, name = any_clients, "daemon"
    seconds = f"1001.{clients.url[-5:]}"
    clients.run(name, f"import subprocess; subprocess.Popen(['sleep', '{seconds}'], start_new_session=True)")
    assert clients.ended(name)["TrainingJobStatus"] == "Completed"
    assert not sleeping(seconds)


def test_max_runtime_is_kept(clients: Clients) -> None:
    """A job that runs too long is Stopped with MaxRuntimeExceeded."""
    clients.run("long", "import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert clients.ended("long")["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_a_job_sees_nothing_of_the_engines_environment(clients: Clients) -> None:
    """The engine as endpoint and its credentials, a home of its own, and the request's variables."""
    clients.run("bare", "import json, os; print(json.dumps(dict(os.environ)))", Environment={"MINE": "1"})
    clients.ended("bare")
    seen = json.loads(clients.log("bare")[0])
    assert seen["MINE"] == "1"
    assert seen["AWS_ENDPOINT_URL"] == clients.url
    assert {**seen, **clients.engine.environment} == seen
    assert seen["HOME"] == "/opt/sweeper-home" or "bare" in seen["HOME"]  # by whether it has a private /opt/ml
    assert "SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY" not in seen
    assert not [k for k in seen if k.startswith(("PYTEST", "SWEEPER", "SM_"))]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"TrainingJobName": "no_underscores"}, "regular expression pattern"),
        ({"TrainingJobName": "n" * 64}, "length less than or equal to 63"),
        ({"resources": {"InstanceType": "ml.nope"}}, "enum value set"),
        ({"resources": {"KeepAlivePeriodInSeconds": 99999}}, "value less than or equal to 21600"),
        ({"HyperParameters": {"k": "v" * 2501}}, "length less than or equal to 2500"),
        ({"HyperParameters": {f"k{n}": "v" for n in range(101)}}, "length less than or equal to 100"),
        ({"Environment": {"1x": "v"}}, "regular expression pattern"),
        ({"RoleArn": "arn:aws:iam::1:role/x"}, "at 'roleArn'"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 2}}, "MaxWaitTimeInSeconds"),
        ({"InputDataConfig": [channel("..", "s3://bucket/x")]}, "not a valid channel name"),
    ],
)
def test_what_the_service_refuses_is_refused(clients: Clients, changes: dict[str, Any], text: str) -> None:
    """max, pattern, enum and the rules over several fields, which botocore lets through, are a ValidationException."""
    with pytest.raises(ClientError, match=text) as caught:
        clients.sagemaker.create_training_job(**request("refused", **changes))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["ResponseMetadata"]["RequestId"]


def test_a_key_that_leaves_the_folder_is_never_written(clients: Clients, state_dir: Path) -> None:
    """An object named with dots fails the job and writes nothing outside of it."""
    clients.s3.put_object(Bucket="bucket", Key="evil/x/../../../../../escaped", Body=b"!")
    clients.s3.put_object(Bucket="bucket", Key="code/evil/train.py", Body=b"")
    inputs = [channel("code", "s3://bucket/code/evil"), channel("evil", "s3://bucket/evil")]
    clients.sagemaker.create_training_job(**request("evil", InputDataConfig=inputs))
    assert clients.ended("evil")["FailureReason"].startswith("ClientError")
    assert not list(state_dir.parent.rglob("escaped"))


def test_an_unknown_operation_is_named(clients: Clients) -> None:
    """What is not emulated is UnknownOperationException, never a guess of moto's."""
    with pytest.raises(ClientError, match="does not emulate the operation ListModels") as caught:
        clients.sagemaker.list_models()
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"


def test_one_port_answers_for_sts_and_s3(clients: Clients) -> None:
    """moto answers what is not SageMaker's, behind the same port."""
    assert clients.sts.get_caller_identity()["Account"] == "123456789012"
    assert "bucket" in [b["Name"] for b in clients.s3.list_buckets()["Buckets"]]


def test_a_page_in_a_browser_cannot_start_jobs(clients: Clients) -> None:
    """A cross-origin request and a foreign host name are refused."""
    for header in ({"Origin": "http://example.com"}, {"Host": "example.com"}):
        call = urllib.request.Request(clients.url, b"{}", {"X-Amz-Target": "SageMaker.ListTrainingJobs", **header})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(call)


def test_the_engines_record_shows_each_process(any_clients: Clients) -> None:
    """Every job that ran has a process id of its own, and the record has it."""
    clients = any_clients
    for name in ("pid-1", "pid-2"):
        clients.run(name, "import os; print(os.getpid())")
        clients.ended(name)
    status = launch.status(clients.state_dir)
    assert status is not None
    pids = {job["name"]: job["pid"] for job in status["jobs"] if job["name"].startswith("pid-")}
    assert pids == {name: int(clients.log(name)[0]) for name in ("pid-1", "pid-2")}


def test_a_script_finds_opt_ml_as_on_sagemaker(private: Clients) -> None:
    """/opt/ml is the job's own, the host is algo-1, and a hard-coded path works."""
    script = (
        "import json, os, socket\n"
        "print(json.load(open('/opt/ml/input/config/hyperparameters.json')))\n"
        "print(sorted(os.listdir('/opt/ml')))\n"
        "print(socket.gethostname(), socket.gethostbyname('algo-1'), os.getcwd())\n"
        "open('/opt/ml/model/m', 'w')\n"
    )
    private.run("opt-ml", script, HyperParameters={"a": "1"})
    assert private.ended("opt-ml")["TrainingJobStatus"] == "Completed", private.log("opt-ml")
    assert private.log("opt-ml") == [
        "{'a': '1'}",
        "['checkpoints', 'code', 'input', 'model', 'output', 'sagemaker']",
        "algo-1 127.0.0.1 /opt/ml",
    ]
    assert private.s3.head_object(Bucket="bucket", Key="out/opt-ml/output/model.tar.gz")


def test_network_isolation_is_real(private: Clients) -> None:
    """With EnableNetworkIsolation a job reaches nothing, not even the engine."""
    port = private.url.rpartition(":")[2]
    script = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
    private.run("isolated", script, EnableNetworkIsolation=True)
    assert private.ended("isolated")["TrainingJobStatus"] == "Failed"
    assert "Connection refused" in private.log("isolated")[-1]


def test_a_killed_supervisor_takes_the_job_with_it(private: Clients) -> None:
    """Where process ids are private nothing of a job survives its supervisor, and the job is Failed."""
    seconds = f"1002.{private.url[-5:]}"
    private.run("orphan", f"import subprocess; subprocess.run(['sleep', '{seconds}'])")
    private.until("orphan", lambda d: d["SecondaryStatus"] == "Training" and sleeping(seconds))
    status = launch.status(private.state_dir)
    assert status is not None
    if status["isolation"] != "full":
        pytest.skip("this machine has no private process ids")
    os.kill(next(job["supervisor_pid"] for job in status["jobs"] if job["name"] == "orphan"), signal.SIGKILL)
    assert private.ended("orphan")["FailureReason"].startswith("InternalServerError")
    wait_for(lambda: not sleeping(seconds))


def test_where_there_is_no_private_opt_ml_the_log_says_who_needs_one(plain_clients: Clients) -> None:
    """Lines of the code that name /opt/ml are named at the top of the log."""
    clients = plain_clients
    clients.run("literal", "import os\nprint(os.path.exists('/opt/ml/model'))")
    clients.ended("literal")
    warning, answer = clients.log("literal")
    assert "it is named literally in train.py:2" in warning
    assert answer == "False"


def test_a_job_inherits_nothing_but_its_three_streams(any_clients: Clients) -> None:
    """The lock on a job's folder says that its supervisor lives: what a job leaves behind must not hold it."""
    any_clients.run("streams", "import os; print([fd for fd in range(100) if os.path.exists(f'/proc/self/fd/{fd}')])")
    assert any_clients.ended("streams")["TrainingJobStatus"] == "Completed"
    assert any_clients.log("streams") == ["[0, 1, 2]"]


LINKED = {
    "model": ("model",),
    "output-data": ("output", "data"),
    "output": ("output",),
    "checkpoints": ("checkpoints",),
}


@pytest.mark.parametrize("name", LINKED)
def test_a_link_in_place_of_a_folder_is_not_followed(any_clients: Clients, tmp_path: Path, name: str) -> None:
    """What a job has linked to is neither uploaded nor read nor removed, and the log says so."""
    clients = any_clients
    elsewhere = tmp_path / "elsewhere"
    for file in ("a", "data/a", "failure"):
        (elsewhere / file).parent.mkdir(exist_ok=True, parents=True)
        (elsewhere / file).write_text("secret")
    script = PRINT_ROOT + (
        f"import shutil\nplace = ROOT.joinpath(*{LINKED[name]!r})\n"
        f"shutil.rmtree(place)\nplace.symlink_to({str(elsewhere)!r})\nraise SystemExit(1)\n"
    )
    config = {"S3Uri": f"s3://bucket/linked/{name}"}
    clients.run(f"linked-{name}", script, CheckpointConfig=config)
    assert clients.ended(f"linked-{name}")["FailureReason"] == "AlgorithmError: , exit code: 1"
    for prefix in (f"out/linked-{name}", f"linked/{name}"):
        assert "Contents" not in clients.s3.list_objects_v2(Bucket="bucket", Prefix=prefix)
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["a", "a", "data", "failure"]
    if name.startswith("output"):
        assert "is not followed" in clients.log(f"linked-{name}")[-1]


def test_a_failure_file_that_is_a_folder_says_nothing(clients: Clients) -> None:
    """The job has failed by itself: what it left there is no reason of the platform's."""
    clients.run("odd-failure", PRINT_ROOT + "(ROOT / 'output/failure').mkdir()\nraise SystemExit(2)\n")
    assert clients.ended("odd-failure")["FailureReason"] == "AlgorithmError: , exit code: 2"


def test_the_environment_of_an_ended_job_is_on_no_disk(any_clients: Clients) -> None:
    """What the supervisor was told is removed with the job's end; Describe still shows it to who may ask."""
    clients = any_clients
    clients.run("forgets", "print(1)", Environment={"TOKEN": "planted-secret"})
    clients.ended("forgets")
    folder = clients.state_dir / "jobs/forgets"
    held = [path for path in folder.rglob("*") if path.is_file() and "planted-secret" in path.read_text()]
    assert held == []
    assert clients.describe("forgets")["Environment"] == {"TOKEN": "planted-secret"}


def test_network_isolation_that_cannot_be_had_is_told(plain_clients: Clients) -> None:
    """Where a job has no network of its own the log says that the request's isolation is not applied."""
    plain_clients.run("not-isolated", "print(1)", EnableNetworkIsolation=True)
    assert plain_clients.ended("not-isolated")["TrainingJobStatus"] == "Completed"
    assert "EnableNetworkIsolation is not applied" in plain_clients.log("not-isolated")[0]


def test_of_too_many_members_none_is_judged(clients: Clients) -> None:
    """A hundred thousand hyperparameters, all wrong, are refused by their number alone: one reason, quickly found."""
    many = {f"k{n}": "v" * 3000 for n in range(1000)}
    with pytest.raises(ClientError, match=r"1 validation error detected: .*less than or equal to 100$"):
        clients.sagemaker.create_training_job(**request("many", HyperParameters=many))
