"""`sweeper engine`: the local engine as a server for any boto3, SDK or AWS CLI client."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.commands import sweeps
from sweeper.commands.say import relative
from sweeper.commands.sizes import human
from sweeper.connect import engine_folder
from sweeper.core.results import utc
from sweeper.engine import launch
from sweeper.engine.settings import EngineSettings
from sweeper.errors import LockHeldError, UsageError

if TYPE_CHECKING:
    from sweeper.engine.server import EngineProcess

FOR_EVER = 1e9


def main(arguments: Sequence[str]) -> int:
    """Serve, tell or stop; returns the exit code."""
    parser = argparse.ArgumentParser(
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
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    state = (options.state_dir or engine_folder(sweeps.here())).absolute()
    if options.action == "serve":
        return _serve(state, _settings(options), detach=options.detach, as_json=options.json)
    return (_stop if options.action == "stop" else _status)(state, as_json=options.json)


def _settings(options: argparse.Namespace) -> EngineSettings:
    usual = EngineSettings().to_mapping()
    values: dict[str, Any] = {"idle_s": FOR_EVER}
    for word in options.set:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set {word}: write KEY=VALUE")
        values[key] = value if isinstance(usual.get(key), str) else _read(value)
    if options.port is not None:
        if not 0 <= options.port < 65536:
            raise UsageError(f"--port {options.port}: a port is 0 to 65535")
        values["port"] = options.port
    try:
        return EngineSettings.from_mapping(values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--set: {error}") from error


def _read(text: str) -> Any:
    """A number, a truth or JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _serve(state: Path, settings: EngineSettings, *, detach: bool, as_json: bool) -> int:
    running = launch.status(state)
    if running:
        raise LockHeldError(f"an engine already runs at {running['url']} (process {running['pid']}); stop it first")
    if detach:
        launch.ensure(state, settings)
        found = launch.status(state) or {}
        _tell(found, state, as_json=as_json)
        return 0
    from sweeper.engine import server  # moto and its server cost half a second to import

    def ready(process: EngineProcess) -> None:
        _tell(process.identity, state, as_json=as_json)
        if not as_json:
            print("Ctrl-C ends it; its jobs go on, and the next engine on this folder finds them again", flush=True)

    # A closed terminal ends it as Ctrl-C does; under nohup it goes on.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        if not server.serve(state, settings, ready):
            raise LockHeldError(f"another engine has just started on {state}")
    except OSError as error:
        raise UsageError(f"cannot serve on port {settings.port}: {error}") from error
    return 0


def _tell(engine: dict[str, Any], state: Path, *, as_json: bool) -> None:
    url, region = engine["url"], engine["region"]
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_sdk_defaults(state, engine)),
    }
    if as_json:
        shown = {key: engine[key] for key in ("url", "pid", "account", "region")}
        print(json.dumps({**shown, "state_dir": str(state), "environment": environment}), flush=True)
        return
    print(f"the local engine answers at {url} (account {engine['account']}, {region}); its state: {relative(state)}")
    words = (f"{key}={shlex.quote(value)}" for key, value in environment.items())
    print("for any client: export " + " ".join(words), flush=True)


def _sdk_defaults(state: Path, engine: dict[str, Any]) -> Path:
    """Defaults for SageMaker's SDKs, which ask for their bucket's name and send telemetry past AWS_ENDPOINT_URL."""
    bucket = {"DefaultS3Bucket": f"sagemaker-{engine['region']}-{engine['account']}"}
    modules = {"TelemetryOptOut": True, "Session": bucket}
    written = state / "sagemaker-sdk.yaml"
    defaults = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": modules}}}
    written.write_text(json.dumps(defaults) + "\n", encoding="utf-8")  # JSON is YAML
    return written


def _status(state: Path, *, as_json: bool) -> int:
    found = launch.status(state)
    if as_json:
        print(json.dumps({"running": found is not None, "state_dir": str(state), **(found or {})}))
        return 0
    if found is None:
        print(f"no engine runs on {relative(state)}")
        return 0
    print(f"{found['url']}  process {found['pid']}  since {utc(found['started'])}  isolation: {found['isolation']}")
    print(f"{found['jobs_running']} jobs run, {found['pools_alive']} pools alive, {len(found['jobs'])} jobs on record")
    print(f"disk: {human(found['disk_bytes'])} in {relative(state)}")
    slow = {key: found["settings"].get(key) for key in ("cold_start_s", "warm_start_s", "stopping_s")}
    if any(slow.values()):
        print("simulated: " + ", ".join(f"{key}={value:g}" for key, value in slow.items() if value))
    return 0


def _stop(state: Path, *, as_json: bool) -> int:
    found = launch.status(state)
    stopped = launch.stop(state)
    if as_json:
        print(json.dumps({"stopped": stopped, "state_dir": str(state)}))
    elif found and stopped:
        ended = f"{found['jobs_running']} running jobs stopped, {found['pools_alive']} pools released"
        print(f"the engine at {found['url']} has ended; {ended}")
    else:
        print(f"no engine runs on {relative(state)}")
    return 0
