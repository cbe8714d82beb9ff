"""Everything that the page of a sweep shows, as plain data: `data(subject)`, a pure function.

One script draws it (static/), so whoever has newer data draws the same page anew. Moments are UTC seconds since the
epoch unless they are text; seconds and dollars that nobody has told are null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sweeper.core.events import TrialStatus
from sweeper.core.grouped import of_a_metric
from sweeper.core.identity import canonical
from sweeper.core.repeats import best_group
from sweeper.core.results import MACHINE, METRIC, PHASES, SAVINGS, Row, equals, grouped, name_of
from sweeper.core.space.domains import LOGARITHMIC
from sweeper.show.plain import as_yaml
from sweeper.show.report import jobs, words
from sweeper.show.report.importance import Parameter, importance
from sweeper.show.report.subject import Subject
from sweeper.show.table import short_names

VERSION = 1
MOST_FAILURES = 60
LOG_RATIO = 100
"""Positive numbers that are so far apart are drawn on a logarithmic axis; so are 1, 2, 4, 8, ..."""
_HIDDEN = (
    "trial", "job_name", "started_at", "ended_at", "billable_seconds", "retained_seconds", "model", "declared",
    "cold_because", "message", "commit", "dirty", "output", "checkpoints", *PHASES,
)  # fmt: skip
_LABELS = {
    "index": "#",
    "name": "trial",
    "trial": "id",
    "train_seconds": "train s",
    "cost_usd": "USD",
    SAVINGS: "saved %",
    MACHINE: "machine",
}
_SECONDS = ("train_seconds", "billable_seconds", "retained_seconds", "interrupted_seconds", *PHASES)


def data(subject: Subject, *, forest: bool = False) -> dict[str, Any]:
    """The page's data. `forest`: importance by Optuna's fANOVA where that is installed: it takes a second or two."""
    parameters = varied(subject)
    timeline = jobs.timeline(subject)
    seeds = _seeds(subject)
    return {
        "version": VERSION,
        "name": subject.name,
        "experiment": subject.experiment,
        "simulated": subject.simulated,
        "running": subject.running,
        "written": subject.now,
        "objective": _objective(subject),
        "summary": [*words.summary(subject, timeline)],
        "tags": list(subject.tags),
        "notes": [{"at": note.at, "text": note.text} for note in subject.notes],
        "tiles": [*words.tiles(subject, timeline)],
        "best": _best(subject),
        "columns": columns(subject),
        "rows": {key: [row.get(key) for row in subject.table.rows] for key in _filled(subject)},
        "logs": [row["trial"] in subject.stored for row in subject.table.rows],
        "order": _order(subject),
        "parameters": [vars(one) for one in parameters],
        "importance": vars(_importance(subject, parameters, forest)),
        "seeds": seeds,
        "curves": _curves(subject),
        "jobs": timeline,
        "phases": jobs.totals(timeline),
        "colds": jobs.colds(subject),
        "failures": _failures(subject),
        "receipt": jobs.receipt(subject),
        "assumptions": [*words.assumptions(subject)],
        "facts": [*words.facts(subject)],
        "config": as_yaml(dict(subject.config)) if subject.config else "",
    }


def varied(subject: Subject) -> list[Parameter]:
    """The parameters that differ between declared trials; not the one that counts repeats."""
    labels, found = short_names(subject.table.parameters), []
    for key in subject.table.parameters:
        values = [value for row in subject.table.declared if (value := row.get(key)) is not None]
        if key == subject.table.seed or len({canonical(value) for value in values}) < 2:
            continue
        number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        found.append(Parameter(key, labels[key], number, number and _is_log(subject.config, key, values)))
    return found


def _is_log(config: Mapping[str, Any], key: str, values: Sequence[float]) -> bool:
    """Declared so, or its values say it."""
    if min(values) <= 0:
        return False
    known = sorted(set(values))
    steps = [after / before for before, after in pairwise(known)]
    even = len(steps) > 1 and max(steps) < 1.01 * min(steps)
    return even or known[-1] / known[0] >= LOG_RATIO or _declared_log(config.get("sweep"), key)


def _declared_log(node: Any, key: str) -> bool:
    if isinstance(node, Mapping):
        domain = node.get(key, node.get(f"+{key}"))
        log = isinstance(domain, Mapping) and not LOGARITHMIC.isdisjoint(domain)
        return log or any(_declared_log(below, key) for below in node.values())
    return isinstance(node, (list, tuple)) and any(_declared_log(below, key) for below in node)


def columns(subject: Subject) -> list[dict[str, Any]]:
    """The columns of the table in order, each with its heading; `shown` are those that a person sees first."""
    labels = {**_LABELS, **short_names(subject.table.parameters)}
    return [
        {
            "key": key,
            "label": labels.get(key) or (key.removeprefix(METRIC) if key.startswith(METRIC) else key.replace("_", " ")),
            "kind": _kind(subject, key),
            "shown": key not in _HIDDEN and not (key == "attempts" and _once(subject)),
        }
        for key in _filled(subject)
    ]


def _once(subject: Subject) -> bool:
    """Has no trial had a second attempt? Then a column of ones says nothing."""
    return all((row.get("attempts") or 0) <= 1 for row in subject.table.rows)


def _kind(subject: Subject, key: str) -> str:
    if key in ("status", "pool", "failure"):
        return "word"
    if key in _SECONDS:
        return "seconds"
    if key == "cost_usd":
        return "usd"
    values = [value for row in subject.table.rows if (value := row.get(key)) is not None]
    return "number" if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values) else "text"


def _filled(subject: Subject) -> list[str]:
    """The columns that are not empty everywhere, metrics and parameters always."""
    always = {*subject.table.parameters, "trial", "name", "index", "status"}
    return [
        key
        for key in subject.table.columns
        if key in always or key.startswith(METRIC) or any(row.get(key) is not None for row in subject.table.rows)
    ]


def _objective(subject: Subject) -> dict[str, str] | None:
    if subject.objective is None:
        return None
    return {"metric": subject.objective.metric, "goal": subject.objective.goal.value, "column": subject.column}


def _order(subject: Subject) -> list[int]:
    """The declared rows in the order in which their last attempts ended."""
    row_of = {row["trial"]: number for number, row in enumerate(subject.table.rows) if row.get("declared", True)}
    last = {job.name for job in subject.last_jobs().values()}
    ended = (job.intent.trial for job in subject.chain.outcomes if job.name in last)
    return [row_of[trial] for trial in ended if trial in row_of]


def _best(subject: Subject) -> dict[str, Any] | None:
    row = subject.best
    if row is None or subject.objective is None:
        return None
    name = subject.name
    commands = [("Run it again, exactly", f"sweeper rerun {name} best"), ("Read its log", f"sweeper logs {name} best")]
    if row.get("model"):
        commands.insert(1, ("Get its model", f"sweeper pull {name} best"))
    return {
        "row": next(number for number, one in enumerate(subject.table.rows) if one is row),
        "ties": equals(subject.table, subject.objective),
        "model": row.get("model"),
        "commands": commands if subject.chain.jobs else [],
    }


def _importance(subject: Subject, parameters: Sequence[Parameter], forest: bool) -> Any:
    done = [row for row in subject.table.declared if row["status"] == TrialStatus.COMPLETED.value]
    goal = subject.objective.goal.value if subject.objective else "maximize"
    return importance(parameters, done, subject.column, goal, forest=forest)


def _seeds(subject: Subject) -> dict[str, Any] | None:
    """The groups of trials that differ in their seed alone."""
    table, objective = subject.table, subject.objective
    if not table.seed or objective is None:
        return None
    found = grouped(table, subject.column)
    chosen = best_group(found, objective)
    number_of = {row["trial"]: number for number, row in enumerate(table.rows)}
    told = [
        {
            "label": name_of(table, group),
            "rows": [number_of[row["trial"]] for row in group.members],
            **of_a_metric(group),
            "value": group.over(objective),
            "best": group is chosen,
        }
        for group in found
    ]
    label = short_names(table.parameters)[table.seed]
    return {"key": table.seed, "label": label, "over": objective.over.value, "groups": told}


def _curves(subject: Subject) -> dict[str, Any]:
    row_of = {row["trial"]: number for number, row in enumerate(subject.table.rows)}
    of = subject.curves.of
    metrics = dict.fromkeys(metric for trial in of.values() for metric in trial)
    first = [subject.objective.metric] if subject.objective and subject.objective.metric in metrics else []
    return {
        "axes": list(subject.curves.axes),
        "metrics": list(dict.fromkeys([*first, *metrics])),
        "left_out": subject.curves.left_out,
        "of": [
            {"row": row_of[trial], "metric": metric, "y": curve.y, **{f"x.{axis}": at for axis, at in curve.at.items()}}
            for trial, curves in of.items()
            for metric, curve in curves.items()
        ],
    }


def _failures(subject: Subject) -> dict[str, Any]:
    """Failures and early ends, those with the same words together, with the last lines of the first one's log."""
    found: dict[tuple[Any, ...], list[tuple[int, Row]]] = {}
    for number, row in enumerate(subject.table.rows):
        bad = row["status"] in (TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value)
        if row.get("declared", True) and (row.get("message") or bad):
            same = (row["status"], row.get("failure"), row.get("message"))
            found.setdefault(same, []).append((number, row))
    order = sorted(found, key=lambda same: same[0] != TrialStatus.FAILED.value)
    kinds = [_failure(subject, same, found[same]) for same in order[:MOST_FAILURES]]
    return {"kinds": kinds, "more": max(0, len(order) - MOST_FAILURES)}


def _failure(subject: Subject, same: tuple[Any, ...], rows: Sequence[tuple[int, Row]]) -> dict[str, Any]:
    tails = (subject.tails.get(row["trial"]) for _, row in rows)
    return {
        "status": same[0],
        "failure": same[1],
        "message": same[2],
        "rows": [number for number, _ in rows],
        "tail": next((list(tail) for tail in tails if tail), []),
    }
