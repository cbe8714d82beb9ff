"""Virtual time for several actors at once: whoever sleeps gives way to the one whose sleep ends first.

Each actor has a thread, and exactly one of them runs at any moment: the same seed tells the same story.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sweeper.testing.twin import VirtualClock


class Turns(VirtualClock):
    """A virtual clock. Alone it only counts; `together` lets several calls sleep on it at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self._due: dict[int, float] = {}
        self._gates: dict[int, threading.Lock] = {}
        self._current = 0

    def sleep(self, seconds: float) -> None:
        """Let time pass; others may act meanwhile."""
        if len(self._due) < 2:
            self.time += max(0.0, seconds)
            return
        me = self._current
        self._due[me] = self.time + max(0.0, seconds)
        if (following := self._next()) != me:
            self._wake(following)
            self._gates[me].acquire()
        self.time = max(self.time, self._due[me])

    def together(self, *calls: tuple[float, Callable[[], None]]) -> None:
        """Make each call after its delay in seconds, all in one stretch of time; what one raises is raised here."""
        errors: list[BaseException] = []
        over = threading.Lock()
        over.acquire()
        self._due = {number: self.time + delay for number, (delay, _) in enumerate(calls)}
        self._gates = {number: threading.Lock() for number in self._due}
        for gate in self._gates.values():
            gate.acquire()

        def act(me: int, call: Callable[[], None]) -> None:
            self._gates[me].acquire()
            self.time = max(self.time, self._due[me])
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - raised again below, where somebody waits for it
                errors.append(error)
            del self._due[me]
            if self._due:
                self._wake(self._next())
            else:
                over.release()

        threads = [threading.Thread(target=act, args=(n, call), daemon=True) for n, (_, call) in enumerate(calls)]
        for thread in threads:
            thread.start()
        self._wake(self._next())
        over.acquire()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _next(self) -> int:
        return min(self._due, key=lambda actor: (self._due[actor], actor))

    def _wake(self, actor: int) -> None:
        self._current = actor
        self._gates[actor].release()


__all__: Sequence[str] = ("Turns",)
