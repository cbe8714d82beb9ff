"""The folder of one job: /opt/ml as SageMaker lays it out, and the supervisor's own files beside it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import site
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sweeper.engine.around.s3 import NoSuchBucketError, ObjectStore, parse_uri
from sweeper.engine.machine import namespaces
from sweeper.engine.machine.feeder import PIPES
from sweeper.engine.training.machines import Machines, asked, taken

OPT_ML = "/opt/ml"
FIRST = "algo-1"
HOSTS = Path("/etc/hosts")
CACHE = "sagemaker/warmpoolcache"
# What a job may see of the engine's environment: how to find programs, the locale, and how pip reaches its index.
_PASSED = re.compile(
    r"LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|CUDA_VISIBLE_DEVICES|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|PIP_\w+|UV_\w+|(?i:(https?|no|all)_proxy)"
)
_PLAIN_PATH = re.compile(r"[\w@%+=:,./-]+")
_FAILURE_MAX = 1024


class InputError(Exception):
    """The job's inputs cannot be had: the job fails with a ClientError."""


@dataclass(frozen=True)
class JobView:
    """What the world needs to know of a job to run it."""

    name: str
    arn: str
    request: Mapping[str, Any]
    pool_id: str
    keeps_pool: bool


def hosts_of(request: Mapping[str, Any]) -> list[str]:
    """The names of the hosts of a job."""
    return [f"algo-{number}" for number in range(1, _machines(request).number + 1)]


def _machines(request: Mapping[str, Any]) -> Machines:
    resources = request["ResourceConfig"]
    return taken(resources) or asked(resources)[0]


class JobFolder:
    """Everything on disk of one host of a job; those of the others lie in the first one's."""

    def __init__(self, path: Path, host: str = FIRST) -> None:
        self.path, self.host = path, host
        self.ml = path / "ml"
        self.log = path / "log"
        self.lock = path / "lock"
        self.spec = path / "spec.json"

    @classmethod
    def of(cls, state: Path, name: str, host: str = FIRST) -> JobFolder:
        """Where a job lives, below the state of an engine."""
        first = state / "jobs" / name
        return cls(first if host == FIRST else first / host, host)

    def lay_out(self, view: JobView, cache: Path | None) -> None:
        """Create the directories and the configuration files of /opt/ml."""
        for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "code", "sagemaker"):
            (self.ml / name).mkdir(parents=True, exist_ok=True)
        (self.path / "home").mkdir(exist_ok=True)
        for name, content in configuration(view.request, self.host).items():
            (self.ml / "input/config" / name).write_text(json.dumps(content), encoding="utf-8")
        with contextlib.suppress(OSError):  # a machine may have no /etc/hosts
            (self.path / "hosts").write_text(f"{HOSTS.read_text()}\n{addresses(view.request)}", encoding="utf-8")
        link = self.ml / CACHE
        if cache is not None and not link.is_symlink():
            cache.mkdir(parents=True, exist_ok=True)
            link.symlink_to(cache)

    def fetch_source(self, uri: str, objects: ObjectStore, root: str, *, isolated: bool) -> str:
        """The toolkit's source archive, fetched from S3, or where it lies in a channel.

        In a container without a network it is the toolkit that cannot fetch it.
        """
        if not uri.startswith("s3://"):
            if not uri.startswith(OPT_ML):
                raise InputError(f"sagemaker_submit_directory {uri!r} is neither in S3 nor below {OPT_ML}")
            return rewritten(uri, root)
        if isolated:
            return uri
        bucket, key = parse_uri(uri)
        target = self.path / "sourcedir.tar.gz"
        try:
            objects.copy_to(bucket, key, target)
        except (NoSuchBucketError, KeyError) as error:
            raise InputError(f"{uri} does not exist") from error
        return str(target)

    def rewrite(self, folder: str, root: str) -> None:
        """Name the job's own folder in the text files of a channel: ModelTrainer's driver knows only /opt/ml."""
        for file in (self.ml / folder).rglob("*"):
            if file.suffix in (".sh", ".py", ".json") and file.is_file():
                text = file.read_text(encoding="utf-8", errors="surrogateescape")
                file.write_text(rewritten(text, root), encoding="utf-8", errors="surrogateescape")

    def warn_of_literal_paths(self) -> None:
        """Say in the job's log where its code names /opt/ml, on a machine that cannot give it one."""
        found = list(_literal_paths(self.ml / "input/data"))
        if found:
            self.say(f"this machine gives no private {OPT_ML}; it is named literally in {', '.join(found[:10])}")

    def say(self, text: str) -> None:
        """A line of the engine's own in the job's log, while nobody else writes there."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{int(time.time() * 1000)} sweeper engine: {text}\n")

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """What the supervisor reads."""
        self.spec.touch(mode=0o600)
        self.spec.write_text(json.dumps(spec), encoding="utf-8")

    def forget_spec(self) -> None:
        """Its container has ended: the environment may hold secrets, and nobody reads it any more."""
        self.spec.unlink(missing_ok=True)

    def clear(self, *names: str) -> None:
        """Remove these folders below /opt/ml; of a link the link."""
        for name in names:
            if (link := link_in(self.ml, name)) is not None:
                link.unlink()
            else:
                shutil.rmtree(self.ml / name, ignore_errors=True)

    def vacate(self) -> None:
        """Leave nothing but the log: the next attempt begins on another machine. The lock goes last."""
        shutil.rmtree(self.ml, ignore_errors=True)
        shutil.rmtree(self.path / "home", ignore_errors=True)
        shutil.rmtree(self.path / PIPES, ignore_errors=True)
        for name in ("sourcedir.tar.gz", "spec.json", "started.json", "exit.json", "lock"):
            (self.path / name).unlink(missing_ok=True)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A file the supervisor wrote, or None."""
        try:
            found = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def failure_text(self) -> str:
        """The first characters of output/failure; a link is not followed, and what is no file says nothing."""
        if link_in(self.ml, "output/failure") is not None:
            return ""
        with contextlib.suppress(OSError):
            fd = os.open(self.ml / "output/failure", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                return os.read(fd, 4 * _FAILURE_MAX).decode("utf-8", "replace")[:_FAILURE_MAX]
            finally:
                os.close(fd)
        return ""


def link_in(ml: Path, name: str) -> Path | None:
    """What on the way to this path below a job's /opt/ml is a link: the job has put it there, and it leads anywhere."""
    path = ml
    for part in PurePosixPath(name).parts:
        path /= part
        if path.is_symlink():
            return path
    return None


def inside(folder: Path, relative: str) -> Path:
    """The path of a key below a folder; a key that would leave it is refused."""
    parts = PurePosixPath(relative).parts
    if relative.startswith("/") or ".." in parts or "\0" in relative:
        raise InputError(f"{relative!r} does not name anything below the channel's folder")
    return folder.joinpath(*parts)


def addresses(request: Mapping[str, Any]) -> str:
    """Where the hosts of a job find each other, as lines of /etc/hosts: all of 127.0.0.0/8 is this machine."""
    return "".join(f"127.0.{n >> 8}.{n & 255} {host}\n" for n, host in enumerate(hosts_of(request), start=1))


def configuration(request: Mapping[str, Any], host: str = FIRST) -> dict[str, Any]:
    """The files of input/config on this host, in the shape the real service writes."""
    kind, hosts = _machines(request).kind, hosts_of(request)
    group = {"hosts": hosts, "instance_group_name": "homogeneousCluster", "instance_type": kind}
    default_mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    return {
        "hyperparameters.json": dict(request.get("HyperParameters", {})),
        "resourceconfig.json": {
            "current_group_name": "homogeneousCluster",
            "current_host": host,
            "current_instance_type": kind,
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",
        },
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel_configuration(channel, default_mode)
            for channel in request.get("InputDataConfig", [])
        },
    }


