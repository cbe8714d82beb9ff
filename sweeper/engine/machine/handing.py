"""A program that ends as Python: a shell script's `exec python train.py`, or a first line `#!/usr/bin/env python`.

It runs as ever, but that the first `python` of its PATH stops before it starts, if that is the program's own process.
Are its surroundings those that it began with, it ends, and a fork of the hot interpreter goes on in its place. Standard
library only: it runs in a pool's hot interpreter (zygote.py).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

# `$0` is where it was found, which is the first folder of PATH unless the script has put others before it
_PYTHON = """#!/bin/sh
here=${0%/*}
case "$PATH" in
    "$here":*) PATH=${PATH#"$here":} ;;
    *) PATH=${PATH%%:"$here":*}:${PATH#*:"$here":} ;;
esac
if [ "$PPID" = "$SWEEPER_ENGINE_HANDED" ]; then
    kill -STOP $$
fi
unset SWEEPER_ENGINE_HANDED
exec "${0##*/}" "$@"
"""
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)  # by Python, which does not hand that down
_NUMBERED = (1 << 31) - 1  # the two after these are the C library's own
_PARENT = "SWEEPER_ENGINE_HANDED"


class Program:
    """A program that may end as this Python script, started by the process that is to be it then."""

    def __init__(self, folder: Path, called: Sequence[str]) -> None:
        """`folder`: a place for its files; `called`: the Python, its options and the script."""
        self._folder, self._called = folder, list(called)

    def run(self, argv: list[str], environ: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """Its arguments and environment as it becomes the script; ends as it ends when it does not."""
        self._path = environ.get("PATH", os.defpath)
        self._lay_out()
        told = {**environ, "PATH": f"{self._folder}{os.pathsep}{self._path}", _PARENT: str(os.getpid())}
        defaults = (*_IGNORED, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        try:
            pid = os.posix_spawn(argv[0], argv, told, setsigmask=(), setsigdef=defaults)
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)
        found = None
        while found is None:
            _, status = os.waitpid(pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                shutil.rmtree(self._folder, ignore_errors=True)
                _end_as(os.waitstatus_to_exitcode(status))
            if str(self._folder) in (command := _words(pid, "cmdline"))[1]:  # somebody else may have stopped it
                with contextlib.suppress(OSError):  # it was killed, or this kernel does not tell
                    found = self._found(pid, command)
                os.kill(pid, signal.SIGCONT if found is None else signal.SIGKILL)
        os.waitpid(pid, 0)
        shutil.rmtree(self._folder, ignore_errors=True)
        return found

    def _lay_out(self) -> None:
        self._folder.mkdir(exist_ok=True)  # the job may have begun before, on a machine that was taken away
        for name in ("python", "python3"):
            file = self._folder / name
            file.write_text(_PYTHON, encoding="utf-8")
            file.chmod(0o755)

    def _found(self, pid: int, command: list[str]) -> tuple[list[str], dict[str, str]] | None:
        """What it was called with, if a fork of this process can go on in its place: that moves to its folder."""
        _, called, *arguments = command
        environ = dict(line.split("=", 1) for line in _words(pid, "environ") if "=" in line)
        name, path = Path(called).name, environ["PATH"].replace(f"{self._folder}{os.pathsep}", "", 1)
        argv = [name, *arguments]
        if argv[: len(self._called)] != self._called:
            return None
        if shutil.which(name, path=path) != shutil.which(name, path=self._path) or not self._alike(pid):
            return None
        del environ[_PARENT]
        environ["PATH"] = path
        if environ.get("_") == called:
            environ["_"] = str(shutil.which(name, path=path))
        os.chdir(Path(f"/proc/{pid}/cwd").readlink())
        return argv, environ

    def _alike(self, pid: int) -> bool:
        """Has it changed nothing of its surroundings: where its output goes, what it may use, what it heeds?"""
        theirs, ours = Path(f"/proc/{pid}"), Path("/proc/self")
        files = {int(link.name): str(link.readlink()) for link in theirs.joinpath("fd").iterdir()}
        streams = {number: str(ours.joinpath("fd", str(number)).readlink()) for number in range(3)}
        status, own = _status(theirs), _status(ours)
        ignored = int(own["SigIgn"], 16) & _NUMBERED & ~sum(1 << number - 1 for number in _IGNORED)
        children = theirs / f"task/{pid}/children"
        return (
            {number: file for number, file in files.items() if not file.startswith(str(self._folder))} == streams
            and theirs.joinpath("limits").read_bytes() == ours.joinpath("limits").read_bytes()
            and (int(status["SigIgn"], 16) & _NUMBERED, int(status["SigBlk"], 16)) == (ignored, 0)
            and status["Umask"] == own["Umask"]
            and not children.read_text().strip()
            and os.sched_getaffinity(pid) == os.sched_getaffinity(0)
            and os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0)
        )


def _words(pid: int, name: str) -> list[str]:
    return [os.fsdecode(word) for word in Path(f"/proc/{pid}/{name}").read_bytes().split(b"\0")[:-1]]


def _status(process: Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in process.joinpath("status").read_text().splitlines())


def _end_as(code: int) -> NoReturn:
    """With this exit code, or by this signal if it is negative."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code)
