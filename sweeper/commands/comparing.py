"""`sweeper plan --compare`: the experiment on every backend, and on other machines. Nothing is sent but questions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from sweeper.commands.candidates import candidates
from sweeper.commands.output import tell_json
from sweeper.commands.planned import Planned
from sweeper.commands.say import complain, tell
from sweeper.core import paces
from sweeper.core.comparison import BreakEven, Compared, Comparison, OfWay, compared
from sweeper.core.machines import choices
from sweeper.core.model import Sweep
from sweeper.core.paces import Assumed
from sweeper.core.words import counted, span
from sweeper.errors import UsageError
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


def show(sweep: Sweep, types: Mapping[str, float | None], *, as_json: bool) -> int:
    """Print the comparison; returns the exit code."""
    for warning in sweep.warnings:
        complain(f"warning: {warning}")
    found = _Comparing(Planned(sweep), types)
    if as_json:
        tell_json(found.told)
    else:
        tell("\n".join(found.lines()))
    return 0


class BackendsCompared(TypedDict):
    """What is left of an experiment on every backend, by estimate."""

    jobs: int
    rows: list[OfWay]
    """The experiment's own backend first."""
    break_even: BreakEven
    """Where another backend gets better."""
    sentence: str
    assumed: dict[str, Assumed]
    """By instance type."""


class _Comparing:
    """One planned sweep, compared."""

    def __init__(self, planned: Planned, types: Mapping[str, float | None]) -> None:
        self._planned, self._sweep = planned, planned.sweep
        self._past = list(past.seen(Path(self._sweep.project), planned.connection.scope, self._sweep.name))
        own = [one.instance_type for one in choices(self._sweep.locked)]
        seconds = {**{kind: types.get(kind) for kind in own}, **types}
        self.given = {kind: self._given(kind, train_s) for kind, train_s in seconds.items()}
        jobs = planned.jobs or len(self._sweep.trials)
        self.comparison = Comparison([compared(self._sweep, jobs, one) for one in candidates(planned, self.given)])

    def _given(self, kind: str, train_s: float | None) -> Assumed:
        given = paces.assumed(self._sweep, self._planned.chain, self._past, kind)
        if train_s is None:
            return given
        return replace(given, train_s=train_s, sources={**given.sources, "train_s": "as --on says"})

    @property
    def told(self) -> BackendsCompared:
        """The comparison as one JSON object."""
        return {
            "jobs": self.comparison.jobs,
            "rows": [one.row for one in self.comparison.every],
            "break_even": self.comparison.break_even,
            "sentence": self.comparison.sentence,
            "assumed": self.given,
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
    seconds = (row["start_s"], row["run_s"], row["idle_s"], row["wait_s"], row["wall_s"])
    unknown = "?" if one.all_jobs else "-"
    times = [unknown if each is None else span(each) for each in seconds]
    money = "-" if one.usd is None else f"{one.usd:.2f}"
    return (one.kind, one.candidate.instance_type, str(one.at_once), *times, money)
