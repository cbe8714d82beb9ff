"""What happens in a run as an iterator: the run goes on in a thread, and whoever iterates is told as it goes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

from sweeper.api.result import Result
from sweeper.api.telling import Telling

LOOK_S = 0.2
"""Seconds between two looks at whether the run has ended: an interrupt is heeded between them everywhere."""


def happenings(run: Callable[[Telling], Result]) -> Iterator[Mapping[str, Any]]:
    """Run, and give each thing as it happens. Raises what the run raises, when all that came before has been given.

    Whoever stops iterating, or is interrupted, ends the run: its job is stopped and its pool released first.
    """
    come: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
    failed: list[BaseException] = []
    telling, ended = Telling(come.put), threading.Event()

    def go() -> None:
        try:
            run(telling)
        except BaseException as error:  # noqa: BLE001 - it is raised where the run is iterated over
            failed.append(error)
        finally:
            ended.set()
            come.put(None)

    threading.Thread(target=go, name="sweep", daemon=True).start()
    try:
        while (one := come.get()) is not None:
            yield one
    finally:
        _end(ended, telling)
    if failed:
        raise failed[0]


def _end(ended: threading.Event, telling: Telling) -> None:
    """Wait for the end of the run; one that goes on is ended as by Ctrl-C. A second Ctrl-C shortens its waits.

    The thread itself is not joined: one whose `join` was interrupted seems to have ended (CPython before 3.13).
    """
    if not ended.is_set():
        telling.interrupt(signal.SIGINT)
    while not ended.is_set():
        try:
            ended.wait(LOOK_S)
        except KeyboardInterrupt:
            telling.interrupt(signal.SIGINT)
