"""Starts a training script inside any training image: environment, requirements, arguments, signals, failure file.

Standard library only, Python 3.8 and later. It is staged with the files of `FILES` beside `source.tar.gz` and
`launch.json` in an input channel, so it lies at ROOT/input/data/CHANNEL/driver.py; ROOT is /opt/ml in a container.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import selectors
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

TYPE_CHECKING = False  # every job pays for what is imported above; what few need is imported where it is needed
if TYPE_CHECKING or __package__:
    from sweeper.driver import arguments, causes, launchers, matches
    from sweeper.driver import caches as pool_caches
else:  # staged: in the folder of this file, which is to stay as it is
    _folder, _writes = os.path.dirname(os.path.abspath(__file__)), sys.dont_write_bytecode  # noqa: PTH100, PTH120
    if _folder not in sys.path:  # PYTHONSAFEPATH
        sys.path.insert(0, _folder)
    sys.dont_write_bytecode = True
    import arguments
    import caches as pool_caches
    import causes
    import launchers
    import matches

    sys.dont_write_bytecode = _writes
if TYPE_CHECKING:  # Python 3.8 knows these in annotations only, where they are not evaluated
    from collections.abc import Mapping, Sequence
    from typing import IO, Any

    Json = dict[str, Any]

CACHE = "SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"
TAIL_BYTES = 64 * 1024
FAILURE_CHARS = 1000  # SageMaker takes the first 1024 characters, and puts its own words around them
DRAIN_S = 2.0
IDLE_S = 0.2


class DriverError(Exception):
    """The script could not be started; the message is the cause."""


# --- where things are -------------------------------------------------------------------------------------------------


class Layout:
    """The folders of SageMaker's container contract below ROOT."""

    def __init__(self, driver: Path) -> None:
        # Not resolved: the channel may be a link into a store, and ROOT is where the link is.
        self.staged = Path(os.path.abspath(str(driver))).parent  # noqa: PTH100
        self.root = self.staged.parents[2]
        self.code = self.root / "code"
        self.model = self.root / "model"
        self.data = self.root / "input" / "data"
        self.config = self.root / "input" / "config"
        self.output = self.root / "output"

    def make(self) -> None:
        """Create what the script may write to."""
        for folder in (self.code, self.model, self.output / "data"):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def values(self) -> Path:
        """Where the hyperparameters lie that the request had no room for: a channel beside our own."""
        return self.data / (self.staged.name + "_values") / "values.json"

    def hyperparameters(self) -> dict[str, str]:
        """What the script is called with, in order; as text, which is all that the platform knows."""
        given = self.read("hyperparameters")
        if self.values.exists():
            given = {**json.loads(self.values.read_text(encoding="utf-8")), **given}
        return {name: v if isinstance(v, str) else json.dumps(v) for name, v in given.items()}

    def read(self, name: str) -> Json:
        """One of the platform's configuration files; empty when it is not there."""
        path = self.config / (name + ".json")
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive; nothing is ever written outside the folder."""
    root = os.path.realpath(str(folder))
    with tarfile.open(str(archive)) as tar:
        # Checked below on every Python alike; without this line Python 3.12 warns in the user's log.
        tar.extraction_filter = lambda member, path: member
        for member in tar:
            place = os.path.join(root, member.name)  # noqa: PTH118
            targets = [place]
            if member.issym():
                targets.append(os.path.join(os.path.dirname(place), member.linkname))  # noqa: PTH118, PTH120
            elif member.islnk():
                targets.append(os.path.join(root, member.linkname))  # noqa: PTH118
            elif not (member.isfile() or member.isdir()):
                raise DriverError(f"{archive.name}: {member.name} is neither a file nor a folder")
            # realpath sees the links that are already unpacked, which a comparison of names does not
            if any(os.path.commonpath([root, os.path.realpath(t)]) != root for t in targets):
                raise DriverError(f"{archive.name}: {member.name} leads out of the source folder")
            member.mode &= 0o777
            member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
            tar.extract(member, root)


# --- what the script is given -----------------------------------------------------------------------------------------


def environment(layout: Layout, launch: Json, hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """The SM_* variables that a SageMaker script may read."""
    inputs = layout.read("inputdataconfig")
    ours = (layout.staged.name, layout.values.parent.name)
    channels = {name: str(layout.data / name) for name in sorted(inputs) if name not in ours}
    entry = str(launch["entry_script"])
    values: Json = {
        **locations(layout),
        **cluster(layout.read("resourceconfig")),
        "INPUT_DATA_CONFIG": {name: inputs[name] for name in channels},
        "CHANNELS": list(channels),
        "HPS": {name: arguments.decoded(value) for name, value in hyperparameters.items()},
        "USER_ARGS": arguments.arguments(hyperparameters, launch.get("arguments")),
        "MODULE_NAME": Path(entry).stem,
        "ENTRY_SCRIPT": entry,
        "USER_ENTRY_POINT": entry,
        "FRAMEWORK_PARAMS": {},
        "LOG_LEVEL": os.environ.get("SM_LOG_LEVEL", "20"),
    }
    found = {"SM_" + name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    found["SM_TRAINING_ENV"] = json.dumps(training_env(values, channels))
    for prefix, named in (("SM_CHANNEL_", channels), ("SM_HP_", dict(hyperparameters))):
        # The toolkit keeps a dash in the name, the newer SDK does not: scripts for either find theirs.
        found.update({prefix + re.sub(r"\W", "_", name.upper()): value for name, value in named.items()})
        found.update({prefix + name.upper(): value for name, value in named.items() if "=" not in name})
    return found


def locations(layout: Layout) -> Json:
    """Where everything is."""
    return {
        "MODEL_DIR": str(layout.model),
        "INPUT_DIR": str(layout.root / "input"),
        "INPUT_DATA_DIR": str(layout.data),
        "INPUT_CONFIG_DIR": str(layout.config),
        "OUTPUT_DIR": str(layout.output),
        "OUTPUT_DATA_DIR": str(layout.output / "data"),
        "OUTPUT_INTERMEDIATE_DIR": str(layout.output / "intermediate"),
        "OUTPUT_FAILURE": str(layout.output / "failure"),
        "MODULE_DIR": str(layout.code),
        "SOURCE_DIR": str(layout.code),
    }


def cluster(resources: Json) -> Json:
    """The hosts of the job, and this one among them."""
    hosts = list(resources.get("hosts") or ["algo-1"])
    host = str(resources.get("current_host") or hosts[0])
    return {
        "HOSTS": hosts,
        "CURRENT_HOST": host,
        "HOST_COUNT": len(hosts),
        "CURRENT_HOST_RANK": hosts.index(host) if host in hosts else 0,
        "MASTER_ADDR": hosts[0],
        "MASTER_PORT": 7777,
        "NETWORK_INTERFACE_NAME": str(resources.get("network_interface_name") or "eth0"),
        "CURRENT_INSTANCE_TYPE": str(resources.get("current_instance_type") or ""),
        "CURRENT_INSTANCE_GROUP": str(resources.get("current_group_name") or ""),
        "RESOURCE_CONFIG": resources,
        "NUM_CPUS": cpus(),
        "NUM_GPUS": gpus(),
    }


def training_env(values: Json, channels: Mapping[str, str]) -> Json:
    """The same once more as one JSON object, under the names that the toolkit uses."""
    renamed = {
        "HPS": "hyperparameters",
        "CHANNELS": "",
        "USER_ARGS": "",
        "FRAMEWORK_PARAMS": "additional_framework_parameters",
    }
    result = {renamed.get(name, name.lower()): value for name, value in values.items()}
    result.update(channel_input_dirs=dict(channels), log_level=int(values["LOG_LEVEL"]), job_name=job_name())
    result.pop("", None)
    return result


def job_name() -> str:
    """The platform's name for this job, if it told."""
    return os.environ.get("TRAINING_JOB_NAME", "")


