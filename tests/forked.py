"""`python -m sweeper ...` and its engine as forks of this process: processes of their own, without what a start costs.

What a fork does not show is that the program starts: tests/end_to_end/test_run.py, test_signals.py and test_wheel.py
start it as users do, and tests/engine/test_launch.py the engine.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import moto.core.utils

from sweeper import cli, config
from sweeper.aws.clients import Clients, Endpoint
from sweeper.engine import launch, server
from sweeper.engine.wire import rules
from sweeper.record.atomic import private_folder

MOST_DESCRIPTORS = 4096
USED_BY_CHILDREN = (
    "moto.iam.models",
    "moto.s3.responses",
    "moto.s3.urls",
    "moto.s3bucket_path.utils",
    "moto.sts.urls",
    "rich._emoji_codes",
    "rich.console",
    "rich.table",
    "sweeper.aws.batch",
    "sweeper.aws.staging",
    "sweeper.commands.run",
    "sweeper.commands.sweeps",
    "sweeper.show.report.page",
)


def prepare() -> None:
    """Load in this process what each child would load for itself: modules, services' models, the parsers' tables."""
    for module in USED_BY_CHILDREN:
        importlib.import_module(module)
    for service in ("sagemaker", "s3", "logs", "sts", "iam", "service-quotas", "ecr"):
        Clients(Endpoint("http://127.0.0.1:1", "us-east-1", access_key="x", secret_key="x")).client(service)
    for service in ("sagemaker", "service-quotas", "logs"):
        rules.model(service)
    moto.core.utils.get_service_model("s3")
    here = Path.cwd()
    os.chdir(Path(__file__).parents[1])
    try:
        config.run(["+experiment=lora_ranks"], lambda _: 0)
    finally:
        os.chdir(here)


prepare()


class Forked(subprocess.Popen[str]):
    """Popen whose child calls a function with its arguments instead of executing a program."""

    def __init__(self, function: Callable[[list[str]], int], arguments: Sequence[str], **options: Any) -> None:
        self._function = function
        super().__init__(list(arguments), text=True, **options)

    def _execute_child(self, args: list[str], _executable: object, preexec_fn: Any, *rest: Any) -> None:
        _, _, cwd, env, _, _, _, *pipes = rest[:13]
        new_session = rest[18]
        p2cread, _, _, c2pwrite, _, errwrite = pipes
        self.pid = os.fork()
        if not self.pid:
            if new_session:
                os.setsid()
            become(lambda: self._function(args), (p2cread, c2pwrite, errwrite), cwd, env, preexec_fn)
        self._child_created = True
        self._close_pipe_fds(*pipes)


def become(
    main: Callable[[], int | None],
    streams: Sequence[int],
    cwd: Path,
    environment: Mapping[str, str],
    before: Callable[[], None] | None = None,
    keep: int = 2,
) -> None:
    """In a child: be the process that a program with these streams, folder and environment would be, and end."""
    code = 99
    gc.freeze()  # what the parent has imported is not looked through again and again
    try:
        logging.disable()  # what other tests have left in this process is not ours to print
        for number, fd in enumerate(streams):
            os.dup2(fd if fd != -1 else os.open(os.devnull, os.O_RDWR), number)
        if before:
            before()
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        os.closerange(3, keep)
        os.closerange(keep + 1, MOST_DESCRIPTORS)
        for number, (name, mode, buffering) in enumerate((("stdin", "r", -1), ("stdout", "w", -1), ("stderr", "w", 1))):
            setattr(sys, name, None)  # as in a program that was started without it
            with contextlib.suppress(OSError):
                setattr(sys, name, open(number, mode, buffering, encoding="utf-8", closefd=False))  # noqa: SIM115
        code = main() or 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    except BaseException:  # noqa: BLE001 - the parent sees it in what the child wrote, and in the exit code
        traceback.print_exc()
    finally:
        try:
            if sys.stdout:
                sys.stdout.flush()
        except OSError:
            code = 120  # as Python's own end
        os._exit(code)


def command(arguments: list[str]) -> int:
    """What `python -m sweeper` does where the extra `report` is not installed: hundreds of pages stay small."""
    sys.modules.setdefault("plotly", None)  # type: ignore[arg-type]
    sys.argv = ["sweeper", *arguments]
    return cli.main(arguments)


def start_engine(state: Path, settings: Mapping[str, Any] = {}) -> launch.EngineInfo:
    """Start the engine of this folder, as `launch.ensure` would, and wait until it answers."""
    private_folder(state)
    reader, writer = os.pipe()
    log = os.open(state / "engine.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    parent = os.fork()
    if not parent:
        os.setsid()
        if os.fork():
            os._exit(0)  # the engine is nobody's child: who waits for it must not find it dead and still there

        def main() -> int:
            logging.disable(logging.NOTSET)
            logging.getLogger().handlers.clear()
            sys.argv = ["engine", "--state-dir", str(state), "--ready-fd", str(writer), "--wait-lock-s", "5"]
            sys.argv += ["--settings", json.dumps(dict(settings))]
            return server.main()

        become(main, (-1, log, log), Path("/"), os.environ.copy(), heed_signals, keep=writer)
    os.waitpid(parent, 0)
    os.close(writer)
    os.close(log)
    with open(reader, "rb", buffering=0) as pipe:  # noqa: PTH123
        assert pipe.read(16), (state / "engine.log").read_text()
    return launch.ensure(state)


def heed_signals() -> None:
    """In a new process: signals mean what they mean, whatever the program that runs the tests ignores."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
