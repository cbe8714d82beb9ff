"""What other commands ask of a sweep, as the events that it comes to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sweeper.core import events as ev
from sweeper.core.model import Trial
from sweeper.core.space.names import shorten, show
from sweeper.errors import UsageError

Make = Callable[[Mapping[str, Any], int], Trial]


@dataclass(frozen=True)
class Asked:
    """A request that another command left for the runner. `time`: UTC seconds since the epoch."""

    id: int
    time: float
    kind: str
    data: Mapping[str, Any]


REOPENING = ("retry", "skip")
"""The requests that say which trials are to be run."""
QUEUED = "queued "
"""What a trial is known by before a runner has made it of its values."""
VALUES = "queued"
"""What a request says of such trials, by what they are known by."""


def queued_values(trials: Iterable[Trial]) -> dict[str, Any]:
    """What a request says of those of its trials that no runner has made yet: their values, which they are made of."""
    queued = {trial.id: dict(trial.values) for trial in trials if trial.id.startswith(QUEUED)}
    return {VALUES: queued} if queued else {}


def reopening(kind: str, data: Mapping[str, Any], make: Make) -> Iterator[ev.Event]:
    """The events of a request of one of these kinds. A queued trial that cannot be made is left out."""

    def made(trial: str) -> str:
        values = data.get(VALUES, {}).get(trial)
        return trial if values is None else make(values, int(trial.removeprefix(QUEUED))).id

    for trial in (data["trial"],) if kind == "skip" else data["trials"]:
        with suppress(UsageError):
            id = made(str(trial))  # noqa: A001 - the protocol's word
            yield ev.Skipped(id, str(data.get("label", ""))) if kind == "skip" else ev.Reopened(id)


def foreseen(asked: Sequence[Asked], make: Make) -> Iterator[ev.Event]:
    """What the next runner will make of these requests. A queued trial that cannot be made is left out, as by it."""
    for one in asked:
        if one.kind in REOPENING:
            yield from reopening(one.kind, one.data, make)
        elif one.kind == "add":
            with suppress(UsageError):
                trial = make(one.data["values"], one.id)
                yield ev.Added(trial.id, trial.index, trial.name, trial.values)


def unmade(values: Mapping[str, Any], number: int) -> Trial:
    """A queued trial as it is known without its experiment: it has no identity yet."""
    short = shorten(list(values))
    name = ",".join(f"{short[key]}={show(value)}" for key, value in values.items())
    return Trial(0, f"{QUEUED}{number}", name, dict(values))
