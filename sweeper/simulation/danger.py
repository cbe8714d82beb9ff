"""The runner's outside, where it may die at every touch: API, clock, journal and requests, as the ports shape them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeper.core import events as ev
from sweeper.core.asked import Asked
from sweeper.core.ports import Clock, Description, Journal, Page, Request, TrainingApi
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.testing.twin import Call, Twin

MOST_TOUCHES = 20_000
"""Touches of the outside in which a sweep of a few trials must have ended; a long one takes about three thousand."""
MOST_LOOKS = 5_000
"""Looks at the clock or for requests between two touches; a loop that only looks goes on for ever."""
TIRED = 0.3
"""How likely somebody who waits in vain gives up."""


class Crash(BaseException):
    """The runner dies here, as by SIGKILL."""


class NoProgress(BaseException):
    """The runner goes round in circles."""


@dataclass
class Danger:
    """Where the runner dies and when a person interferes: a chance at every touch of the outside, so often at most."""

    rng: random.Random
    chance: float
    deaths_left: int
    signal_chance: float = 0.0
    ask_chance: float = 0.0
    asks_left: int = 0
    ask: Callable[[], None] = lambda: None
    """A person asks something of the chain: `sweeper stop`, `skip`, `add`, `retry`."""
    caught: list[int] = field(default_factory=list)
    deaths: int = 0
    touches: int = 0
    looks: int = 0
    most_touches: int = MOST_TOUCHES
    die_at: int | None = None
    dead: bool = False

    def touch(self) -> None:
        """The runner may die here; a dead one touches nothing any more, whatever its handlers try."""
        if self.dead:
            raise Crash
        self.touches, self.looks = self.touches + 1, 0
        if self.touches > self.most_touches:
            raise NoProgress
        due = self.die_at is not None and self.touches == self.die_at
        if due or (self.deaths_left > 0 and self.rng.random() < self.chance):
            self.deaths_left -= 1
            self.deaths += 1
            self.dead = True
            raise Crash

    def look(self) -> None:
        """The runner looked, and nothing more: harmless, unless it does nothing else."""
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise NoProgress

    def tempt(self) -> None:
        """A person may press Ctrl-C here, or type a command elsewhere."""
        if self.signal_chance and self.rng.random() < self.signal_chance:
            self.caught.append(2)
        if self.asks_left and self.rng.random() < self.ask_chance:
            self.asks_left -= 1
            self.ask()

    def tire(self) -> None:
        """A minute without an answer: a person who presses Ctrl-C at all may do it now."""
        if self.signal_chance and self.rng.random() < TIRED:
            self.caught.append(2)

    def none(self) -> None:
        """No more danger."""
        self.chance = self.signal_chance = 0.0
        self.deaths_left = self.asks_left = 0


class DyingApi:
    """The TrainingApi port with a chance to die before and after every call; knows what it sent and what it made."""

    def __init__(self, api: TrainingApi, twin: Twin, danger: Danger) -> None:
        self._api, self._twin, self._danger = api, twin, danger
        self.sent: list[Call] = []
        self.made: set[str] = set()
        self.creating: Callable[[], None] = lambda: None
        """Called before every Create."""

    def create_training_job(self, request: Request) -> str:
        """CreateTrainingJob."""
        name = request["TrainingJobName"]
        self.creating()
        try:
            return str(self._change("CreateTrainingJob", name, lambda: self._api.create_training_job(request)))
        except ApiError as error:
            if error.kind is ApiErrorKind.LOST:
                self._danger.tire()
            raise
        finally:
            job = self._twin.service.jobs.get(name)
            # The very mapping that we sent: with two runners alive the same name may be the other's work.
            if job and job.request.get("Environment") is request["Environment"]:
                self.made.add(name)

    def describe_training_job(self, name: str) -> Description:
        """DescribeTrainingJob."""
        return dict(self._call(lambda: self._api.describe_training_job(name)))

    def stop_training_job(self, name: str) -> None:
        """StopTrainingJob."""
        self._change("StopTrainingJob", name, lambda: self._api.stop_training_job(name))

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """UpdateTrainingJob."""
        self._change("UpdateTrainingJob", name, lambda: self._api.update_training_job(name, keep_alive_s))

    def list_training_jobs(self, token: str = "") -> Page:
        """ListTrainingJobs."""
        page: Page = self._call(lambda: self._api.list_training_jobs(token))
        return page

    def search_training_jobs(self, mark: str, since: float) -> list[Description]:
        """Search."""
        return list(self._call(lambda: list(self._api.search_training_jobs(mark, since))))

    def _change(self, operation: str, name: str, call: Callable[[], Any]) -> Any:
        def sent() -> Any:
            self.sent.append(Call(self._twin.clock.now(), operation, name, "sent"))
            return call()

        return self._call(sent)

    def _call(self, call: Callable[[], Any]) -> Any:
        self._danger.touch()
        try:
            answer = call()
        except ApiError:
            self._danger.touch()
            raise
        self._danger.touch()
        return answer


class DyingClock:
    """Virtual time in which the runner may die while it sleeps; it belongs to one invocation."""

    def __init__(self, world: Clock, danger: Danger) -> None:
        self._world, self._danger = world, danger

    def now(self) -> float:
        """Seconds since the epoch."""
        self._danger.look()
        return self._world.now()

    def monotonic(self) -> float:
        """The same."""
        self._danger.look()
        return self._world.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass, dangerously."""
        self._danger.touch()
        # A loop that never waits would hang the simulation: time always moves.
        self._world.sleep(max(seconds, 0.001))
        self._danger.tempt()
        self._danger.touch()


class DyingJournal:
    """A journal that may die before the append is durable, or right after."""

    def __init__(self, journal: Journal, danger: Danger) -> None:
        self._journal, self._danger = journal, danger

    def append(self, *events: ev.Event) -> None:
        """Append, dangerously."""
        self._danger.touch()
        self._journal.append(*events)
        self._danger.touch()

    def events(self) -> Sequence[ev.Event]:
        """Every event."""
        return self._journal.events()


class Requests:
    """What other commands have asked of a chain: it outlives the runner, as the journal's own table does."""

    def __init__(self) -> None:
        self._asked: list[Asked] = []
        self._number = 0

    def ask(self, time: float, kind: str, **data: Any) -> None:
        """Leave a request."""
        self._number += 1
        self._asked.append(Asked(self._number, time, kind, data))

    def begin(self, now: float) -> None:
        """A new invocation: a `stop` was meant for the one before."""
        self._asked = [asked for asked in self._asked if asked.kind != "stop" or asked.time >= now]

    def requests(self) -> Sequence[Asked]:
        """What nobody has answered yet."""
        return tuple(self._asked)

    def answered(self, asked: Asked, danger: Danger) -> None:
        """This request was taken."""
        danger.touch()
        self._asked = [other for other in self._asked if other.id != asked.id]
        danger.touch()
