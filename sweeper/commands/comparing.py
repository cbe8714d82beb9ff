"""`sweeper plan --compare`: the experiment on every backend, and on other machines. Nothing is sent but questions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sweeper import backends
from sweeper.commands.planned import Planned
from sweeper.config import engines
from sweeper.config.instances import unknown_type
from sweeper.config.problems import dotted
from sweeper.core import costs, paces
from sweeper.core.comparison import Candidate, Compared, Comparison, compared
from sweeper.core.machines import choices, of_one_type
from sweeper.core.options import from_section
from sweeper.core.paces import Assume, Assumed
from sweeper.core.ports import Backend
from sweeper.core.words import counted, span
from sweeper.errors import ApiError, UsageError
from sweeper.record import past

_TYPE = re.compile(r"(ml\.[a-z0-9.-]+)(?:=([0-9]+(?:\.[0-9]+)?))?")
_HEADINGS = ("backend", "machine", "at once", "start", "run", "idle", "wait", "ends in", "USD")
_NUMBERS_FROM = 2


def types_of(words: Sequence[str]) -> dict[str, float | None]:
    """What --on says: instance types, and how long a trial trains there where that is said. Raises UsageError."""
    found = {}
    for word in (part.strip() for given in words for part in given.split(",")):
        if not (read := _TYPE.fullmatch(word)):
            raise UsageError(f"--on: {word!r} is no instance type: write ml.FAMILY.SIZE, or ml.FAMILY.SIZE=SECONDS")
        found[read[1]] = float(read[2]) if read[2] else None
    return found


class Comparing:
    """One planned sweep, compared."""

    def __init__(self, planned: Planned, types: Mapping[str, float | None]) -> None:
        self._planned, self._sweep = planned, planned.sweep
        self._past = list(past.seen(Path(self._sweep.project), planned.connection.scope, self._sweep.name))
        own = [one.instance_type for one in choices(self._sweep.locked)]
        seconds = {**{kind: types.get(kind) for kind in own}, **types}
        self.given = {kind: self._given(kind, train_s) for kind, train_s in seconds.items()}
        jobs = planned.jobs or len(self._sweep.trials)
        candidates = [self._candidate(backend, needs, kind) for kind in seconds for backend, needs in self._backends]
        self.comparison = Comparison([compared(self._sweep, jobs, one) for one in candidates])

    def _given(self, kind: str, train_s: float | None) -> Assumed:
        given = paces.assumed(self._sweep, self._planned.chain, self._past, kind)
        if train_s is None:
            return given
        return replace(given, train_s=train_s, sources={**given.sources, "train_s": "as --on says"})

    @property
    def _backends(self) -> Iterator[tuple[Backend, tuple[str, ...]]]:
        """The experiment's own first, then every other one, with what would have to be said for it."""
        yield self._sweep.backend, ()
        composed = self._sweep.composed
        sections = {**composed, "pool": {**composed["pool"], "keep_alive_s": 0}}  # as their own files say
        for kind in backends.KINDS:
            if kind == self._sweep.backend.kind:
                continue
            backend, missing = backends.instead(kind, composed["backend"])
            refused = [] if backend.keeps_pool else backend.refused(sections)
            needs = [f"backend.{name} is missing" for name in missing]
            yield backend, (*needs, *(f"{dotted(path)} {what}" for path, what in refused))

    def _candidate(self, backend: Backend, needs: tuple[str, ...], kind: str) -> Candidate:
        sweep = self._sweep
        locked, region = of_one_type(sweep.locked, kind), engines.region_of(sweep.engine_options)
        rate = costs.rate(sweep.composed.get("prices"), locked, region)
        odd = unknown_type(kind) if rate is None else ""
        machines = self._machines(kind) if backend.through else None
        return Candidate(backend, kind, self.given[kind], rate, (*needs, *([odd] if odd else [])), machines)

    def _machines(self, kind: str) -> int | None:
        """For how many machines of a type the queue has room: as it is assumed, else as the queue says."""
        told = from_section(Assume, self._sweep.composed.get("assume") or {}).queue_machines
        queue = self._sweep.backend.through
        if told is not None or queue is None or not self._sweep.engine.on_aws:
            return told
        from sweeper.aws import queue_state
        from sweeper.aws.batch import calls

        try:
            return queue_state.room(calls(self._planned.connection.clients), queue, kind)
        except (ApiError, UsageError):
            return None

    # -- telling -----------------------------------------------------------------------------------------------

    @property
    def told(self) -> dict[str, Any]:
        """The comparison as one JSON object."""
        return {
            "jobs": self.comparison.jobs,
            "rows": [one.row for one in self.comparison.every],
            "break_even": asdict(self.comparison.break_even),
            "sentence": self.comparison.sentence,
            "assumed": {kind: asdict(given) for kind, given in self.given.items()},
        }

    def lines(self) -> Iterator[str]:
        """The comparison for a person."""
        every = self.comparison.every
        yield f"{self._sweep.name}: {counted(self.comparison.jobs, 'job')} on SageMaker, by estimate; nothing is sent"
        cells = [_HEADINGS, *map(_cells, every)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS))]
        for row in cells:
            yield "  ".join(
                cell.rjust(width) if column >= _NUMBERS_FROM else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        yield from _reasons(every)
        used = [one.candidate.backend for one in every]
        assumed: dict[str, list[str]] = {}
        for kind, given in self.given.items():
            assumed.setdefault(paces.words(given, used), []).append(kind)
        yield from (f"assuming on {', '.join(kinds)}: {words}" for words, kinds in assumed.items())
        yield self.comparison.sentence


def _reasons(every: Sequence[Compared]) -> Iterator[str]:
    """Each reason once, and of which rows it is."""
    of: dict[str, list[Compared]] = {}
    for one in every:
        for reason in one.reasons:
            of.setdefault(reason, []).append(one)
    for reason, rows in of.items():
        kinds = dict.fromkeys(one.kind for one in rows)
        types = dict.fromkeys(one.candidate.instance_type for one in rows)
        everywhere = len(types) == len({one.candidate.instance_type for one in every})
        where = "" if everywhere else ", ".join(types)
        whose = f"{next(iter(kinds))} {where}".strip() if len(kinds) == 1 else where
        yield f"{whose}: {reason}"


def _cells(one: Compared) -> tuple[str, ...]:
    row = one.row
    seconds = ("start_s", "run_s", "idle_s", "wait_s", "wall_s")
    unknown = "?" if one.all_jobs else "-"
    times = [unknown if row[name] is None else span(row[name]) for name in seconds]
    money = "-" if one.usd is None else f"{one.usd:.2f}"
    return (one.kind, one.candidate.instance_type, str(one.at_once), *times, money)
