"""The sweeps that a search learns from before it proposes: found below `runs/`, and read when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.config.problems import Problem, nearest
from sweeper.core import events as ev
from sweeper.core.model import Objective
from sweeper.core.space.warm_start import Here, Past
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from sweeper.record.stored import StoredSweep

Teachers = Mapping[str, Callable[[], ev.Taught]]


def teachers(
    names: Sequence[str], project: Path, here: Here, objective: Objective, problem: Callable[[str], Problem]
) -> Teachers:
    """By name what reads a sweep; it raises UsageError when there is none, JournalError when it cannot be read.

    `problem` has the place where they are named.
    """

    def read(name: str) -> ev.Taught:
        from sweeper.record.stored import StoredSweep  # who learns from nobody need not wait for it

        return here.taught(name, _past(StoredSweep(_folder(name, project, problem)), objective))

    return {name: partial(read, name) for name in names}


def _past(stored: StoredSweep, objective: Objective) -> Iterator[Past]:
    """The finished trials of a sweep, in the order in which they were first sent."""
    from sweeper.core.space.optuna_search import value_of

    for history in stored.chain.trials.values():
        if history.jobs and history.finished:
            job = history.result
            result = value_of(job.outcome, objective) if job.outcome else None
            yield Past(job.intent.values, stored.config_of(history.id), result)


def _folder(name: str, project: Path, problem: Callable[[str], Problem]) -> Path:
    """The folder of this name, or the only one of a sweep of this name. Raises UsageError."""
    from sweeper.core.scope import Scope
    from sweeper.record.stored import folders

    known = folders(project)
    found = [at for at in known if at.name == name] or [at for at in known if Scope.of(at.name)[0] == name]
    if len(found) == 1:
        return found[0]
    what = f"there is no sweep {name!r} in runs/{nearest(name, [at.name for at in known])}"
    if found:
        what = f"{name} is {' and '.join(at.name for at in found)}: name one of them"
    wrong = problem(what)
    raise UsageError(str(wrong), [wrong.fault])