def cpus() -> int:
    """Processors that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def gpus() -> int:
    """NVIDIA devices that this container can see."""
    return sum(1 for device in Path("/dev").glob("nvidia*") if device.name[len("nvidia") :].isdigit())


def caches() -> dict[str, str]:
    """Where downloads go so that the next job on this warm pool finds them; nothing when there is no such place."""
    cache = os.environ.get(CACHE)
    if not cache or not Path(cache).is_dir():
        return {}
    return pool_caches.places(cache, os.environ)


# --- running a command ------------------------------------------------------------------------------------------------


class Points:
    """Every value of every metric, as lines of JSON: `{"at": seconds, "name": ..., "value": ...}`."""

    def __init__(self, definitions: Sequence[Mapping[str, str]], path: Path) -> None:
        self.metrics = matches.Metrics((definition["name"], definition["regex"]) for definition in definitions)
        self.path = path
        for name, why in self.metrics.refused.items():
            say(f"metric {name}: {why}")

    def read(self, line: bytes) -> None:
        """Look for metrics in one line of output, as it will stand in the log."""
        if self.metrics:
            for name, value in self.metrics.points(matches.escaped(line.decode("utf-8", "replace"))):
                self.note(name, value)

    def note(self, name: str, value: float) -> None:
        """Keep one value. JSON has no NaN and no infinity: they are written as strings."""
        point = {"at": round(time.time(), 3), "name": name, "value": value if math.isfinite(value) else str(value)}
        with contextlib.suppress(OSError), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(point) + "\n")


class Stream:
    """One output of a command: passed on as it comes, in whole lines, and its end kept."""

    def __init__(self, target: int, points: Points | None) -> None:
        self.target, self.points = target, points
        self.tail = b""
        self.held = b""  # the begun line: two streams share a log, and a torn line is a lost metric
        self.line = b""

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        self.held += data
        whole = max(self.held.rfind(b"\n"), self.held.rfind(b"\r")) + 1
        self.release(whole if len(self.held) < matches.LINE_BYTES else len(self.held))
        if self.points:
            *lines, self.line = re.split(rb"[\r\n]", self.line + data)
            while len(self.line) > matches.LINE_BYTES:
                lines.append(self.line[: matches.LINE_BYTES])
                self.line = self.line[matches.LINE_BYTES :]
            for line in lines:
                for begin in range(0, len(line), matches.LINE_BYTES):
                    self.points.read(line[begin : begin + matches.LINE_BYTES])

    def close(self) -> None:
        """No more comes: the last line may have no end."""
        self.release(len(self.held))
        if self.points:
            self.points.read(self.line)
            self.line = b""

    def release(self, count: int) -> None:
        """Pass on so many of the held bytes."""
        data, self.held = self.held[:count], self.held[count:]
        with contextlib.suppress(OSError):  # nobody reads any more; the training goes on all the same
            while data:
                data = data[os.write(self.target, data) :]

    def lines(self) -> list[str]:
        """The kept end as lines, as a terminal would show them, without empty ones."""
        return causes.plain(self.tail.decode("utf-8", "replace"))


class StoppedError(Exception):
    """SIGTERM came before the script was started."""


class Signals:
    """SIGTERM and SIGINT as something that a loop can wait for."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.wake, write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, _frame: self.came.append(got))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only so that the death of a child wakes the loop

    def take(self) -> list[int]:
        """The signals that came since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 4096)
        came, self.came = self.came, []
        return came


class Command:
    """A command in a session of its own, its output passed on, signals forwarded to everything it started."""

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        points: Points | None = None,
        start: Any = subprocess.Popen,
    ) -> None:
        self.stdout, self.stderr = Stream(1, points), Stream(2, points)
        self.stopped_by = 0
        self.process: subprocess.Popen[bytes] = start(
            list(argv),
            cwd=str(cwd),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def wait(self, signals: Signals) -> int:
        """Run to the end; returns the code as subprocess gives it (negative for a signal)."""
        ended: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(signals.wake, selectors.EVENT_READ)
            for pipe, stream in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr)):
                selector.register(_open(pipe), selectors.EVENT_READ, stream)
            # Both pipes may outlive the script in the hands of something it left behind: that is not waited for.
            while len(selector.get_map()) > 1 and (ended is None or time.monotonic() < ended + DRAIN_S):
                self._pump(selector, None if ended is None else DRAIN_S)
                for number in signals.take():
                    self._forward(number)
                if ended is None and self.process.poll() is not None:
                    ended = time.monotonic()
        self.stdout.close()
        self.stderr.close()
        return self._reap(signals)

    def _pump(self, selector: selectors.BaseSelector, timeout: float | None) -> None:
        held = self.stdout.held or self.stderr.held
        ready = selector.select(IDLE_S if held else timeout)
        if not ready:  # no end of line for a while: a prompt, or a progress bar
            for stream in (self.stdout, self.stderr):
                stream.release(len(stream.held))
        for key, _ in ready:
            if key.data is not None:
                data = os.read(key.fd, 65536)
                if data:
                    key.data.feed(data)
                else:
                    selector.unregister(key.fileobj)

    def _reap(self, signals: Signals) -> int:
        """Both pipes are closed; a script may close its output and work on."""
        while True:
            for number in signals.take():
                self._forward(number)
            try:
                return self.process.wait(timeout=IDLE_S)
            except subprocess.TimeoutExpired:
                continue

    def _forward(self, number: int) -> None:
        self.stopped_by = number
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "started with a pipe"
    return pipe


def say(line: str) -> None:
    """A line of our own in the job's log."""
    print(f"sweeper: {line}", flush=True)  # noqa: T201


