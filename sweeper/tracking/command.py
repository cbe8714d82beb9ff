"""A command of the user's: run when a trial fails, and at the end."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL
from typing import ClassVar

from sweeper.core.options import option
from sweeper.core.tracked import Tracked
from sweeper.tracking import notifying

_HOW_LONG = "The longest that it may run, in seconds; then it is killed."


@dataclass(frozen=True)
class Command(notifying.Notifier):
    """Runs a command in the project's folder when a trial fails, and at the end, with JSON on its stdin."""

    kind: ClassVar[str] = "command"
    secrets: ClassVar[tuple[str, ...]] = ()

    run: str = option("The program and its words, as a shell splits them; no shell runs it.", low=1)
    timeout_s: float = option(_HOW_LONG, default=30.0, low=0.1, high=3600)

    def __post_init__(self) -> None:
        if not shlex.split(self.run):  # ValueError for a quote that is not closed
            raise ValueError("run names no program")

    def send(self, sweep: Tracked, message: notifying.Message) -> None:
        """Run it. Raises OSError when it could not, or came to no good end."""
        told = {f"SWEEPER_{key.upper()}": str(message[key]) for key in ("event", "sweep", "text")}
        started = subprocess.Popen(
            shlex.split(self.run),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=sweep.folder.parent.parent,
            env={**os.environ, **told},
            start_new_session=True,  # Ctrl-C is for the sweep, and all that it starts is killed with it
            text=True,
        )
        try:
            _, said = started.communicate(notifying.to_json(message), self.timeout_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, SIGKILL)
            started.wait()
            raise OSError(f"killed, as it had not ended after {self.timeout_s:g} s") from None
        if started.returncode:
            last = said.strip().rpartition("\n")[2]
            raise OSError(f"it ended with {started.returncode}{f': {last}' if last else ''}")
