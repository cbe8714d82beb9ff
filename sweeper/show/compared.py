"""Sweeps beside each other: in a plain table for a terminal, as plain values for `--json`, and as data for a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

from sweeper.core.as_json import Number, number
from sweeper.core.events import TrialStatus
from sweeper.core.model import Objective
from sweeper.core.results import best
from sweeper.core.side_by_side import Match, Side, differences, matched, metric_of, paired, value
from sweeper.core.words import cell, counted, span
from sweeper.record.stored import StoredSweep
from sweeper.show.best import best_name
from sweeper.show.files import as_json as row_as_json
from sweeper.show.plain import shown
from sweeper.show.table import short_names

VERSION = 1
MOST_LETTERS = 40
"""Of a value in the table of a terminal."""
DIGITS = 12
"""Of a digest: enough to tell two apart."""
MOST_MATCHES = 50
"""Matched trials in the table of a terminal."""


@dataclass(frozen=True)
class Compared:
    """Two sweeps or more, the first of which is what the others are measured against."""

    sides: Sequence[Side]

    @cached_property
    def objective(self) -> Objective | None:
        """What they are compared by."""
        return metric_of(self.sides)

    @cached_property
    def differs(self) -> Mapping[str, list[Any]]:
        """What their declarations differ in."""
        return differences(self.sides)

    @cached_property
    def matches(self) -> Sequence[Match]:
        """The trials that they share."""
        return matched(self.sides)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The free parameters, as short as they stay clear."""
        return short_names(list(dict.fromkeys(key for match in self.matches for key in match.values)))


def side_of(sweep: StoredSweep) -> Side:
    """A sweep as its folder tells it."""
    opened = sweep.chain.opened
    return Side(
        sweep.name,
        sweep.table,
        sweep.objective,
        sweep.config,
        sweep.state,
        opened.source_digest[:DIGITS] if opened else "",
        sweep.tags,
        sweep.cost_usd,
        not sweep.on_aws,
    )


# -- in words -----------------------------------------------------------------------------------------------------


def totals(side: Side) -> dict[str, str]:
    """A sweep at a glance, each with its heading."""
    usd = "unknown" if side.cost_usd is None else f"{side.cost_usd:.4f}{' (simulated)' if side.simulated else ''}"
    return {
        "state": side.state,
        "trials done": f"{_finished(side)} of {len(side.table.declared)}",
        "best": best_name(side.table, side.objective) or "none",
        "training": "unknown" if side.train_seconds is None else span(side.train_seconds),
        "usd": usd,
        "tags": ", ".join(side.tags),
    }


def verdicts(compared: Compared) -> Iterator[str]:
    """How each of the others comes out against the first one, where both have the same trials."""
    if compared.objective is not None:
        for number in range(1, len(compared.sides)):
            yield _verdict(compared, number, compared.objective)


def _verdict(compared: Compared, number: int, objective: Objective) -> str:
    name, first = compared.sides[number].name, compared.sides[0].name
    pairs = paired(compared.matches, number, objective)
    gain = pairs.differences
    if not gain.n:
        return f"{name} and {first} have no trial in common that both have completed with {objective.metric}"
    spread = "" if gain.deviation is None else f" ± {shown(gain.deviation)}"
    same = gain.n - pairs.better - pairs.worse
    return (
        f"{objective.metric} of {name} is {gain.mean:+.6g}{spread} against {first} "
        f"in {counted(gain.n, 'matched trial')} ({objective.goal.value}): "
        f"better in {pairs.better}, worse in {pairs.worse}{f', the same in {same}' if same else ''}"
    )