# --- requirements -----------------------------------------------------------------------------------------------------


class Requirements:
    """A requirements file, installed on top of the image's own packages and kept for the next job on the pool."""

    def __init__(self, layout: Layout, name: str) -> None:
        self.layout, self.name = layout, name
        self.path = layout.code / name
        if not self.path.is_file():
            raise DriverError(f"{name}: the source has no such requirements file")
        cache = os.environ.get(CACHE)
        pooled = cache is not None and Path(cache).is_dir()
        base = Path(cache) / "sweeper" / "venvs" if cache and pooled else layout.root / "venv"
        self.venv = base / self.key()
        self.ready = self.venv / ".ready"

    def key(self) -> str:
        """The same for two jobs exactly when one's environment serves the other."""
        import hashlib
        import platform

        content = self.path.read_bytes()
        told = [content, sys.version.encode(), sys.executable.encode(), platform.machine().encode()]
        # Images differ and share a pool: what the parent has decides what had to be installed.
        packages = [path.name for folder in parents() for path in Path(folder).glob("*-info")]
        told += [name.encode() for name in sorted(packages)]
        if re.search(rb"^\s*(-[rce]|--(requirement|constraint|editable)|\.|/|file:)|@\s*file:", content, re.MULTILINE):
            told.append((self.layout.staged / "source.tar.gz").read_bytes())  # it refers to other files of the source
        return hashlib.sha256(b"\0".join(told)).hexdigest()[:20]

    def install(self, env: dict[str, str], signals: Signals) -> None:
        """Make the environment unless it is there, and put it first in `env`."""
        started = time.monotonic()
        if self.ready.exists():
            say(f"{self.name}: already installed on this warm pool")
        else:
            remove(self.venv)  # a job before us was stopped half-way
            try:
                self.create()
            except (ImportError, OSError, subprocess.SubprocessError) as error:
                say(f"no virtual environment here ({error}); installing {self.name} into {sys.prefix}")
                self.pip(sys.executable, env, signals)
                return
            try:
                self.pip(str(self.venv / "bin" / "python"), env, signals)
                self.ready.touch()
            except BaseException:
                remove(self.venv)
                raise
            say(f"{self.name}: installed in {time.monotonic() - started:.1f} s")
        self.activate(env)

    def create(self) -> None:
        """A virtual environment that sees everything the current one has."""
        import importlib.util
        import venv

        without_pip = importlib.util.find_spec("pip") is not None  # the parent's pip is seen from inside, too
        venv.EnvBuilder(symlinks=True, with_pip=not without_pip).create(str(self.venv))
        lines = [f"import site; site.addsitedir({folder!r})" for folder in parents()]
        (self.packages() / "_parent.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def packages(self) -> Path:
        """The site-packages of our environment."""
        return self.venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    def pip(self, python: str, env: Mapping[str, str], signals: Signals) -> None:
        """Install with this interpreter's pip; raises DriverError with pip's own last word."""
        # -I: a file of the source named like a standard module must not break pip.
        argv = [
            python,
            "-I",
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar",
            "off",
        ]
        command = Command([*argv, "-r", str(self.path)], self.layout.code, env)
        code = command.wait(signals)
        if command.stopped_by:
            raise StoppedError
        if code:
            lines = command.stderr.lines()
            told = [line for line in lines if line.startswith("ERROR: ")] or lines[-1:] or [f"exit code {code}"]
            cause = re.sub(r"^ERROR: ", "", told[-1])
            raise DriverError("\n".join([f"pip could not install {self.name}: {cause}", *lines[-15:]]))

    def activate(self, env: dict[str, str]) -> None:
        """Put the environment first, also for installed commands whose first line names another interpreter."""
        env["VIRTUAL_ENV"] = str(self.venv)
        env["PATH"] = os.pathsep.join([str(self.venv / "bin"), env.get("PATH", os.defpath)])
        env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], str(self.packages())])


