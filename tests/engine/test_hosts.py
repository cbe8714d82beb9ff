"""Jobs of several hosts: one container each, which find each other, and one end of them all."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine import launch
from sweeper.engine.machine.cluster import verdict
from sweeper.engine.machine.containers import Exit
from sweeper.engine.machine.folders import addresses, configuration
from tests.forked import start_engine

from .conftest import FAST, Clients, channel, wait_for
from .conftest import request as request_of

WHO = """
import json, os, pathlib, signal, socket, sys, time, zlib
told = json.load(open("/opt/ml/input/config/resourceconfig.json"))
me, hosts = told["current_host"], told["hosts"]
port = 20000 + zlib.crc32(os.environ["TRAINING_JOB_NAME"].encode()) % 10000  # jobs share this machine
def link():
    while True:
        try:
            return socket.create_connection((hosts[0], port))
        except ConnectionRefusedError:
            time.sleep(0.01)
"""
MEET = f"""{WHO}
assert socket.gethostname() == me
listening = socket.create_server((me, port))  # the same port on every host
if me == hosts[0]:
    names = sorted(listening.accept()[0].recv(100).decode() for _ in hosts[1:])
    print("met", *names)
else:
    link().sendall(me.encode())
cache = pathlib.Path(os.environ["SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"], "who")
print("cache of", cache.read_text() if cache.exists() else "nobody")
cache.write_text(me)
print("shard", *os.listdir("/opt/ml/input/data/train"))
for name in (f"shard-{{me}}", "config"):
    pathlib.Path("/opt/ml/model", name).write_text(me)
"""
TWO = {"InstanceCount": 2}


def logs(clients: Clients, name: str) -> dict[str, list[str]]:
    """The lines of each host of a job."""
    group = "/aws/sagemaker/TrainingJobs"
    found = clients.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    streams = [stream["logStreamName"] for stream in found]
    events = {
        stream: clients.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        for stream in streams
    }
    return {
        stream.partition("/")[2].rpartition("-")[0]: [event["message"] for event in lines]
        for stream, lines in events.items()
    }


def code(name: str) -> dict[str, Any]:
    """The channel that brings a job's script."""
    return channel("code", f"s3://bucket/code/{name}")


