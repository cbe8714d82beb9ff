"""`sweeper engine`: the local engine as a server for any boto3, SDK or AWS CLI client."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import relative, tell
from sweeper.config import project
from sweeper.core.words import human, utc
from sweeper.engine import credentials, launch
from sweeper.engine.credentials import KeyPair
from sweeper.engine.launch import EngineInfo
from sweeper.engine.settings import EngineSettings, placed
from sweeper.engine.wire.sessions import Sessions
from sweeper.errors import LockHeldError, UsageError
from sweeper.record.atomic import write_atomically
from sweeper.run.connect import engine_folder

if TYPE_CHECKING:
    from sweeper.engine.server import EngineProcess

FOR_EVER = 1e9
SIMULATED = ("pending_s", "cold_start_s", "warm_start_s", "stopping_s", "max_runtime_late_s")


class _SignedIn(TypedDict, total=False):
    sso_tokens: dict[str, str]
    """A new token of single sign-on for each person who may have one."""


class Serving(_SignedIn):
    """An engine that answers, and how any client finds it."""

    url: str
    pid: int
    account: str
    region: str
    access_key: str
    secret_key: str
    state_dir: str
    environment: dict[str, str]
    """What points any client at it."""


class _Answering(_SignedIn, total=False):
    id: str
    url: str
    pid: int
    account: str
    region: str
    started: float
    """UTC seconds since the epoch."""
    jobs_running: int
    pools_alive: int
    jobs: list[dict[str, Any]]
    """Every job with its status, pool and process."""
    isolation: str
    disk_bytes: int
    disk_cap_bytes: int
    object_bytes: int
    """Of S3."""
    asked: list[dict[str, Any]]
    """What IAM would have been asked so far: action, resource, and what conditions look at."""
    settings: dict[str, Any]
    environment: dict[str, str]


class EngineTold(_Answering):
    """The engine of a folder; where none runs, that alone."""

    running: bool
    state_dir: str


class EngineStopped(TypedDict):
    """An engine that was asked to end."""

    stopped: bool
    """Did one run?"""
    state_dir: str


def main(arguments: Sequence[str]) -> int:
    """Serve, tell or stop; returns the exit code."""
    parser = Parser(
        prog="sweeper engine",
        description="The local engine: SageMaker's wire protocol on this machine, for every client.",
    )
    parser.add_argument("action", choices=["serve", "status", "stop"])
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="its folder (default: the project's own engine)")
    parser.add_argument("--port", type=int, help="serve: the port (default: any that is free)")
    parser.add_argument("--detach", action="store_true", help="serve: go on in the background")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="serve: a setting, such as cold_start_s=60"
    )
    parser.add_argument(
        "--credentials",
        metavar="KEY:SECRET",
        help="serve: who holds these may ask the engine (default: a random pair of its folder); "
        "`env` takes AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which no list of processes shows",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    state = (options.state_dir or engine_folder(project.here())).absolute()
    if options.action == "serve":
        pair = None if options.credentials is None else _pair(options.credentials)
        return _serve(state, _settings(options), pair, detach=options.detach, as_json=options.json)
    return (_stop if options.action == "stop" else _status)(state, as_json=options.json)


def _settings(options: argparse.Namespace) -> EngineSettings:
    usual = EngineSettings().to_mapping()
    values: dict[str, Any] = {"idle_s": FOR_EVER}
    for word in options.set:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set {word}: write KEY=VALUE")
        values[key] = value if key == "recorded" or isinstance(usual.get(key), str) else _read(value)
    if options.port is not None:
        if not 0 <= options.port < 65536:
            raise UsageError(f"--port {options.port}: a port is 0 to 65535")
        values["port"] = options.port
    try:
        return EngineSettings.from_mapping(placed(values, Path()))
    except (TypeError, ValueError) as error:
        raise UsageError(f"--set: {error}") from error


def _pair(told: str) -> KeyPair:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    text = ":".join(os.environ.get(name, "") for name in names) if told == "env" else told
    try:
        return KeyPair.parse(text)
    except ValueError as error:
        raise UsageError(f"--credentials: {error}, or `env` with both in {' and '.join(names)}") from error


def _read(text: str) -> Any:
    """A number, a truth or JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _serve(state: Path, settings: EngineSettings, pair: KeyPair | None, *, detach: bool, as_json: bool) -> int:
    running = launch.status(state)
    if running:
        raise LockHeldError(f"an engine already runs at {running['url']} (process {running['pid']}); stop it first")
    if pair is not None:
        _keep(state, pair)
    people = settings.service.sso_users
    if detach:
        _tell(launch.ensure(state, settings), state, people, as_json=as_json)
        return 0
    from sweeper.engine import server  # moto and its server cost half a second to import

    def ready(process: EngineProcess) -> None:
        _tell(process.info, state, people, as_json=as_json)
        if not as_json:
            tell("Ctrl-C ends it; its jobs go on, and the next engine on this folder finds them again", flush=True)

    # A closed terminal ends it as Ctrl-C does; under nohup it goes on.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        if not server.serve(state, settings, ready):
            raise LockHeldError(f"another engine has just started on {state}")
    except OSError as error:
        raise UsageError(f"cannot serve on port {settings.port}: {error}") from error
    return 0


