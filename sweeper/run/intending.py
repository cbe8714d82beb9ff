"""What a job is to be: its name, every value that is decided about it, and the Create of it, the same each time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sweeper.backends import restarts
from sweeper.core import events as ev
from sweeper.core import handover
from sweeper.core.decide import Submit
from sweeper.core.keepalive import keep_alive_s
from sweeper.core.ports import Request
from sweeper.core.request import Revision, Staged, build, differing, digest, fingerprint, job_name, locked_key
from sweeper.errors import LeavesPoolError, LockedChangedError
from sweeper.run.notes import Notes


class Intending:
    """Makes intents and requests of decisions; sends nothing."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._key = locked_key(notes.sweep.locked, notes.sweep.backend)

    def name(self, decision: Submit) -> str:
        """The name of the job of this trial and attempt."""
        sweep = self._notes.sweep
        queued = sweep.backend.through is not None
        scope, trial = self._notes.scope, decision.trial.id
        return job_name(self._notes.owner, scope, sweep.name, trial, decision.attempt, queued=queued)

    def handed_over(self) -> Mapping[str, Any]:
        """What the next trial takes over from those before it."""
        return handover.next_takes(self._notes.sweep, self._notes.chain)

    def intent(
        self,
        name: str,
        decision: Submit,
        config: Mapping[str, Any],
        staged: Staged,
        taken: Mapping[str, Any] | None = None,
    ) -> ev.Intent:
        """The intent of a job: every value that is decided about it."""
        trial, sweep = decision.trial, self._notes.sweep
        keep_alive = keep_alive_s(sweep, self._notes.chain, last=decision.last)
        most, longest = decision.most_s, int(config["job"]["max_runtime_s"])
        return ev.Intent(
            name=name,
            trial=trial.id,
            index=trial.index,
            label=trial.name,
            values=dict(trial.values),
            attempt=decision.attempt,
            fingerprint=fingerprint(self._notes.owner, sweep.name, trial.id, decision.attempt),
            keep_alive_s=keep_alive if sweep.backend.keeps_pool else 0,
            max_runtime_s=longest if most is None else min(most, longest),
            source=staged.source,
            taken=taken or {},
            patches=decision.patches,
            remedy=decision.remedy,
            clamped=decision.clamped if most is not None and most < longest else "",
            commit=staged.revision.commit,
            dirty=staged.revision.dirty,
            restarts=restarts(sweep.backend),
        )

    def request(self, intent: ev.Intent, config: Mapping[str, Any], staged: Staged) -> Request:
        """The Create of this intent, the same each time. Raises LockedChangedError, LeavesPoolError."""
        sweep = self._notes.sweep
        if digest(config["locked"]) != sweep.locked_digest:
            raise LockedChangedError(f"trial {intent.label}: its locked section differs from the frozen one")
        request = build(
            config,
            name=intent.name,
            mark=intent.fingerprint,
            sweep=sweep.name,
            max_runtime_s=intent.max_runtime_s,
            staged=replace(staged, revision=Revision(intent.commit, intent.dirty)),
            region=self._notes.scope.region,
            caches=sweep.caches,
        )
        shaped = sweep.backend.shape(request, intent.keep_alive_s)
        if differences := differing(self._key, shaped):
            raise LeavesPoolError(
                f"trial {intent.label}: its request would leave the pool: {differences}; nothing was sent. "
                f"backend={sweep.backend.kind} must shape every trial's request alike"
            )
        return shaped
