"""Do the swept hyperparameters of a sweep reach its script? Its source is read, nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from sweeper.core import argcheck
from sweeper.core.argcheck import Verdict
from sweeper.core.identity import canonical, path_of, within
from sweeper.core.model import Launch, Sweep, Trial
from sweeper.driver.arguments import HYDRA
from sweeper.errors import UsageError
from sweeper.record.source import Folder, SourceError

SECTION = "hyperparameters"
MOST_TRIALS = 20
"""Trials that are looked at: for scripts of their own, and for what follows a hyperparameter."""


def verdict(sweep: Sweep) -> Verdict | None:
    """What the scripts of a sweep read of what it sweeps; None where nothing is given to a script alone.

    What something else of a job follows (`${...}`) does something all the same: nothing is said of it.
    """
    swept = [*_swept(sweep)]
    jobs = [job for job in _jobs(sweep) if Launch(job["launch"]) is not Launch.IMAGE] if swept else []
    found = [_of_job(swept, job, Path(sweep.project)) for job in jobs]
    read = [name for name in swept if any(name in one.read for one in found)]
    names = [name for name in swept if name in read or not _is_followed(sweep, name)]
    if not names or not found:
        return None
    unknown = [name for name in names if name not in read and any(name in one.unknown for one in found)]
    never = {one.name: one for each in found for one in each.unread}
    return Verdict(
        script=found[0].script,
        read=tuple(read),
        unread=tuple(never[name] for name in names if name not in (*read, *unknown)),
        unknown=tuple(unknown),
        why=next((one.why for one in found if one.why), "") if unknown else "",
    )


def warning(sweep: Sweep) -> str:
    """What to say before a sweep runs of hyperparameters that its script never reads; empty when there are none.

    A trial that is run again brings its own source, which is not here.
    """
    found = None if sweep.only else verdict(sweep)
    if found is None or not found.unread:
        return ""
    return f"{SECTION}: {found.script} never reads {_with_what_is_near(found)}: it is ignored or refused there"


def told(found: Verdict) -> str:
    """A verdict in one line."""
    said = [f"{found.script} never reads {_with_what_is_near(found)}"] if found.unread else []
    if found.unknown:
        reads = f"{found.script} reads " if not said else "it reads "
        said.append(f"whether {reads}{', '.join(found.unknown)} cannot be told: {found.why}")
    return "; ".join(said) or f"{found.script} reads {', '.join(found.read)}"


def _with_what_is_near(found: Verdict) -> str:
    return ", ".join(f"{one.name} (it has {one.near})" if one.near else one.name for one in found.unread)


def _swept(sweep: Sweep) -> dict[str, list[str]]:
    """The hyperparameters that a trial may change: the names that are sent, and the keys that change them."""
    found: dict[str, list[str]] = {}
    for key in sweep.trials.keys:
        path = path_of(key, within(sweep.composed))
        if path[0] == SECTION and len(path) > 1:
            found.setdefault(path[1], []).append(key)
    return found


def _is_followed(sweep: Sweep, name: str) -> bool:
    """Does anything else of a job change with this hyperparameter (`${...}`)? Then it does something all the same."""
    others = set[str]()
    for key in _swept(sweep)[name]:
        values = {canonical(t.values[key]): t.values[key] for t in islice(sweep.trials, MOST_TRIALS) if key in t.values}
        for value in values.values():
            try:
                config = sweep.resolve(Trial(0, "", name, {key: value}))
            except UsageError:
                return True  # it needs what another axis sets: who knows
            mine = {k: v for k, v in config[SECTION].items() if k != name}
            others.add(canonical({**config, SECTION: mine, "vars": None}))
    return len(others) > 1


def _jobs(sweep: Sweep) -> Iterator[Mapping[str, Any]]:
    """The `job` sections whose scripts differ."""
    elsewhere = any(key.split(".")[0] in ("job", "vars") or "." not in key for key in sweep.trials.keys)
    seen = set[str]()
    for job in _resolved(sweep) if elsewhere else [sweep.composed["job"]]:
        key = canonical([job.get(name) for name in ("launch", "source_dir", "entry_script", "arguments")])
        if key not in seen:
            seen.add(key)
            yield job


def _resolved(sweep: Sweep) -> Iterator[Mapping[str, Any]]:
    for trial in islice(sweep.trials, MOST_TRIALS):
        try:
            yield sweep.resolve(trial)["job"]
        except UsageError:
            continue  # told when it is to be sent


def _of_job(names: list[str], job: Mapping[str, Any], project: Path) -> Verdict:
    entry, styles = str(job["entry_script"]), job.get("arguments") or {}
    by_hydra = [name for name in names if (styles if isinstance(styles, str) else styles.get(name)) == HYDRA]
    if by_hydra:
        return Verdict(entry, unknown=tuple(names), why="Hydra reads what it is given")
    try:
        files = dict(Folder(project / str(job["source_dir"]), project).files())
    except (SourceError, OSError) as error:
        return Verdict(entry, unknown=tuple(names), why=str(error))

    def read(name: str) -> str | None:
        try:
            return files[name].read_text(encoding="utf-8", errors="replace") if name in files else None
        except OSError:
            return None

    return argcheck.check(names, Launch(job["launch"]), entry, files, read)