def remove(folder: Path) -> None:
    """Remove a folder and everything in it, as far as that can be done."""
    import shutil

    shutil.rmtree(str(folder), ignore_errors=True)


def parents() -> list[str]:
    """The folders that hold the current interpreter's installed packages."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and Path(path).is_dir()]


# --- what went wrong --------------------------------------------------------------------------------------------------


def failure_text(code: int, told: Sequence[str]) -> str:
    """The failure file: the cause on its first line, the exit code on its second, then as much detail as fits."""
    head = f"{told[0].strip()[:500]}\nexit code {code}\n"
    detail = "\n".join(told[1:])
    room = FAILURE_CHARS - len(head)
    if len(detail) > room:
        detail = "...\n" + detail[-(room - 4) :].partition("\n")[2]
    return head + detail


def fail(layout: Layout, code: int, told: Sequence[str]) -> None:
    """Write the failure file unless the script wrote its own."""
    path = layout.output / "failure"
    with contextlib.suppress(OSError):  # a full disk must not change the exit code
        if not path.exists() or not path.stat().st_size:
            path.write_text(failure_text(code, told), encoding="utf-8")


# --- the whole --------------------------------------------------------------------------------------------------------


def run(layout: Layout, launch: Json, signals: Signals, start: Any) -> int:
    """Run the script; returns the exit code of the job."""
    layout.make()
    unpack(layout.staged / "source.tar.gz", layout.code)
    hyperparameters = layout.hyperparameters()
    entry = str(launch["entry_script"])
    if not (layout.code / entry).is_file():
        there = ", ".join(sorted(path.name for path in layout.code.iterdir())[:20])
        raise DriverError(f"{entry}: the source has no such file; it has {there}")
    hosts, launcher = cluster(layout.read("resourceconfig")), str(launch.get("launcher") or launchers.NONE)
    count = launchers.processes(launch, hosts)
    linked = launchers.environment(hosts, count) if launcher != launchers.NONE else {}
    env = {"PYTHONUNBUFFERED": "1", **linked, **os.environ, **caches(), **environment(layout, launch, hyperparameters)}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(layout.code), env.get("PYTHONPATH")]))
    python = sys.executable
    if launch.get("requirements"):
        requirements = Requirements(layout, str(launch["requirements"]))
        requirements.install(env, signals)
        python = str(requirements.venv / "bin" / "python") if requirements.ready.exists() else python
    if signals.take():
        raise StoppedError
    found = (
        launch.get("metrics") or [] if hosts["CURRENT_HOST_RANK"] == 0 else []
    )  # a job's metrics are its first host's
    points = Points(found, layout.output / "data" / "sweeper_metrics.jsonl")
    argv = launchers.command(launcher, arguments.program(layout.code, entry, python), hosts, count)
    argv += arguments.arguments(hyperparameters, launch.get("arguments"))
    command = Command(argv, layout.code, env, points, start)
    code = command.wait(signals)
    exit_code = code if code >= 0 else 128 - code
    if exit_code:
        fail(layout, exit_code, causes.cause_and_detail(code, command.stderr.lines(), command.stdout.lines()))
    return exit_code


def main(driver: Path, start: Any = subprocess.Popen) -> int:
    """Run the job that this driver was staged for; `start` starts the script as Popen does."""
    layout = Layout(driver)
    signals = Signals()
    try:
        launch = json.loads((layout.staged / "launch.json").read_text(encoding="utf-8"))
        return run(layout, launch, signals, start)
    except StoppedError:
        return 128 + signal.SIGTERM
    except (DriverError, arguments.ProgramError, OSError, ValueError, tarfile.TarError) as error:
        own = isinstance(error, (DriverError, arguments.ProgramError))
        told = str(error).split("\n") if own else [f"{type(error).__name__}: {error}"]
        say(told[0])
        fail(layout, 1, told)
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(__file__)))
