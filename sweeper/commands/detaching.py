"""`--detach`: the run goes on in a session of its own, and the command returns once its declaration is accepted.

Until then it tells of what is wrong on the caller's own streams, and ends the command with its exit code; from then on
what it says is in a file of the sweep's folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from sweeper.commands.output import Output, tell_json
from sweeper.commands.say import relative, tell
from sweeper.core import events as ev
from sweeper.core.chain import Chain
from sweeper.run.session import Session

LOG = "run.log"
"""Where the run says what it would say on a terminal."""


class Begun(TypedDict):
    """A run that goes on by itself."""

    sweep: str
    """The folder's name: what `sweeper wait`, `status` and `stop` take."""
    name: str
    folder: str
    pid: int
    log: str
    """What it says."""
    wait: str
    """The command that waits for its end."""


class Accepting:
    """A Progress that hears of one thing: the chain is open, so the declaration is accepted and the sweep is locked."""

    def __init__(self, accept: Callable[[Session], None], session: Session) -> None:
        self._accept, self._session = accept, session

    def event(self, event: ev.Event, chain: Chain) -> None:
        """The first event of an invocation says so."""
        if isinstance(event, ev.Opened):
            self._accept(self._session)

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def detached(run: Callable[[Callable[[Session], Accepting]], int], output: Output) -> int:
    """Have `run` go on in a process of its own; returns its exit code where it ends before it is accepted, else 0.

    `run` is called in that process, with what its display makes of its session.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        os.close(reading)
        os.setsid()
        return run(partial(Accepting, partial(_accepted, writing)))
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123 - a pipe has no path
        told = _heard(pipe.read, pid)
    if not told:
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return ended if ended >= 0 else 128 - ended
    begun: Begun = json.loads(told)
    if output.json:
        tell_json(begun)
    else:
        tell(f"{begun['sweep']} runs as process {begun['pid']}; what it says: {relative(Path(begun['log']))}")
        tell(f"wait for it: {begun['wait']}; end it: sweeper stop {begun['sweep']}")
    return 0


def _heard(read: Callable[[], str], pid: int) -> str:
    """What the process tells; empty when it has ended instead. Ctrl-C ends what is not accepted yet."""
    while True:
        try:
            return read()
        except KeyboardInterrupt:
            os.kill(pid, signal.SIGINT)  # it is in another session, and hears of none


def _accepted(writing: int, session: Session) -> None:
    """From here on nobody reads: what is said goes to a file. The caller is told where."""
    folder = session.folder
    begun: Begun = {
        "sweep": folder.name,
        "name": session.sweep.name,
        "folder": str(folder),
        "pid": os.getpid(),
        "log": str(folder / LOG),
        "wait": f"sweeper wait {folder.name}",
    }
    sys.stdout.flush()
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((nothing, log, log)):
        os.dup2(stream, number)
    os.close(log)
    os.close(nothing)
    os.write(writing, json.dumps(begun).encode())
    os.close(writing)
