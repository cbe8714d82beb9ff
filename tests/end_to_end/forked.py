"""`python -m sweeper ...` as a fork of this process: a process of its own, without the half second of its imports.

What it does not show is that the program starts: test_run.py, test_signals.py and test_wheel.py start it as users do.
"""

from __future__ import annotations

import gc
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

import rich.console
import rich.table  # noqa: F401 - imported here and so not in each child

from sweeper import cli
from sweeper.aws.clients import Clients, Endpoint
from sweeper.commands import run  # noqa: F401 - imported here and so not in each child
from sweeper.config import app  # noqa: F401
from sweeper.engine import server

MOST_DESCRIPTORS = 4096
for service in ("sagemaker", "s3", "logs", "sts"):
    Clients(Endpoint.local("http://127.0.0.1:1", "us-east-1")).client(service)  # the children inherit its model


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
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, buffering, encoding="utf-8", closefd=False)  # noqa: SIM115
            for number, (mode, buffering) in enumerate((("r", -1), ("w", -1), ("w", 1)))
        )
        code = main() or 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    except BaseException:  # noqa: BLE001 - the parent sees it in what the child wrote, and in the exit code
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            code = 120  # as Python's own end
        os._exit(code)


def command(arguments: list[str]) -> int:
    """What `python -m sweeper` does."""
    sys.argv = ["sweeper", *arguments]
    return cli.main(arguments)


def start_engine(state: Path, **settings: Any) -> None:
    """Start the engine of this folder, as `launch.ensure` would, and wait until it answers."""
    state.mkdir(parents=True)
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
            sys.argv += ["--settings", json.dumps(settings)]
            return server.main()

        become(main, (-1, log, log), Path("/"), os.environ.copy(), heed_signals, keep=writer)
    os.waitpid(parent, 0)
    os.close(writer)
    os.close(log)
    with open(reader, "rb", buffering=0) as pipe:  # noqa: PTH123
        assert pipe.read(16), (state / "engine.log").read_text()


def heed_signals() -> None:
    """In a new process: signals mean what they mean, whatever the program that runs the tests ignores."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