def _keep(state: Path, pair: KeyPair) -> None:
    """Hand the pair to the engine by its folder: the arguments of a process are everybody's to read."""
    try:
        credentials.keep(state, pair)
    except OSError as error:
        raise UsageError(f"--credentials: they cannot be kept in {state}: {error}") from error


def _tell(engine: EngineInfo, state: Path, people: Mapping[str, str], *, as_json: bool) -> None:
    environment = _environment(engine, state)
    if as_json:
        shown: Serving = {
            "url": engine.url,
            "pid": engine.pid,
            "account": engine.account,
            "region": engine.region,
            "access_key": engine.access_key,
            "secret_key": engine.secret_key,
            "state_dir": str(state),
            "environment": environment,
        }
        tell_json({**shown, **_signed_in(engine, people)})
        return
    where = f"{engine.url} (account {engine.account}, {engine.region})"
    tell(f"the local engine answers at {where}; its state: {relative(state)}")
    words = (f"{key}={shlex.quote(value)}" for key, value in environment.items())
    tell("for any client: export " + " ".join(words), flush=True)


def _signed_in(engine: EngineInfo, people: Mapping[str, str]) -> dict[str, Any]:
    """A new token of single sign-on for each who may have one, as a sign-in in a browser would leave it."""
    if not people:
        return {}
    sessions = Sessions(KeyPair(engine.access_key, engine.secret_key), people)
    return {"sso_tokens": {person: sessions.sign_in(person) for person in people}}


def _environment(engine: EngineInfo, state: Path) -> dict[str, str]:
    """What points any client at it."""
    return {**engine.environment, "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_sdk_defaults(state, engine))}


def _sdk_defaults(state: Path, engine: EngineInfo) -> Path:
    """Defaults for SageMaker's SDKs, which ask for their bucket's name and send telemetry past AWS_ENDPOINT_URL."""
    bucket = {"DefaultS3Bucket": f"sagemaker-{engine.region}-{engine.account}"}
    modules = {"TelemetryOptOut": True, "Session": bucket}
    written = state / "sagemaker-sdk.yaml"
    defaults = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": modules}}}
    write_atomically(written, json.dumps(defaults) + "\n")  # JSON is YAML
    return written


def _status(state: Path, *, as_json: bool) -> int:
    status = launch.status(state)
    if as_json:
        engine = launch.find(state)
        told: EngineTold = {"running": status is not None, "state_dir": str(state)}
        more: dict[str, Any] = {**(status or {})}
        if engine and status:
            more |= {"environment": _environment(engine, state), **_signed_in(engine, status["settings"]["sso_users"])}
        tell_json({**told, **more})
        return 0
    if status is None:
        tell(f"no engine runs on {relative(state)}")
        return 0
    tell(f"{status['url']}  process {status['pid']}  since {utc(status['started'])}  isolation: {status['isolation']}")
    tell(
        f"{status['jobs_running']} jobs run, {status['pools_alive']} pools alive, {len(status['jobs'])} jobs on record"
    )
    tell(f"disk: {human(status['disk_bytes'])} in {relative(state)}")
    slow = {key: status["settings"].get(key) for key in SIMULATED}
    if any(slow.values()):
        tell("simulated: " + ", ".join(f"{key}={value:g}" for key, value in slow.items() if value))
    return 0


def _stop(state: Path, *, as_json: bool) -> int:
    status = launch.status(state)
    stopped = launch.stop(state)
    if as_json:
        told: EngineStopped = {"stopped": stopped, "state_dir": str(state)}
        tell_json(told)
    elif status and stopped:
        ended = f"{status['jobs_running']} running jobs stopped, {status['pools_alive']} pools released"
        tell(f"the engine at {status['url']} has ended; {ended}")
    else:
        tell(f"no engine runs on {relative(state)}")
    return 0
