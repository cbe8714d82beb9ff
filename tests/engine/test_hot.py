"""Hot starts: a pool's later jobs are forks of an interpreter that has imported their packages. Equal to cold ones."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeper import driver
from sweeper.aws import staging
from sweeper.driver import CHANNEL, START_DRIVER
from sweeper.engine import launch
from sweeper.engine.machine.folders import JobFolder, JobView
from sweeper.engine.machine.hot import HopelessError, HotStarts, LateError, Zygote
from sweeper.record.source import Folder
from tests.forked import start_engine

from .conftest import FAST, Clients, _serve, channel, request, wait_for
from .test_dialects import archive, toolkit_request

DRIVER = {name: Path(driver.__file__).with_name(name).read_bytes() for name in driver.FILES}
POOL = {"KeepAlivePeriodInSeconds": 600}


def packed(folder: Path) -> bytes:
    """A folder as it is staged."""
    out = io.BytesIO()
    staging.archive(Folder(folder)).write(out)
    return out.getvalue()


class Jobs:
    """Jobs that sweeper's driver starts, each test's in a pool of its own."""

    def __init__(self, clients: Clients, folder: Path) -> None:
        self.clients, self.folder = clients, folder

    def stage(self, pool: str, script: str, entry: str = "", **more: str) -> None:
        """Put a source into S3 as a sweep does; the entry is POOL.py, with this text, or another file."""
        source = self.folder / pool
        source.mkdir()
        for name, text in {f"{pool}.py": script, **more}.items():
            (source / name).write_text(text, encoding="utf-8")
        files = {
            **DRIVER,
            "launch.json": json.dumps({"entry_script": entry or f"{pool}.py"}).encode(),
            "source.tar.gz": packed(source),
        }
        for name, data in files.items():
            self.clients.s3.put_object(Bucket="bucket", Key=f"{pool}/{name}", Body=data)

    def create(self, pool: str, name: str, environment: dict[str, str] | None = None, **more: Any) -> None:
        """Start a job on this pool."""
        resources = {"VolumeSizeInGB": 30 + sum(pool.encode()) % 500, **more.pop("resources", POOL)}
        self.clients.sagemaker.create_training_job(
            **request(
                name,
                algorithm={"ContainerEntrypoint": more.pop("entrypoint", ["/bin/sh", "-c", START_DRIVER])},
                resources=resources,
                Environment=environment or {"PYTHONHASHSEED": "7"},
                InputDataConfig=[channel(CHANNEL, f"s3://bucket/{pool}/")],
                **more,
            )
        )

    def run(self, pool: str, name: str, environment: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """Run a job to its end; the pool and what it imports ahead are there for the next one when this returns."""
        self.create(pool, name, environment, **more)
        self.clients.ended(name)
        wait_for(lambda: not self.notes(name))
        return self.clients.until(name, lambda d: "WarmPoolStatus" in d or "resources" in more)

    def notes(self, name: str) -> list[str]:
        """The files that tell of this job's imports: its own, and that of an interpreter which is not ready."""
        return sorted(file.name for file in (self.clients.state_dir / "jobs" / name).glob("imports*"))

    def hot(self, name: str) -> bool:
        """Was it forked?"""
        return bool(json.loads((self.clients.state_dir / "jobs" / name / "started.json").read_text())["hot"])

    def interpreters(self, pool: str) -> list[int]:
        """Processes of this pool's hot interpreter."""
        engine = (launch.status(self.clients.state_dir) or {})["pid"]
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = entry.joinpath("stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == engine and f"/opt/ml/code/{pool}.py" in entry.joinpath("cmdline").read_text():
                    found.append(int(entry.name))
        return found

    def model(self, name: str) -> bytes:
        """The file `weights` of a job's model."""
        body = self.clients.s3.get_object(Bucket="bucket", Key=f"out/{name}/output/model.tar.gz")["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            file = tar.extractfile("weights")
            assert file is not None
            return file.read()

    def log_file(self, name: str) -> str:
        """The log of a running job."""
        path = self.clients.state_dir / "jobs" / name / "log"
        return path.read_text() if path.exists() else ""

    def engine_log(self) -> str:
        """What the engine says."""
        return (self.clients.state_dir / "engine.log").read_text()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """An engine whose jobs may start hot."""
    folder = tmp_path_factory.mktemp("hot")
    serving = _serve(folder / "engine", stop_grace_s=0.5)
    clients = next(serving)
    if (launch.status(folder / "engine") or {})["isolation"] == "none":
        pytest.skip("this machine gives no job a private /opt/ml, and without one there are no hot starts")
    yield Jobs(clients, folder)
    next(serving, None)


# All that a script can see of its process, one JSON line each: what must be equal, and what must not.
SEE = """
import os
os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported
import atexit, inspect, json, random, signal, sys, threading, warnings
early = "numpy" in sys.modules
import numpy as np
import beside

def environment():
    told = {"TRAINING_JOB_NAME", "TRAINING_JOB_ARN", "SM_TRAINING_ENV"}
    pooled = {"SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY", "PIP_CACHE_DIR", "HF_HOME", "TORCH_HOME"}
    return {k: os.environ[k] for k in sorted(os.environ) if k not in told | pooled}

print("same", json.dumps({
    "early": early, "argv": sys.argv, "orig": sys.orig_argv, "path": sys.path, "executable": sys.executable,
    "file": __file__, "name": __name__, "spec": str(__spec__), "environment": environment(), "cwd": os.getcwd(),
    "umask": os.umask(0), "filters": str(warnings.filters),
    "handlers": [str(signal.getsignal(s)) for s in range(1, 32)],
    "files": [fd for fd in range(64) if os.path.exists(f"/proc/self/fd/{fd}")],
    "tasks": len(os.listdir("/proc/self/task")), "thread": threading.main_thread().name,
    "stack": len(inspect.stack()), "hash": hash("a"), "set": list({"x", "y", "z", "w"}),
    "mask": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "norm": float(np.linalg.norm(np.arange(90.0).reshape(9, 10) @ np.ones((10, 7)))),
    "seeded": np.random.default_rng(3).random(), "beside": beside.__file__, "home": os.path.expanduser("~"),
    "at home": os.listdir(os.path.expanduser("~")),
    "seekable": sys.stdout.seekable(), "randomized": sys.flags.hash_randomization, "input": sys.stdin.read(),
    "wakeup": signal.set_wakeup_fd(-1),
    "modules": sorted(m for m in sys.modules if m.startswith("numpy.")),
}))
print("own", json.dumps([os.getpid(), random.random(), np.random.rand(), os.environ["TRAINING_JOB_NAME"]]))
atexit.register(print, "same at exit")
open(os.path.expanduser("~/mine"), "w").close()
unclosed = open(os.environ["SM_MODEL_DIR"] + "/weights", "w")
unclosed.write("flushed as Python ends")
"""


def seen(jobs: Jobs, name: str, word: str) -> list[str]:
    """The lines of a log that begin with this word."""
    return [line for line in jobs.clients.log(name) if line.startswith(word)]


def test_a_hot_job_is_equal_to_a_cold_one(jobs: Jobs) -> None:
    """What it sees, computes and leaves is the same; its process and its unseeded numbers are its own."""
    jobs.stage("see", SEE, **{"beside.py": ""})
    names = ["cold", "first", "second", "third"]
    for name in names:
        jobs.run("see", name, **({"resources": {}} if name == "cold" else {}))
    assert [jobs.hot(name) for name in names] == [False, False, True, True], jobs.engine_log()
    for name in names[1:]:
        assert seen(jobs, name, "same at exit"), jobs.clients.log(name)
        assert json.loads(seen(jobs, name, "same {")[0][5:]) == json.loads(seen(jobs, "cold", "same {")[0][5:])
    own = [json.loads(seen(jobs, name, "own")[0][4:]) for name in names]
    assert all(len({str(value) for value in values}) == len(names) for values in zip(*own, strict=True))
    assert {jobs.model(name) for name in names} == {b"flushed as Python ends"}


def test_another_hash_seed_starts_cold_and_is_obeyed(jobs: Jobs) -> None:
    """An interpreter has its hash seed for life: a job with another one does not come out of it."""
    jobs.stage("hashes", "print('same', hash('a'), list({'x', 'y', 'z'}))")
    rows = {"7": ["s1", "s2"], "8": ["s3", "s4"]}
    for seed, names in rows.items():
        for name in names:
            jobs.run("hashes", name, {"PYTHONHASHSEED": seed})
    assert [jobs.hot(name) for names in rows.values() for name in names] == [False, True, False, True]
    logs = {seed: [jobs.clients.log(name) for name in names] for seed, names in rows.items()}
    assert all(hot == cold for cold, hot in logs.values())
    assert logs["7"] != logs["8"]
    assert "job s3 starts cold: its source or its environment" in jobs.engine_log()


def test_threads_that_a_hyperparameter_sets_are_obeyed(jobs: Jobs) -> None:
    """A thread variable is read once, at import: a script that sets another value gets a fresh interpreter."""
    script = (
        "import os, sys\nos.environ['OMP_NUM_THREADS'] = sys.argv[2]\nimport numpy\n"
        "print(os.environ['OMP_NUM_THREADS'], len(os.listdir('/proc/self/task')), os.getpid())"
    )
    jobs.stage("threads", script)
    for name, threads in (("t1", "1"), ("t2", "2")):
        jobs.run("threads", name, HyperParameters={"threads": threads})
    assert [jobs.hot(name) for name in ("t1", "t2")] == [False, True]
    usable = min(2, len(os.sched_getaffinity(0)))  # what numpy starts where it is told 2
    assert [jobs.clients.log(name)[0].split()[:2] for name in ("t1", "t2")] == [["1", "1"], ["2", str(usable)]]
    assert "job t2 starts cold: it imports packages with other values of OMP_NUM_THREADS" in jobs.engine_log()


def test_a_hot_script_fails_as_a_cold_one(jobs: Jobs) -> None:
    """Exit code, traceback and failure reason."""
    jobs.stage("fails", "import json\ndef deep():\n    raise ValueError('too deep')\ndeep()\n")
    answers = [jobs.run("fails", name) for name in ("f1", "f2")]
    assert [jobs.hot(name) for name in ("f1", "f2")] == [False, True]
    assert answers[0]["FailureReason"] == answers[1]["FailureReason"]
    assert "ValueError: too deep" in answers[1]["FailureReason"]
    assert jobs.clients.log("f1") == jobs.clients.log("f2")
    assert "zygote" not in "".join(jobs.clients.log("f2"))


WAIT = """
import os, signal, subprocess, sys, time
if "OBEY" in os.environ["TRAINING_JOB_NAME"].upper():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to stop"))
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.environ["TRAINING_JOB_NAME"] != "brief":
    subprocess.Popen(["sleep", "3333"], start_new_session=True)
    print("waits", flush=True)
    time.sleep(60)
"""


def sleepers() -> list[str]:
    """Processes of the script above that are left."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [entry.parent.name] if entry.read_text() == "sleep\x003333\x00" else []
    return found


def test_a_hot_job_is_stopped_with_everything_it_started(jobs: Jobs) -> None:
    """SIGTERM reaches the script, a deaf one is killed, and the interpreter forks the next all the same."""
    jobs.stage("waits", WAIT)
    jobs.run("waits", "brief")
    for name in ("obeys", "deaf"):
        jobs.create("waits", name)
        wait_for(lambda name=name: "waits" in jobs.log_file(name))
        jobs.clients.sagemaker.stop_training_job(TrainingJobName=name)
        assert jobs.clients.ended(name)["TrainingJobStatus"] == "Stopped"
        jobs.clients.until(name, lambda d: "WarmPoolStatus" in d)
        assert jobs.hot(name)
        assert not sleepers()
    assert "asked to stop" in jobs.clients.log("obeys")


def test_a_stop_that_comes_at_once_ends_a_hot_job_as_stopped(jobs: Jobs) -> None:
    """Before its supervisor can heed a signal, too: the signal waits for it."""
    jobs.stage("soon", "import os, time; time.sleep(60 * (os.environ['TRAINING_JOB_NAME'] != 'learns'))")
    jobs.run("soon", "learns")
    for name in ("soon-1", "soon-2", "soon-3"):
        jobs.create("soon", name)
        wait_for((jobs.clients.state_dir / "jobs" / name / "lock").exists)
        jobs.clients.sagemaker.stop_training_job(TrainingJobName=name)
        assert jobs.clients.ended(name)["TrainingJobStatus"] == "Stopped"
        jobs.clients.until(name, lambda d: "WarmPoolStatus" in d)
        assert jobs.hot(name)


def test_a_killed_interpreter_is_a_cold_start(jobs: Jobs) -> None:
    """The job does not notice; the engine's log says why, and the next one is hot again."""
    jobs.stage("killed", "print('fine')")
    jobs.run("killed", "k1")
    wait_for(lambda: jobs.interpreters("killed"))
    os.kill(jobs.interpreters("killed")[0], signal.SIGKILL)
    answers = [jobs.run("killed", name) for name in ("k2", "k3")]
    assert [answer["TrainingJobStatus"] for answer in answers] == ["Completed"] * 2
    assert [jobs.hot(name) for name in ("k1", "k2", "k3")] == [False, False, True]
    assert "job k2 starts cold: its interpreter" in jobs.engine_log()


def test_a_job_of_another_kind_on_the_pool_starts_as_it_says(jobs: Jobs) -> None:
    """What the interpreter was not made for is not forked from it, and it is there for the next one all the same."""
    jobs.stage("mixed", "print('driven')")
    jobs.run("mixed", "m1")
    jobs.run("mixed", "m2", entrypoint=["python3", "-c", "print('on its own')"])
    jobs.run("mixed", "m3")
    assert [jobs.hot(name) for name in ("m1", "m2", "m3")] == [False, False, True]
    assert [jobs.clients.log(name) for name in ("m1", "m2", "m3")] == [["driven"], ["on its own"], ["driven"]]


def test_the_interpreter_ends_with_its_pool(jobs: Jobs) -> None:
    """A release ends it."""
    jobs.stage("ends", "print('fine')")
    jobs.run("ends", "e1")
    wait_for(lambda: jobs.interpreters("ends"))
    jobs.clients.sagemaker.update_training_job(TrainingJobName="e1", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    wait_for(lambda: not jobs.interpreters("ends"))


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    """With `hot` false nothing is learnt and nothing is forked."""
    folder = JobFolder(tmp_path)
    view = JobView("job", "arn", {}, "pool", True)
    spec = {"argv": ["/bin/sh", "-c", START_DRIVER], "env": {"A": "1"}}
    assert HotStarts(False).prepare(view, folder, spec) is None
    assert spec["env"] == {"A": "1"}


def gone(pid: int) -> bool:
    """Has this process ended? Nobody may have buried it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_running_job_outlives_engine_and_interpreter(jobs: Jobs) -> None:
    """The interpreter ends with its engine; the next engine finds the job again, and a new interpreter is made."""
    name, marker = "outlives", jobs.folder / "go on"
    jobs.stage(
        name, f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(marker)!r}): time.sleep(.01)"
    )
    marker.touch()
    jobs.run(name, "o1")
    wait_for(lambda: jobs.interpreters(name))
    marker.unlink()
    jobs.create(name, "o2")
    wait_for(lambda: "up" in jobs.log_file("o2"))
    (interpreter,) = jobs.interpreters(name)
    os.kill((launch.status(jobs.clients.state_dir) or {})["pid"], signal.SIGKILL)
    wait_for(lambda: gone(interpreter))
    start_engine(jobs.clients.state_dir, FAST)
    marker.touch()
    assert jobs.clients.ended("o2")["TrainingJobStatus"] == "Completed"
    jobs.clients.until("o2", lambda d: "WarmPoolStatus" in d)
    jobs.run(name, "o3")
    jobs.run(name, "o4")
    assert [jobs.hot(job) for job in ("o1", "o2", "o3", "o4")] == [False, True, False, True]


REFUSED = {
    "its imports start processes": "import subprocess; child = subprocess.Popen(['sleep', '0'])",
}
LEFT_OUT = {
    "its imports start threads": "import threading; threading.Timer(9, print).start()",
    "its imports print": "print('hello')",
    "its imports read SM_HP_LR": "import os; os.environ.get('SM_HP_LR')",
    "its imports keep SM_HP_LR": "import os; mine = dict(os.environ)",
    "its imports read SM_HP_LR, as a value": "import os; low = [v.lower() for v in os.environ.values()]",
    "its imports read SM_HP_LR, by its name": "import os; low = [k for k in os.environ if k.startswith('SM_')]",
    "its imports handle signals": "import signal; signal.signal(signal.SIGTERM, print)",
    "its imports leave files open": "import socket; line = socket.socketpair()",
    "surprise cannot be imported ahead: ZeroDivisionError: division by zero": "1 / 0",
}
LAZY = """
import os, random
class Lazy:
    @property
    def __class__(self):
        raise RuntimeError('this object is not to be looked at')
lazy = [Lazy()]
own = {k[5:].lower(): v for k, v in os.environ.items() if k.startswith('LAZY_')}
mine, fixed = random.Random(), random.Random(7)
"""


def interpreter_of(package: str, folder: Path, **others: str) -> Zygote:
    """The hot interpreter of a job that has imported packages of these texts."""
    packages = folder / "site-packages"
    packages.mkdir()
    texts = {"surprise": package, **others}
    for name, text in texts.items():
        (packages / f"{name}.py").write_text(text, encoding="utf-8")
    start = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "PYTHONPATH": f"/opt/ml/code:{packages}"}
    tell = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path[1:]))"]
    path = json.loads(subprocess.run(tell, env=start, capture_output=True, check=True).stdout)
    environ = {**start, "SM_HP_LR": "0.1"}
    script = {"executable": sys.executable, "called": [sys.executable, "train.py"], "script": "/opt/ml/code/train.py"}
    notes = {**script, "path": path, "start": start, "environ": environ}
    (folder / "notes").write_text("\n".join([repr(notes), *texts, ""]), encoding="utf-8")
    return Zygote("key", folder / "notes")


def ready(interpreter: Zygote) -> bool:
    """Does it import no more? Raises ColdError when it cannot."""
    try:
        interpreter.look()
    except LateError:
        return False
    return True


@contextlib.contextmanager
def waited(interpreter: Zygote) -> Iterator[Zygote]:
    """The interpreter when it is ready, and its end."""
    try:
        wait_for(lambda: ready(interpreter))
        yield interpreter
    finally:
        interpreter.end()


@pytest.mark.parametrize("why", LEFT_OUT)
def test_a_package_that_no_fork_may_share_is_left_out_with_what_needs_it(why: str, tmp_path: Path) -> None:
    """What a package does as it is imported must happen in each job; the others are imported ahead all the same."""
    texts = {"harmless": "", "needs": "import surprise", "hides": "try: import surprise\nexcept ImportError: pass"}
    with waited(interpreter_of(LEFT_OUT[why], tmp_path, **texts)) as interpreter:
        told = interpreter.left_out
    assert f"surprise ({why.partition(', ')[0]}" in told
    assert "needs (its imports need surprise)" in told
    assert "hides (its imports need surprise)" in told
    assert "harmless" not in told
    assert [file.name for file in tmp_path.glob("notes*")] == ["notes"]  # what it was told holds a job's environment


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_undone_by_leaving_it_out_is_refused(why: str, tmp_path: Path) -> None:
    """The reason is told however fast the interpreter was, and no job of this kind is tried again."""
    interpreter = interpreter_of(REFUSED[why], tmp_path)
    with pytest.raises(HopelessError, match=re.escape(why)):
        wait_for(lambda: gone(interpreter.pid))
        with waited(interpreter):
            pass


def test_a_package_that_looks_through_all_variables_for_its_own_is_imported_ahead(tmp_path: Path) -> None:
    """It keeps nothing of a job; nor do objects that raise when their class is asked for stand in the way."""
    with waited(interpreter_of(LAZY, tmp_path)) as interpreter:
        assert not interpreter.left_out


def test_generators_that_the_system_seeds_are_each_jobs_own(jobs: Jobs) -> None:
    """A package's own generator differs in each job, as in a cold start; one with a seed of its own does not."""
    packages = jobs.folder / "own/site-packages"
    packages.mkdir(parents=True)
    text = "import numpy\nmine, given = numpy.random.RandomState(), numpy.random.RandomState(5)\n"
    (packages / "lazily.py").write_text(LAZY + text + "other = numpy.random.default_rng()\n")
    script = (
        "import lazily\nprint('fixed', lazily.fixed.random(), lazily.given.rand())\n"
        "print('own', lazily.mine.random(), lazily.other.random())\n"
    )
    jobs.stage("drawn", script)
    names = ["d1", "d2", "d3"]
    for name in names:
        jobs.run("drawn", name, {"PYTHONHASHSEED": "7", "PYTHONPATH": str(packages)})
    assert [jobs.hot(name) for name in names] == [False, True, True], jobs.engine_log()
    assert len({*seen_by(jobs, names, "fixed")}) == 1
    assert len({*seen_by(jobs, names, "own")}) == len(names)


def seen_by(jobs: Jobs, names: list[str], word: str) -> list[str]:
    """The line of each job that begins with this word."""
    return [line for name in names for line in seen(jobs, name, word)]


def test_no_job_waits_for_imports(tmp_path: Path) -> None:
    """One that comes meanwhile starts cold at once, and the interpreter imports on for those after it."""
    done = tmp_path / "done"
    interpreter = interpreter_of(f"import os, time\nwhile not os.path.exists({str(done)!r}): time.sleep(.01)", tmp_path)
    try:
        with pytest.raises(LateError, match="still imports"):
            interpreter.look()
        done.touch()
        wait_for(lambda: ready(interpreter))
    finally:
        interpreter.end()


def test_what_a_job_imports_is_imported_ahead_while_it_trains(jobs: Jobs) -> None:
    """So the second job is hot however soon it comes: as the first one ends there is nothing more to import."""
    name, marker = "trains", jobs.folder / "trained"
    jobs.stage(name, f"import yaml, os, time\nwhile not os.path.exists({str(marker)!r}): time.sleep(.01)")
    jobs.create(name, "t-1")
    wait_for(lambda: jobs.interpreters(name) and jobs.notes("t-1") == ["imports"])  # which the job still writes
    made = jobs.interpreters(name)
    marker.touch()
    jobs.clients.ended("t-1")
    jobs.clients.until("t-1", lambda d: "WarmPoolStatus" in d)
    jobs.run(name, "t-2")
    assert [jobs.hot(job) for job in ("t-1", "t-2")] == [False, True]
    assert jobs.interpreters(name) == made


def test_a_variable_that_no_job_had_is_no_reason_until_one_has_it(jobs: Jobs) -> None:
    """A package that looks for one of SageMaker's own is imported ahead, and again by the job that brings it."""
    packages = jobs.folder / "asked/site-packages"
    packages.mkdir(parents=True)
    (packages / "asking.py").write_text("import os\nfound = os.environ.get('SM_HP_RARE', 'nothing'), os.getpid()\n")
    jobs.stage("asks", "import asking, os\nprint(asking.found[0], asking.found[1] == os.getpid())")
    for name, given in (("a-1", {}), ("a-2", {}), ("a-3", {"rare": "1"})):
        jobs.run("asks", name, {"PYTHONPATH": str(packages)}, HyperParameters=given)
    assert [jobs.clients.log(name) for name in ("a-1", "a-2", "a-3")] == [
        ["nothing True"],
        ["nothing False"],
        ["1 True"],
    ]
    assert "job a-3 starts cold: its packages look for SM_HP_RARE" in jobs.engine_log()


def test_a_job_whose_interpreter_ends_as_it_is_forked_tells_the_next_ones(tmp_path: Path) -> None:
    """It was ready, and then it was gone: the job starts cold and its imports make another interpreter."""
    hot, view, folder = HotStarts(True), JobView("job", "arn", {}, "pool", True), JobFolder(tmp_path)
    spec = {"argv": ["/bin/sh", "-c", START_DRIVER], "env": {"A": "1"}}
    folder.write_spec(spec)
    with waited(interpreter_of("", tmp_path)) as interpreter:
        os.kill(interpreter.pid, signal.SIGKILL)
        wait_for(lambda: gone(interpreter.pid))
        assert hot.fork(view, interpreter, folder) is None
    told = folder.read_json("spec.json") or {}
    assert told["imports_key"] == interpreter.key
    assert told["env"]["A"] == "1"
    assert told["env"]["SWEEPER_ENGINE_NOTES"]


ENDS_AS_PYTHON = {
    "shell.sh": 'export GREETING=hello\necho same shell $#\nexec python3 -u shell.py "$@"\n',
    "named": f"#!/usr/bin/env python3\n{SEE}",
}


@pytest.mark.parametrize("entry", ENDS_AS_PYTHON)
def test_a_program_that_ends_as_python_is_hot(entry: str, jobs: Jobs) -> None:
    """A shell that becomes Python, or a first line that names it: equal to a cold one in all that the script sees."""
    pool = entry.partition(".")[0]
    jobs.stage(pool, SEE, entry, **{entry: ENDS_AS_PYTHON[entry], "beside.py": ""})
    names = [f"{pool}-{number}" for number in range(3)]
    for name in names:
        jobs.run(pool, name, HyperParameters={"lr": "a b"}, **({"resources": {}} if name == names[0] else {}))
    assert [jobs.hot(name) for name in names] == [False, False, True], jobs.engine_log()
    assert f"job {names[2]} starts cold" not in jobs.engine_log()
    cold, _, hot = (seen(jobs, name, "same") for name in names)
    assert [json.loads(line[5:]) if "{" in line else line for line in hot] == [
        json.loads(line[5:]) if "{" in line else line for line in cold
    ]
    assert {jobs.model(name) for name in names} == {b"flushed as Python ends"}
    assert not (jobs.clients.state_dir / "jobs" / names[2] / "handing").exists()  # as a fork goes on, it is removed


def test_the_toolkits_script_is_hot(jobs: Jobs) -> None:
    """What it sees is what it sees cold, whose end the container's is; a failure is told in the toolkit's own words."""
    script = f"import sys\nif '--fail' in sys.argv:\n    sys.exit('this cannot go on')\n{SEE}"
    names = {"tk-cold": {}, "tk-first": {}, "tk-hot": {}, "tk-fails": {"fail": 1}}
    answers = {}
    for name, values in names.items():
        made = toolkit_request(jobs.clients, name, archive({"train.py": script, "beside.py": ""}), **values)
        made["ResourceConfig"] |= {} if name == "tk-cold" else POOL
        made["Environment"] = {"PYTHONHASHSEED": "7"}
        jobs.clients.sagemaker.create_training_job(**made)
        jobs.clients.ended(name)
        wait_for(lambda name=name: not jobs.notes(name))
        answers[name] = jobs.clients.until(name, lambda d: "WarmPoolStatus" in d or d["TrainingJobName"] == "tk-cold")
    assert [jobs.hot(name) for name in names] == [False, False, True, True], jobs.engine_log()
    cold, first, hot = (seen(jobs, name, "same {")[0].replace(name, "NAME") for name in list(names)[:3])
    assert json.loads(hot[5:]) == json.loads(first[5:]) == json.loads(cold[5:])
    assert seen(jobs, "tk-hot", "same at exit")
    assert answers["tk-fails"]["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:")
    assert "this cannot go on" in jobs.clients.log("tk-fails")
    assert "starts cold: its environment" not in jobs.engine_log()


def test_a_shell_that_does_otherwise_than_the_first_time_runs_as_it_says(jobs: Jobs) -> None:
    """Its output elsewhere, another script, Python as a helper, no Python: what it is, and how it ends, are its own."""
    shell = """
    case "$2" in
        first | again) exec python3 does.py ;;
        elsewhere) exec python3 does.py > "$SM_MODEL_DIR/weights" ;;
        other) exec python3 other.py ;;
        helper) python3 other.py; echo after; exit 3 ;;
    esac
    """
    jobs.stage(
        "does",
        "import sys; print('does', len(sys.orig_argv))",
        "does.sh",
        **{"does.sh": shell, "other.py": "print('other')"},
    )
    ways = {"first": ["does 2"], "again": ["does 2"], "elsewhere": [], "other": ["other"], "helper": ["other", "after"]}
    answers = {way: jobs.run("does", f"does-{way}", HyperParameters={"way": way}) for way in ways}
    assert {way: [line for line in jobs.clients.log(f"does-{way}") if "sweeper" not in line] for way in ways} == ways
    assert [jobs.hot(f"does-{way}") for way in ways] == [False, True, True, True, True]
    assert jobs.model("does-elsewhere") == b"does 2\n"
    assert "exit code 3" in answers["helper"]["FailureReason"]


@pytest.mark.parametrize(
    ("isolation", "started", "why"),
    [
        ("none", {"entry_script": "train.py"}, "no private /opt/ml"),
        ("full", {"entry_script": "train.py", "requirements": "requirements.txt"}, "it has requirements"),
        ("full", {"entry_script": "/bin/true"}, "/bin/true is no file of its source"),
    ],
)
def test_what_is_never_hot(
    isolation: str, started: dict[str, str], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Such a job is not touched, and the engine says why it starts cold."""
    staged = tmp_path / "ml/input/data" / CHANNEL
    staged.mkdir(parents=True)
    for name, data in DRIVER.items():
        (staged / name).write_bytes(data)
    (staged / "launch.json").write_text(json.dumps(started), encoding="utf-8")
    (staged / "source.tar.gz").touch()
    spec = {"argv": ["/bin/sh", "-c", START_DRIVER], "env": {}, "isolation": isolation, "cwd": "/opt/ml"}
    with caplog.at_level("INFO"):
        HotStarts(True).prepare(JobView("job", "arn", {}, "pool", True), JobFolder(tmp_path), spec)
    assert spec["env"] == {}
    assert caplog.messages[0].startswith("job job starts cold: ")
    assert why in caplog.messages[0]