def _channel_configuration(channel: Mapping[str, Any], default_mode: str) -> dict[str, Any]:
    source = channel.get("DataSource", {}).get("S3DataSource", {})
    content = {"ContentType": channel["ContentType"]} if "ContentType" in channel else {}
    mode = channel.get("InputMode", default_mode)
    return {
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "TrainingInputMode": "File" if mode == "FastFile" else mode,  # a script need not tell them apart
        **content,
    }


def _literal_paths(folder: Path) -> Iterator[str]:
    """FILE:LINE of every /opt/ml in a Python or shell file; sweeper's own driver finds its folder by itself."""
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".py", ".sh") and file.is_file() and file.parent != folder / "sweeper":
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            yield from (f"{file.name}:{n}" for n, line in enumerate(lines, start=1) if OPT_ML in line)


def environment(view: JobView, folder: JobFolder, root: str, reached: Mapping[str, str], shims: Path) -> dict[str, str]:
    """The environment of a container: never the engine's own, never the user's credentials.

    `reached`: the variables by which it reaches the engine.
    """
    passed = {k: v for k, v in os.environ.items() if _PASSED.fullmatch(k)}
    path = os.pathsep.join([*_interpreter_path(shims), os.environ.get("PATH", os.defpath)])
    platform = {
        "PATH": path,
        "HOME": namespaces.HOME if root == OPT_ML else str(folder.path / "home"),
        "PYTHONUNBUFFERED": "1",
        "TRAINING_JOB_NAME": view.name,
        "TRAINING_JOB_ARN": view.arn,
        **reached,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if view.keeps_pool:
        platform["SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"] = f"{root}/{CACHE}"
    if sys.prefix == sys.base_prefix and site.ENABLE_USER_SITE:
        platform["PYTHONUSERBASE"] = site.getuserbase()  # HOME is the job's own
    return {**passed, **_pip_configuration(), **platform, **view.request.get("Environment", {})}


def _interpreter_path(shims: Path) -> list[str]:
    """Where `python` and `python3` are the engine's interpreter."""
    home = Path(sys.executable).parent
    if (home / "python").exists() and (home / "python3").exists():
        return [str(home)]
    shims.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        shim = shims / name
        if not shim.exists():
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
            shim.chmod(0o755)
    return [str(shims), str(home)]


def _pip_configuration() -> dict[str, str]:
    """A job's HOME is its own, so pip is told where the user's configuration is."""
    if "PIP_CONFIG_FILE" in os.environ:
        return {}
    home = Path.home()
    for candidate in (home / ".config/pip/pip.conf", home / ".pip/pip.conf"):
        if candidate.is_file():
            return {"PIP_CONFIG_FILE": str(candidate)}
    return {}


def plain_root(ml: Path) -> str:
    """The folder under a name that no shell has to quote: requests are rewritten as text."""
    if _PLAIN_PATH.fullmatch(str(ml)):
        return str(ml)
    alias = Path(tempfile.mkdtemp(prefix="sweeper-ml-")) / "ml"
    alias.symlink_to(ml)
    return str(alias)


def rewritten(text: str, root: str) -> str:
    """Text of a request with /opt/ml replaced by the job's own folder."""
    return re.sub(r"/opt/ml(?![\w-])", lambda _: root, text)
