"""Engines come and go; what they kept is there again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sweeper.engine import launch
from sweeper.errors import EngineError
from tests.engine.test_interpreter import set_traps
from tests.forked import start_engine

from .conftest import FAST, Clients, kill_container, request, wait_for

GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose engine ends with the test."""
    yield tmp_path / "state"
    launch.stop(tmp_path / "state")


def gone(folder: Path) -> bool:
    """True when the engine of this folder is dead: it has let go of its lock."""
    with (folder / "engine.lock").open("rb") as lock:
        return free(lock)


def free(lock: IO[bytes]) -> bool:
    """True when nobody holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(folder: Path) -> tuple[Clients, int]:
    """The folder's engine: clients and process id."""
    info = start_engine(folder, FAST)
    return Clients(info, folder), info.pid


def test_the_same_engine_is_found_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call starts nothing; the first imports nothing from where the user is, and keeps the keys to itself."""
    set_traps(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert launch.status(folder) is None
    first = launch.ensure(folder, FAST)
    assert launch.ensure(folder, FAST) == first
    for name, mode in (("engine.json", 0o600), ("credentials", 0o600), ("", 0o700)):
        assert (folder / name).stat().st_mode & 0o777 == mode
    arguments = Path(f"/proc/{first.pid}/cmdline")
    assert not arguments.exists() or first.secret_key.encode() not in arguments.read_bytes()


def test_an_engine_that_lives_is_known_again_without_being_asked(folder: Path) -> None:
    """A killed one is not, nor is its successor taken for it; a folder without an engine has none."""
    first = start_engine(folder, FAST)
    assert launch.still_runs(folder, first)
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: gone(folder))
    assert not launch.still_runs(folder, first)
    second = start_engine(folder, FAST)
    assert second.url == first.url
    assert (launch.still_runs(folder, first), launch.still_runs(folder, second)) == (False, True)
    assert launch.stop(folder)
    assert not launch.still_runs(folder, second)


def test_two_callers_at_once_end_with_one_engine(folder: Path) -> None:
    """Whoever comes second finds what the first one started."""
    found: list[launch.EngineInfo] = []
    threads = [threading.Thread(target=lambda: found.append(launch.ensure(folder, FAST))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({info.pid for info in found}) == 1


def test_two_engines_on_one_folder_are_refused(folder: Path) -> None:
    """The second one says so in one line and ends."""
    start(folder)
    second = subprocess.run(
        [sys.executable, "-m", "sweeper.engine.server", "--state-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 4
    assert second.stderr == f"another engine already runs on {folder}\n"


def test_after_a_kill_everything_is_there_again(folder: Path) -> None:
    """Jobs, pools, objects and logs survive a SIGKILL of the engine."""
    clients, pid = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    clients.run("before", "print('hello')", resources={"KeepAlivePeriodInSeconds": 600})
    clients.until("before", lambda d: d.get("WarmPoolStatus", {}).get("Status") == "Available")
    before = clients.describe("before")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(folder))
    url = clients.url
    clients, _ = start(folder)
    assert clients.url == url  # what clients and running jobs know
    after = clients.describe("before")
    assert {**after, "ResponseMetadata": 0} == {**before, "ResponseMetadata": 0}
    assert clients.log("before") == ["hello"]
    clients.run("after", "print('warm')", resources={"KeepAlivePeriodInSeconds": 600})
    clients.ended("after")
    assert clients.describe("before")["WarmPoolStatus"]["ReusedByJob"] == "after"
    body = clients.s3.get_object(Bucket="bucket", Key="code/before/train.py")["Body"].read()
    assert body == b"print('hello')"


def test_a_running_job_is_adopted(folder: Path) -> None:
    """The job goes on while the engine is away; the next engine sees it end, with all its log."""
    clients, pid = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    go = folder / "go"
    clients.run(
        "goes-on",
        f"import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "print('done')",
    )
    clients.until("goes-on", lambda d: d["SecondaryStatus"] == "Training" and clients.log("goes-on"))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(folder))
    clients, _ = start(folder)
    assert clients.describe("goes-on")["TrainingJobStatus"] == "InProgress"
    go.touch()
    assert clients.ended("goes-on")["TrainingJobStatus"] == "Completed"
    assert clients.log("goes-on") == ["begun", "done"]


def supervisor(folder: Path) -> int | None:
    """The process that is the only job's supervisor, from its first moment."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"container.py\0{folder}/jobs/" in entry.joinpath("cmdline").read_text():
                return int(entry.name)
    return None