def tables(compared: Compared) -> Iterator[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    """What a terminal shows: heads and rows, table by table."""
    names = [side.name for side in compared.sides]
    told = [totals(side) for side in compared.sides]
    yield ("", *names), [(heading, *(one[heading] for one in told)) for heading in told[0]]
    differs = [(key, *map(_short, values)) for key, values in compared.differs.items()]
    yield ("differs in", *names), differs or [("nothing that is declared", *("" for _ in names))]
    yield (
        (*compared.labels.values(), *names),
        [(*map(_short, match.values.values()), *_cells(compared, match)) for match in compared.matches[:MOST_MATCHES]],
    )


def _cells(compared: Compared, match: Match) -> Iterator[str]:
    for row in match.rows:
        found = value(row, compared.objective)
        yield "" if row is None else str(row["status"]) if found is None else shown(found)


def _short(value_: Any) -> str:
    text = shown(value_)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def _finished(side: Side) -> int:
    return sum(TrialStatus(row["status"]).finished for row in side.table.declared)


# -- as plain values ----------------------------------------------------------------------------------------------


class _SideTold(TypedDict):
    sweep: str
    state: str
    trials: int
    finished: int
    train_seconds: float | None
    cost_usd: float | None
    cost_simulated: bool
    tags: list[str]


class ComparedSweep(_SideTold):
    """A sweep beside others."""

    best: dict[str, Any] | None
    """Its row of results.csv."""


class MatchedTrials(TypedDict):
    """The trials with the same free values, one of each sweep that has one."""

    values: dict[str, Any]
    trials: list[str | None]
    metric: list[Number | None]
    """What each has come to by the objective of the first sweep that has one."""


class ComparedSweeps(TypedDict):
    """Sweeps beside each other."""

    sweeps: list[ComparedSweep]
    differs: dict[str, list[Any]]
    """What their declarations differ in: by key, what each says."""
    metric: str | None
    matched: list[MatchedTrials]
    said: list[str]


def as_json(compared: Compared) -> ComparedSweeps:
    """What `--json` prints."""
    return {
        "sweeps": [{**_plain(side), "best": _best(side)} for side in compared.sides],
        "differs": {key: [*values] for key, values in compared.differs.items()},
        "metric": compared.objective.metric if compared.objective else None,
        "matched": [
            {
                "values": {**match.values},
                "trials": [row["trial"] if row else None for row in match.rows],
                "metric": [_number(value(row, compared.objective)) for row in match.rows],
            }
            for match in compared.matches
        ],
        "said": [*verdicts(compared)],
    }


def _number(found: float | None) -> Number | None:
    return None if found is None else number(found)


def _best(side: Side) -> dict[str, Any] | None:
    row = best(side.table, side.objective)
    return row_as_json(side.table, row) if row else None


def _plain(side: Side) -> _SideTold:
    return {
        "sweep": side.name,
        "state": side.state,
        "trials": len(side.table.declared),
        "finished": _finished(side),
        "train_seconds": side.train_seconds,
        "cost_usd": side.cost_usd,
        "cost_simulated": side.simulated,
        "tags": list(side.tags),
    }


def page_data(compared: Compared, links: Sequence[str]) -> dict[str, Any]:
    """What the page shows; `links` lead to the sweeps' own pages, empty where there is none."""
    names, objective = [side.name for side in compared.sides], compared.objective
    return {
        "version": VERSION,
        "name": " · ".join(names),
        "summary": [*verdicts(compared)],
        "sides": [
            {"name": s.name, "link": at, "totals": totals(s)} for s, at in zip(compared.sides, links, strict=True)
        ],
        "objective": objective and {"metric": objective.metric, "goal": objective.goal.value},
        "differs": [[key, [cell(one) for one in values]] for key, values in compared.differs.items()],
        "labels": list(compared.labels.values()),
        "matched": [
            {
                "values": [shown(one) for one in match.values.values()],
                "cells": [*_cells(compared, match)],
                "metric": [value(row, objective) for row in match.rows],
            }
            for match in compared.matches
        ],
        "courses": [_course(side, objective) for side in compared.sides],
    }


def _headed(side: Side, link: str) -> dict[str, Any]:
    return {"name": side.name, "link": link, "totals": totals(side)}


def _course(side: Side, objective: Objective | None) -> list[float]:
    """The best value so far as one trial after another ended."""
    if objective is None:
        return []
    rows = sorted(side.table.declared, key=lambda row: str(row.get("ended_at") or "~"))
    course: list[float] = []
    for row in rows:
        if (found := value(row, objective)) is not None:
            course.append(found if not course or objective.goal.better(found, course[-1]) else course[-1])
    return course
