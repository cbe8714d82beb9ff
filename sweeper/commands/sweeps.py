"""Finding the sweep that a person names: a folder below `runs/`, or the beginning of one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from sweeper.config import project
from sweeper.core.chain import TrialHistory
from sweeper.core.identity import canonical
from sweeper.core.model import Trial
from sweeper.core.remaining import Pace
from sweeper.core.scope import Scope
from sweeper.errors import UsageError
from sweeper.record.stored import StoredSweep, folders

TRIES = ".tries"
"""What the name of the sweep ends with in which `sweeper try` tries something of another."""
NAMED = 5
"""How many trials are named before only their number is told."""
SHORTEST_ID = 4


def find(name: str) -> StoredSweep:
    """The sweep of this name or unambiguous beginning. Raises UsageError, JournalError."""
    by_name = {folder.name: folder for folder in folders(project.here())}
    if name in by_name:
        return StoredSweep(by_name[name])
    near = [folder for folder in by_name if folder.startswith(name)]
    near = [folder for folder in near if not Scope.of(folder)[0].endswith(TRIES)] or near
    if len(near) == 1:
        return StoredSweep(by_name[near[0]])
    if near:
        raise UsageError(f"{name}: more than one sweep begins so: {', '.join(near)}")
    raise UsageError(f"{name}: there is no such sweep{_hint(name, list(by_name))}")


def newest() -> StoredSweep:
    """The sweep that runs, else the one that changed last. Raises UsageError when there is none."""
    stored = [StoredSweep(folder) for folder in folders(project.here())]
    if not stored:
        raise UsageError(f"there is no sweep below {project.here() / 'runs'}")
    return max(stored, key=lambda sweep: (sweep.runner is not None, sweep.changed_at))


def find_trial(sweep: StoredSweep, word: str) -> Trial:
    """The trial of this number, id, name, or of a part of one that only it has. Raises UsageError.

    `lr=10` is the trial whose lr is 10.0. What is all digits is a number. A name means the trial that is declared now
    rather than those of earlier versions.
    """
    trials = sweep.trials
    near = next((matching for matches in _WAYS if (matching := [t for t in trials if matches(t, word)])), [])
    near = [trial for trial in near if trial.index >= 0] or near
    if len(near) == 1:
        return near[0]
    if near:
        more = f", and {len(near) - NAMED} more" if len(near) > NAMED else ""
        names = ", ".join(f"{trial.name} ({_called(trial)})" for trial in near[:NAMED])
        raise UsageError(f"{word}: {len(near)} trials of {sweep.name}: {names}{more}")
    raise UsageError(f"{word}: {sweep.name} has no such trial{_hint(word, [t.name for t in trials])}")


BEST = "best"


def chosen(sweep: StoredSweep, word: str) -> TrialHistory:
    """The trial that `best` or a word means, once it has a job. Raises UsageError."""
    if word == BEST:
        if sweep.best is None:
            why = "no trial has completed" if sweep.objective else "it has no objective; name a trial"
            raise UsageError(f"{sweep.name} has no best trial: {why}")
        return sweep.chain.trials[sweep.best["trial"]]
    trial = find_trial(sweep, word)
    history = sweep.chain.trials.get(trial.id)
    if history is None or not history.jobs:
        raise UsageError(f"{trial.name} of {sweep.name}: no job has begun yet")
    return history


def _called(trial: Trial) -> str:
    return f"number {trial.number}" if trial.index >= 0 else trial.id


def _assigned(trial: Trial, word: str) -> bool:
    """Does the trial have every value of `KEY=VALUE,KEY=VALUE`? Numbers are compared as numbers."""
    wanted = [part.partition("=") for part in word.split(",")]
    return all(
        any(_same(value, text) for key, value in trial.values.items() if f".{key}".endswith(f".{name}"))
        for name, equals, text in wanted
    )


def _same(value: Any, text: str) -> bool:
    try:
        return not isinstance(value, (bool, str)) and float(value) == float(text)
    except (TypeError, ValueError):
        return text in (str(value), canonical(value))


_WAYS: Sequence[Callable[[Trial, str], bool]] = (
    lambda trial, word: word.isdecimal() and trial.index >= 0 and trial.number == int(word),
    lambda trial, word: word in (trial.id, trial.name),
    lambda trial, word: len(word) >= SHORTEST_ID and trial.id.startswith(word),
    lambda trial, word: "=" in word and _assigned(trial, word),
    lambda trial, word: not word.isdecimal() and word in trial.name,
)
"""What a word may mean, the first that fits any trial."""


def running_trial(sweep: StoredSweep) -> Trial | None:
    """The trial that runs now, else the one that ran last."""
    jobs = list(sweep.chain.unfinished.values()) or list(sweep.chain.jobs.values())
    if not jobs:
        return None
    intent = jobs[-1].intent
    return Trial(intent.index, intent.trial, intent.label, intent.values)


def progress_of(sweep: StoredSweep) -> tuple[int, int]:
    """(finished, declared) trials of the newest invocation; one that was left out has not finished."""
    rows = sweep.table.declared
    return sum(sweep.chain.is_finished(row["trial"]) for row in rows) - skipped(sweep), len(rows)


def skipped(sweep: StoredSweep) -> int:
    """How many trials of the newest invocation were left out by `sweeper skip`."""
    histories = (sweep.chain.trials.get(row["trial"]) for row in sweep.table.declared)
    return sum(history is not None and history.left_out for history in histories)


def left_s(sweep: StoredSweep, now: float) -> float | None:
    """Seconds that the rest takes if it goes on as it has in this run; None while that is not known."""
    chain, pace = sweep.chain, Pace()
    if not sweep.runner or chain.stopping or chain.decided:
        return None
    for at, event in sweep.events:
        pace = pace.after(event, at)
    rows, most = sweep.table.declared, sweep.said.most_trials
    left = min(len(rows), len(rows) if most is None else most) - sum(chain.is_finished(row["trial"]) for row in rows)
    return pace.left_s(left, now)


def _hint(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(known[:8])}{', ...' if len(known) > 8 else ''}" if known else ""