def test_a_job_that_had_not_told_its_start_is_adopted_and_can_be_stopped(folder: Path) -> None:
    """The engine is killed before the supervisor has said who it is: a stop reaches it all the same."""
    clients, pid = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    clients.run("untold", "import time; time.sleep(60)")
    wait_for(lambda: supervisor(folder))
    held = supervisor(folder)
    assert held is not None
    os.kill(held, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(folder))
    clients, _ = start(folder)
    clients.sagemaker.stop_training_job(TrainingJobName="untold")
    assert clients.describe("untold")["TrainingJobStatus"] == "Stopping"
    os.kill(held, signal.SIGCONT)
    assert clients.ended("untold")["TrainingJobStatus"] == "Stopped"


def run_out(records: Path, at: float) -> None:
    """The only job's time has run out then."""
    with contextlib.closing(sqlite3.connect(records)) as db, db:
        job = json.loads(db.execute("SELECT record FROM jobs").fetchone()[0])
        job["timers"]["max_runtime"] = at
        db.execute("UPDATE jobs SET record=?", (json.dumps(job),))


def test_a_job_that_ended_meanwhile_is_found_by_its_exit(folder: Path) -> None:
    """Its exit code and its time count although nobody was there to see it, and its time ran out only after that."""
    clients, pid = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    go = folder / "go"
    script = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nraise SystemExit(7)"
    clients.run("alone", script)
    clients.until("alone", lambda d: d["SecondaryStatus"] == "Training")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(folder))
    go.touch()
    wait_for((folder / "jobs/alone/exit.json").exists)
    told = json.loads((folder / "jobs/alone/exit.json").read_text())["ended_at"]
    run_out(folder / "engine.db", told + 0.001)
    clients, _ = start(folder)
    found = clients.ended("alone")
    assert found["FailureReason"] == "AlgorithmError: , exit code: 7"
    begun = {t["Status"]: t["StartTime"].timestamp() for t in found["SecondaryStatusTransitions"]}
    assert begun["Uploading"] == pytest.approx(told, abs=0.002)


def test_a_lost_job_fails_honestly(folder: Path) -> None:
    """Where neither the container nor its exit is found the job is Failed with InternalServerError."""
    clients, pid = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    clients.run("lost", "import time; time.sleep(100)")
    clients.until("lost", lambda d: d["SecondaryStatus"] == "Training")
    status = launch.status(folder)
    assert status is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(folder))
    kill_container(status["jobs"][0])
    clients, _ = start(folder)
    assert clients.ended("lost")["FailureReason"].startswith("InternalServerError: the local engine found neither")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_a_full_disk_keeps_no_question_from_its_answer(folder: Path) -> None:
    """While the engine can write nothing a running job is described with its newest metric; then it goes on."""
    clients, pid = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    go = folder / "go"
    script = f"import os, time\nprint('m=1', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    clients.run("full", script, algorithm={"MetricDefinitions": [{"Name": "m", "Regex": "m=([0-9])"}]})
    clients.until("full", lambda d: d["SecondaryStatus"] == "Training")
    wait_for(lambda: b"m=1" in (folder / "jobs/full/log").read_bytes())
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        assert clients.describe("full")["FinalMetricDataList"][0]["Value"] == 1
        with pytest.raises(ClientError, match="InternalFailure"):
            clients.sagemaker.create_training_job(**request("another"))
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    go.touch()
    assert clients.ended("full")["TrainingJobStatus"] == "Completed"


def test_it_stops_itself_when_idle(tmp_path: Path) -> None:
    """No job, no pool and no request for a while: the process ends."""
    start_engine(tmp_path, {**FAST, "idle_s": 0.2})
    wait_for(lambda: gone(tmp_path))
    assert launch.status(tmp_path) is None


def test_stop_ends_jobs_and_pools_first(folder: Path) -> None:
    """After a stop nothing runs and nothing is retained."""
    clients, _ = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    clients.run("pooled", "", resources={"KeepAlivePeriodInSeconds": 600})
    clients.until("pooled", lambda d: d.get("WarmPoolStatus", {}).get("Status") == "Available")
    clients.run("running", "import time; time.sleep(100)", resources={"VolumeSizeInGB": 31})
    clients.until("running", lambda d: d["SecondaryStatus"] == "Training")
    assert launch.stop(folder)
    assert not launch.stop(folder)
    clients, _ = start(folder)
    assert clients.describe("running")["TrainingJobStatus"] == "Stopped"
    assert clients.describe("pooled")["WarmPoolStatus"]["Status"] == "Terminated"


