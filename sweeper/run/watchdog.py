"""The watchdog: a small child that outlives a killed runner and closes its pools (R14).

Dormant it is this file alone, run as a script without site packages: it sleeps on the read end of a pipe whose only
writer is the runner. End of file without `clean` means that the runner died. After a grace, which lets a restarted
runner win, it becomes the command that it was given: this module with `--act`, which lets a running job finish, closes
every pool of the journal and verifies it. It holds the sweep's lock for one round of that at a time, and gives way to a
runner that comes back. It writes no events: the next run reads what happened from the service. A pool that its runner
has left warm on purpose is its own to close too, once its time is over (`sweeper try --keep-warm`).
"""

from __future__ import annotations

import os
import signal
import sys
import time

# Only what a dormant process needs is imported above; everything else is imported when it acts.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


LOOK_S = 5.0
"""Seconds between two looks whether a pool that is left warm on purpose still is."""


def sleep_until_needed() -> int:
    """The dormant half; returns only when there is nothing to do."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGPIPE"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    grace_s, *acting = sys.argv[1:]
    os.write(1, b"ready\n")
    last = b""
    while chunk := os.read(0, 4096):
        last = (last + chunk)[-16:]
    if last.endswith(b"clean\n"):
        return 0
    time.sleep(float(grace_s))  # not in place of a condition: it is the time that a restart has to win
    os.execv(acting[0], acting)


def act(told: str, state: str) -> int:
    """Close every pool of the debt that `told` (JSON) describes; returns the exit code. `state`: the user's folder.

    Whatever breaks beside it is said, if it can be said, and passed over.
    """
    from pathlib import Path

    from sweeper.errors import LockHeldError
    from sweeper.run.clock import SystemClock
    from sweeper.run.debts import close_debt
    from sweeper.run.registry import Debt, Registry
    from sweeper.run.release import Running

    debt, registry, closes = Debt.from_json(told), Registry(Path(state)), "the watchdog of a run that died"
    clock = SystemClock()
    try:
        while (left := registry.kept_until(debt.folder) - clock.now()) > 0:
            clock.sleep(min(left, LOOK_S))
        say(f"the runner of {debt.sweep} died, or has left its pool to this; closing its pools")
        unreleased = close_debt(debt, registry, clock, say, closes=closes, running=Running.AWAIT)
    except LockHeldError as error:
        say(f"nothing to do: {error}")
        return 0
    except Exception as error:  # noqa: BLE001 - nobody comes after this: what ends it is told, and the debt stays
        say(f"gave up: {type(error).__name__}: {error}")
        return 3
    for pool in unreleased:
        say(f"THE POOL OF {pool.name} MAY STILL BILL: {pool.why}; release it with: {pool.command}")
    if not unreleased:
        say("every pool is closed")
    return 3 if unreleased else 0


def say(line: str) -> None:
    """A line for the log. On a full disk there is none, and the closing goes on."""
    from contextlib import suppress

    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError):
        os.write(2, f"{when} {line}\n".encode(errors="backslashreplace"))


def _opened(log: str) -> BinaryIO:
    """The log, to append to, for its user alone; nowhere when it cannot be written: the watchdog matters more."""
    try:
        return open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))
    except OSError:
        return open(os.devnull, "ab")  # noqa: PTH123


class Watchdog:
    """The runner's end: started before the first job can exist, told `clean` when every pool is closed."""

    def __init__(self, debt: str, grace_s: float, log: str, state: str) -> None:
        import subprocess

        from sweeper.engine.interpreter import module_command

        acting = module_command("sweeper.run.watchdog", "--act", debt, state)
        with _opened(log) as file:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(grace_s), *acting],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process that watches."""
        return self._process.pid

    def stand_down(self) -> None:
        """Every pool is closed: let it go."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"clean\n")
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it died before us; there is nothing left to watch
        self._process.wait()


if __name__ == "__main__":
    sys.exit(act(*sys.argv[2:4]) if sys.argv[1:2] == ["--act"] else sleep_until_needed())