def test_hosts_find_each_other_and_leave_one_model_and_a_log_each(clients: Clients) -> None:
    """Each has its name, its log, its part of data and model; the pool is all of them, with a cache for each."""
    kept = {**TWO, "KeepAlivePeriodInSeconds": 600}
    for name in "ab":
        clients.s3.put_object(Bucket="bucket", Key=f"shards/{name}", Body=b"")
    parted = channel("train", "s3://bucket/shards/")
    parted["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    clients.run("hosts-1", MEET, resources=kept, InputDataConfig=[code("hosts-1"), parted])
    answer = clients.until("hosts-1", lambda d: d.get("WarmPoolStatus", {}).get("Status") == "Available")
    assert answer["TrainingJobStatus"] == "Completed"
    told = logs(clients, "hosts-1")
    assert told["algo-1"] == ["met algo-2", "cache of nobody", "shard a"]
    assert told["algo-2"][:2] == ["cache of nobody", "shard b"]
    assert told["algo-2"][2].endswith("not uploaded from model, as another host has left the same: config")
    body = clients.s3.get_object(Bucket="bucket", Key="out/hosts-1/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        parts = {member.name: member.size and tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert parts == {"config": b"algo-1", "shard-algo-1": b"algo-1", "shard-algo-2": b"algo-2"}
    clients.run("hosts-2", MEET, resources=kept, InputDataConfig=[code("hosts-2"), parted])
    assert clients.ended("hosts-2")["TrainingJobStatus"] == "Completed"
    told = logs(clients, "hosts-2")
    assert (told["algo-1"][1], told["algo-2"][0]) == ("cache of algo-1", "cache of algo-2")
    assert clients.describe("hosts-1")["WarmPoolStatus"]["ReusedByJob"] == "hosts-2"


def test_the_first_host_that_fails_ends_the_job(clients: Clients) -> None:
    """The other hosts get their SIGTERM, and the reason is what the failing one wrote, with its exit code."""
    script = f"""{WHO}
if me == "algo-2":
    link().recv(1)
    pathlib.Path("/opt/ml/output/failure").write_text("no more data")
    sys.exit(3)
signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
peer = socket.create_server((me, port)).accept()[0]
peer.close()
while True:
    time.sleep(60)
"""
    clients.run("hosts-fail", script, resources=TWO)
    answer = clients.ended("hosts-fail")
    assert answer["TrainingJobStatus"] == "Failed"
    assert answer["FailureReason"] == "AlgorithmError: no more data, exit code: 3"
    assert logs(clients, "hosts-fail")["algo-1"] == ["told to end"]


def test_every_host_outlives_the_engine_and_is_stopped_by_the_next(tmp_path: Path) -> None:
    """The containers of all hosts go on while the engine is away; a stop reaches each of them."""
    info = start_engine(tmp_path, FAST)
    clients = Clients(info, tmp_path)
    try:
        clients.s3.create_bucket(Bucket="bucket")
        script = f"""{WHO}
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
print("here", flush=True)
while True:
    time.sleep(60)
"""
        clients.run("hosts-away", script, resources=TWO)
        clients.until("hosts-away", lambda d: d["SecondaryStatus"] == "Training")
        wait_for(lambda: logs(clients, "hosts-away") == {"algo-1": ["here"], "algo-2": ["here"]})
        os.kill(info.pid, signal.SIGKILL)
        wait_for(lambda: not launch.lives(tmp_path))
        clients = Clients(start_engine(tmp_path, FAST), tmp_path)
        clients.sagemaker.stop_training_job(TrainingJobName="hosts-away")
        assert clients.ended("hosts-away")["TrainingJobStatus"] == "Stopped"
        assert logs(clients, "hosts-away") == {"algo-1": ["here", "stopped"], "algo-2": ["here", "stopped"]}
    finally:
        launch.stop(tmp_path)


@pytest.mark.parametrize(
    ("kind", "isolated", "why"),
    [
        ("clients", True, "each is on a network of its own"),
        ("plain_clients", False, "this machine gives no job names of hosts"),
    ],
)
def test_hosts_that_cannot_find_each_other_are_told_of_in_their_logs(
    request: pytest.FixtureRequest, kind: str, isolated: bool, why: str
) -> None:
    """On a network of their own, and where there are no names: a script that waits for another host says nothing."""
    clients: Clients = request.getfixturevalue(kind)
    clients.run("hosts-alone", "print('alone')", resources=TWO, EnableNetworkIsolation=isolated)
    assert clients.ended("hosts-alone")["TrainingJobStatus"] == "Completed"
    line = f"sweeper engine: algo-1, algo-2 do not find each other here: {why}"
    assert logs(clients, "hosts-alone") == {"algo-1": [line, "alone"], "algo-2": [line, "alone"]}


def test_a_job_that_lost_a_host_is_tried_again_on_all_of_them(clients: Clients) -> None:
    """A host is lost; each begins again on another machine, and finds what all of them had saved."""
    script = f"""{WHO}
saved = pathlib.Path("/opt/ml/checkpoints")
found = sorted(os.listdir(saved))
(saved / me).write_text(me)
print("found", *found, flush=True)
while not found:
    time.sleep(60)
"""
    retry = {"MaximumRetryAttempts": 1}
    kept = {"S3Uri": "s3://bucket/checkpoints/hosts-lost"}
    clients.run("hosts-lost", script, resources=TWO, RetryStrategy=retry, CheckpointConfig=kept)
    wait_for(lambda: logs(clients, "hosts-lost") == {"algo-1": ["found"], "algo-2": ["found"]})
    started = json.loads((clients.state_dir / "jobs/hosts-lost/algo-2/started.json").read_text())
    if started["isolation"] != "full":
        pytest.skip("a job outlives its supervisor on this machine")
    os.kill(started["supervisor_pid"], signal.SIGKILL)
    assert clients.ended("hosts-lost")["TrainingJobStatus"] == "Completed"
    lines = ["found", "found algo-1 algo-2"]
    assert logs(clients, "hosts-lost") == {"algo-1": lines, "algo-2": lines}


def test_how_a_job_ends_follows_from_how_its_hosts_do() -> None:
    """As the first that failed, when the last was through; its reason is that one's, or what the next one wrote."""
    fine, late = Exit(0, 5.0), Exit(0, 9.0)
    assert verdict([late, fine]) == Exit(0, 9.0)
    assert verdict([Exit(1, 8.0, "peer is gone"), Exit(3, 7.0, "nan"), late]) == Exit(3, 9.0, "nan")
    assert verdict([Exit(1, 8.0, "peer is gone"), Exit(137, 7.0)]) == Exit(137, 8.0, "peer is gone")


def test_a_job_of_many_hosts_gives_each_an_address_and_its_own_name() -> None:
    """resourceconfig.json names every host and the present one; /etc/hosts has an address for each."""
    made = request_of("many", resources={"InstanceCount": 300})
    told = configuration(made, "algo-299")["resourceconfig.json"]
    assert (told["current_host"], told["hosts"][298], len(told["hosts"])) == ("algo-299", "algo-299", 300)
    assert told["instance_groups"][0]["hosts"] == told["hosts"]
    lines = addresses(made).splitlines()
    assert (lines[0], lines[255], len({line.split()[0] for line in lines})) == (
        "127.0.0.1 algo-1",
        "127.0.1.0 algo-256",
        300,
    )
