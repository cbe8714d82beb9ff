"""The result files: results.csv, results.jsonl, best.yaml, config.yaml; each is written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from sweeper.core.chain import Chain
from sweeper.core.declared import find
from sweeper.core.identity import flatten
from sweeper.core.model import Objective, Sweep
from sweeper.core.remedies import config_of
from sweeper.core.results import Results, Row, best, filling, results
from sweeper.core.secrets import MASK, Redactor, masked
from sweeper.core.text import harmless
from sweeper.driver.arguments import override_value
from sweeper.errors import SweeperError
from sweeper.record.atomic import write_atomically

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast where PyYAML was built with libyaml


def cell(value: Any) -> str:
    """A value as results.csv shows it: unknown is empty, NaN is nan, what is not a scalar is canonical JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def to_csv(table: Results) -> str:
    """The table as CSV, its columns in order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([cell(row.get(column)) for column in table.columns] for row in table.rows)
    return text.getvalue()


def to_jsonl(table: Results) -> str:
    """The table as one JSON object a line; NaN and the infinities are null, as JSON has no word for them."""
    return "".join(json.dumps(as_json(table, row), ensure_ascii=False) + "\n" for row in table.rows)


def as_json(table: Results, row: Row) -> Row:
    """A row as strict JSON can hold it."""
    cells = {column: row.get(column) for column in table.columns}
    return strict(cells)


def strict(found: Mapping[str, Any]) -> Row:
    """A mapping as strict JSON can hold it: NaN and the infinities are null."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in found.items()}


@dataclass(frozen=True)
class Best:
    """The best row, the configuration that its trial ran with, and that of its sweep: on which engine and backend."""

    row: Row
    config: Mapping[str, Any]
    sweep: Mapping[str, Any] = field(default_factory=dict)

    @property
    def overrides(self) -> list[str]:
        """What makes its experiment this one trial, whatever it sweeps and whatever the command line said to it."""
        kinds = ((group, (self.sweep.get(group) or {}).get("kind")) for group in ("engine", "backend"))
        where = [f"{group}={kind}" for group, kind in kinds if kind]
        chosen = {s: self.config.get(s) or {} for s in ("locked", "job", "hyperparameters", "dependencies")}
        pairs = [(path, value) for path, value in flatten(chosen) if value not in (None, {}) and MASK not in str(value)]
        return (
            [*where, "sweep=null", *(f"{_set(path)}={override_value(value)}" for path, value in pairs)] if pairs else []
        )


def _set(path: tuple[str, ...]) -> str:
    """A key, set whether it is there or not; one whose name has dots itself is never added."""
    return ("" if any("." in part for part in path) else "++") + ".".join(path)


def to_best(sweep: str, folder: str, best: Best, objective: Objective) -> str:
    """best.yaml: what the best trial is, and what runs it again. `sweep` is the experiment, `folder` below runs/."""
    row, value, words = best.row, best.row[f"metric.{objective.metric}"], best.overrides
    head = [
        f"The best trial of {sweep}: {objective.metric} = {value} ({objective.goal.value}).",
        f"Run it again exactly: sweeper rerun {folder} best",
        *([f"Its model: sweeper pull {folder} best"] if row["model"] else []),
        f"Alone, whatever its experiment sweeps: python -m sweeper +experiment={sweep} {' '.join(map(_shell, words))}",
    ]
    summary = {"trial": row["trial"], "name": row["name"], "metric": {objective.metric: value}, "model": row["model"]}
    values = {"hyperparameters": best.config.get("hyperparameters") or {}, "overrides": words}
    return "".join(f"# {harmless(line)}\n" for line in head) + as_yaml({**summary, **values})


def as_yaml(value: Any) -> str:
    """A plain value as YAML."""
    return str(yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True))


def _shell(text: str) -> str:
    """A word as a shell reads it, on one line and without anything that a terminal obeys."""
    if harmless(text) != text:
        escaped = (f"\\U{ord(c):08x}" if harmless(c) != c or c in "'\\" else c for c in text)
        return "$'" + "".join(escaped) + "'"
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def write_results(sweep: Sweep, chain: Chain, folder: Path, redact: Redactor) -> tuple[Results, Row | None]:
    """Write the result files of a sweep as it stands; returns the table and its best row. Raises OSError."""
    table = results(sweep, chain, filling(sweep, redact), sweep.rate)
    chosen = best(table, sweep.objective)
    details = _best(sweep, chain, chosen, redact) if chosen else None
    write_all(folder, sweep.name, table, details, sweep.objective)
    return table, chosen


def _best(sweep: Sweep, chain: Chain, row: Row, redact: Redactor) -> Best | None:
    intent = chain.trials[row["trial"]].result.intent
    trial = find(sweep, chain, intent.trial, intent.index)
    if trial is None:
        return None
    decides = {**trial.values, **intent.patches}
    try:
        config = masked(config_of(sweep, trial, intent.patches, intent.taken), redact, decides)
        return Best(row, config, sweep.composed)
    except SweeperError:
        return Best(row, {})  # what it ran with is not known any more


def write_all(folder: Path, sweep: str, table: Results, found: Best | None, objective: Objective | None) -> None:
    """Write results.csv, results.jsonl and best.yaml (which is removed when there is no best trial)."""
    write_atomically(folder / "results.csv", to_csv(table))
    write_atomically(folder / "results.jsonl", to_jsonl(table))
    if found and objective:
        write_atomically(folder / "best.yaml", to_best(sweep, folder.name, found, objective))
    else:
        (folder / "best.yaml").unlink(missing_ok=True)