def test_a_stop_that_the_engine_does_not_take_is_told(folder: Path) -> None:
    """With a secret that is not the engine's the request is refused, and nobody waits for an end for long."""
    _, pid = start(folder)
    known = (folder / "engine.json").read_text()
    (folder / "engine.json").write_text(json.dumps({**json.loads(known), "secret_key": "another"}))
    with pytest.raises(EngineError, match=rf"process {pid}\) did not take the request to stop"):
        launch.stop(folder)
    (folder / "engine.json").write_text(known)


def test_an_engine_that_ends_without_an_answer_has_been_stopped(folder: Path) -> None:
    """The request is taken and the connection closed; what counts is that the folder is let go of."""
    start(folder)
    known = json.loads((folder / "engine.json").read_text())
    assert launch.stop(folder)
    with socket.create_server(("127.0.0.1", 0)) as server, (folder / "engine.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = {**known, "url": f"http://127.0.0.1:{server.getsockname()[1]}"}
        (folder / "engine.json").write_text(json.dumps(there))

        def end() -> None:
            server.accept()[0].close()
            threading.Event().wait(0.3)  # the caller has seen that there is no answer
            fcntl.flock(lock, fcntl.LOCK_UN)

        ending = threading.Thread(target=end)
        ending.start()
        assert launch.stop(folder)
        ending.join()


def test_an_engine_of_an_earlier_version_is_named_and_not_asked(tmp_path: Path) -> None:
    """It has no keys: whoever wants it is told which process to end."""
    (tmp_path / "engine.json").write_text(
        json.dumps({"id": "1", "pid": 42, "url": "http://127.0.0.1:1", "secret": "x"})
    )
    with (tmp_path / "engine.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for ask in (launch.ensure, launch.find, launch.status, launch.stop):
            with pytest.raises(EngineError, match=r"earlier version .* `kill 42`"):
                ask(tmp_path)
        assert launch.lives(tmp_path)


def test_an_engine_that_cannot_start_says_why(tmp_path: Path) -> None:
    """One line with the end of its log."""
    with pytest.raises(EngineError, match=r"did not start .*unknown engine setting: nonsense"):
        launch.ensure(tmp_path, {"nonsense": 1})


def removed(folder: Path) -> bool:
    """Remove a folder in which somebody writes; True when it is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_an_engine_whose_folder_is_removed_ends_with_its_jobs(tmp_path: Path) -> None:
    """Nothing goes on in a folder that is not there any more, and a new engine begins afresh."""
    folder = tmp_path / "state"
    clients, pid = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    clients.run("removed", "import time; time.sleep(1000)")
    clients.until("removed", lambda d: d["SecondaryStatus"] == "Training")
    status = launch.status(folder)
    assert status is not None
    with (folder / "engine.lock").open("rb") as lock:
        wait_for(lambda: removed(folder))
        wait_for(lambda: free(lock))
    wait_for(lambda: not Path(f"/proc/{status['jobs'][0]['pid']}").exists())
    clients, other = start(folder)
    assert other != pid
    assert clients.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    launch.stop(folder)


LOSSES = [
    ({"throttled": 1.0}, "ThrottlingException", False),
    ({"unavailable": 1.0}, "InternalFailure", False),
    ({"lost_before": 1.0}, "Connection was closed", False),
    ({"lost_after": 1.0}, "Connection was closed", True),
    ({"garbage": 1.0}, "TrainingJobArn", True),
    ({"expired": 1.0}, "ExpiredTokenException", False),
    ({"outage": 1.0}, "ServiceUnavailable", False),
]


@pytest.mark.parametrize(("faults", "text", "applied"), LOSSES)
def test_faults_reach_a_real_client_over_http(folder: Path, faults: dict[str, float], text: str, applied: bool) -> None:
    """What the settings ask for goes wrong on the wire itself; the engine's own record tells what was applied."""
    info = start_engine(folder, {**FAST, "faults": faults})
    clients = Clients(info, folder)
    with pytest.raises((ClientError, BotoCoreError, KeyError), match=text):
        # botocore takes an answer that is no JSON for one without members
        clients.sagemaker.create_training_job(**request("fault"))["TrainingJobArn"]
    status = launch.status(folder)
    assert status is not None
    assert [job["name"] for job in status["jobs"]] == ["fault"] * applied


def test_what_the_engine_keeps_is_for_its_user_alone(folder: Path) -> None:
    """Requests and logs may hold secrets; a job's own files are made as anywhere."""
    clients, _ = start(folder)
    clients.s3.create_bucket(Bucket="bucket")
    clients.run("private", "import os; open('made', 'w'); print(oct(os.stat('made').st_mode & 0o777))")
    clients.ended("private")
    assert clients.log("private") == ["0o644"]
    open_to_others = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert open_to_others == [folder / "jobs/private/ml/made"]
