"""The sweep of its own that a try runs in, and the outside of it: the source as it is now, all else as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sweeper.commands.as_it_was import config_of
from sweeper.commands.sweeps import TRIES
from sweeper.commands.tried import Base, note_of, tries_of
from sweeper.core.model import Sweep, Trial
from sweeper.core.request import Staged, digest
from sweeper.core.scope import Scope
from sweeper.errors import UsageError
from sweeper.record.atomic import write_atomically
from sweeper.record.remembered import StoredTrials
from sweeper.record.source import Folder, SourceError
from sweeper.record.stored import StoredSweep
from sweeper.run.session import Session
from sweeper.run.world import World


def trying(stored: StoredSweep, base: Base, as_it_was: Sweep, *, leaves_warm: bool) -> Sweep:
    """The sweep that one more try runs in, of the trial as it ran. The same source again is a next attempt at the try.

    Raises UsageError when the source cannot be read.
    """
    config = as_it_was.resolve(Trial(0, base.trial, base.name, {}))
    source = _source_digest(as_it_was, config)
    id_ = digest([base.sweep, base.trial, source])[:16]
    before = tries_of(stored)
    known = [trial for trial in before.trials if trial.index >= 0 and trial.id != id_] if before else []
    history = stored.chain.trials[base.trial]
    index = next((t.index for t in before.trials if t.id == id_ and t.index >= 0), len(known)) if before else 0
    trial = Trial(index, id_, f"{base.name} #{index + 1}", dict(history.result.intent.values))

    def resolve(which: Trial, taken: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        return config if which.id == id_ or before is None else config_of(before, which.id)

    name, _ = Scope.of(stored.name)
    return replace(
        as_it_was,
        name=name + TRIES,
        digest=id_,
        source_digest=source,
        trials=StoredTrials(tuple(trial.values), [*known, trial]),
        resolve=resolve,
        composed={**as_it_was.composed, "name": name + TRIES, "sweep": {}},
        seed="",
        trackers=(),
        only=id_,
        leaves_warm=leaves_warm,
    )


def session(base: Base, trial: str, where: Staged) -> type[Session]:
    """An invocation that stages the source as it is now; data and output stay where they were."""

    class Trying(Session):
        """The outside of a try."""

        def open(self, stack: ExitStack) -> None:
            super().open(stack)
            write_atomically(note_of(self.folder, trial), json.dumps(asdict(base)))

        def world(self) -> World:
            world = super().world()

            def stage(config: Mapping[str, Any]) -> Staged:
                now = world.stage({**config, "job": {**config["job"], "inputs": {}}})
                return replace(where, source=now.source, revision=now.revision)

            return replace(world, stage=stage)

    return Trying


def _source_digest(sweep: Sweep, config: Mapping[str, Any]) -> str:
    job, project = config["job"], Path(sweep.project)
    folder = Folder(project / job["source_dir"], project, most_mb=job.get("max_source_mb"))
    try:
        return folder.digest()
    except (SourceError, OSError) as error:
        raise UsageError(f"job.source_dir: {folder.path}: {error}") from error
