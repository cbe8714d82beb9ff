"""best.yaml: what the best trial is, or the best trials that differ in their seed alone, and what runs them again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeper.core.grouped import of_a_metric
from sweeper.core.identity import flatten
from sweeper.core.model import Objective
from sweeper.core.repeats import Group
from sweeper.core.results import METRIC, Results, Row, best_of, grouped, name_of
from sweeper.core.secrets import MASK
from sweeper.core.space.declared import ROUND
from sweeper.core.text import harmless
from sweeper.driver.arguments import override_value
from sweeper.show.best import best_line
from sweeper.show.plain import as_yaml


@dataclass(frozen=True)
class Best:
    """The best row, the configuration that its trial ran with, and that of its sweep: on which engine and backend."""

    row: Row
    config: Mapping[str, Any]
    sweep: Mapping[str, Any] = field(default_factory=dict)
    table: Results = field(default_factory=lambda: Results((), ()))
    """All rows: the best one may be of a group."""

    @property
    def overrides(self) -> list[str]:
        """What makes its experiment this one trial, whatever it sweeps and whatever the command line said to it.

        Where it is one of a group, the whole group: its seed counts up from the lowest one.
        """
        kinds = ((group, (self.sweep.get(group) or {}).get("kind")) for group in ("engine", "backend"))
        where = [f"{group}={kind}" for group, kind in kinds if kind]
        chosen = {s: self.config.get(s) or {} for s in ("locked", "job", "hyperparameters", "dependencies")}
        pairs = [(path, value) for path, value in flatten(chosen) if value not in (None, {}) and MASK not in str(value)]
        if not pairs:
            return []
        fixed = (f"{_set(path)}={override_value(self._first(path, value))}" for path, value in pairs)
        return [*where, "sweep=null", *fixed, *self._repeated()]

    def group(self, objective: Objective) -> Group[Row] | None:
        """The group that it is of; None without `repeat`."""
        return best_of(self.table, objective) if self.table.seed else None

    def _first(self, path: tuple[str, ...], value: Any) -> Any:
        return min(self._seeds, default=value) if ".".join(path) == self.table.seed else value

    def _repeated(self) -> Iterator[str]:
        if self.table.seed:
            yield f"++sweep.repeat.times={len(self._members)}"
            yield f"++sweep.repeat.seed={'null' if self.table.seed == ROUND else self.table.seed}"

    @property
    def _members(self) -> Sequence[Row]:
        """The rows that differ from it in their seed alone, and its own."""
        every = grouped(self.table, "")
        return next(group.members for group in every if any(row is self.row for row in group.members))

    @property
    def _seeds(self) -> list[int]:
        return [row[self.table.seed] for row in self._members if isinstance(row[self.table.seed], int)]


def _set(path: tuple[str, ...]) -> str:
    """A key, set whether it is there or not; one whose name has dots itself is never added."""
    return ("" if any("." in part for part in path) else "++") + ".".join(path)


def to_best(sweep: str, folder: str, best: Best, objective: Objective) -> str:
    """best.yaml: what the best trial is, and what runs it again. `sweep` is the experiment, `folder` below runs/."""
    row, value, words = best.row, best.row[f"metric.{objective.metric}"], best.overrides
    group = best.group(objective)
    together = [f"The best of {sweep}: {best_line(best.table, row, objective)}."] if group else []
    alone = "All of them" if group else "Alone"
    head = [
        *(together or [f"The best trial of {sweep}: {objective.metric} = {value} ({objective.goal.value})."]),
        f"Run {'that trial' if group else 'it'} again exactly: sweeper rerun {folder} best",
        *([f"Its model: sweeper pull {folder} best"] if row["model"] else []),
        f"{alone}, whatever its experiment sweeps: python -m sweeper +experiment={sweep} {_line(words)}",
    ]
    summary = {"trial": row["trial"], "name": row["name"], "metric": {objective.metric: value}, "model": row["model"]}
    values = {"hyperparameters": best.config.get("hyperparameters") or {}, "overrides": words}
    told = {"group": group_told(best.table, group, objective)} if group else {}
    return "".join(f"# {harmless(line)}\n" for line in head) + as_yaml({**summary, **told, **values})


def group_told(table: Results, group: Group[Row], objective: Objective) -> dict[str, Any]:
    """A group as plain values: what it comes to, and its trials."""
    column = METRIC + objective.metric
    trials = [{key: row.get(key) for key in ("trial", "name", "status", column)} for row in group.members]
    value = {"over": objective.over.value, "value": group.over(objective)}
    return {"name": name_of(table, group), **value, **of_a_metric(group), "seed": table.seed, "trials": trials}


def _line(words: Iterable[str]) -> str:
    return " ".join(map(_shell, words))


def _shell(text: str) -> str:
    """A word as a shell reads it, on one line and without anything that a terminal obeys."""
    if harmless(text) != text:
        escaped = (f"\\U{ord(c):08x}" if harmless(c) != c or c in "'\\" else c for c in text)
        return "$'" + "".join(escaped) + "'"
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else "'" + text.replace("'", "'\\''") + "'"
