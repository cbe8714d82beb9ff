"""A sweep as an Optuna study in a file that optuna-dashboard opens. Written from the chain; nothing is read back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sweeper.core.chain import Chain
from sweeper.core.declared import find
from sweeper.core.model import Objective
from sweeper.core.ports import Domains
from sweeper.core.space.optuna_search import as_optuna
from sweeper.core.tracked import SweepEnded, Tracked, TrialEnded

NAME = "optuna.journal"


@dataclass(frozen=True)
class OptunaJournal:
    """Writes the finished trials of a search by Optuna as a study into the sweep's folder."""

    kind: ClassVar[str] = "optuna_journal"
    secrets: ClassVar[tuple[str, ...]] = ()
    repeats: ClassVar[bool] = True
    patience_s: ClassVar[float] = 600.0

    @classmethod
    def unasked(cls, config: Mapping[str, Any]) -> bool:
        """Every search by Optuna leaves its study."""
        return bool((config.get("sweep") or {}).get("optuna"))

    def started(self, sweep: Tracked) -> None:
        """Nothing is written."""

    def trial(self, sweep: Tracked, ended: TrialEnded) -> None:
        """Nothing is written."""

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:
        """Write the file anew. Raises OSError."""
        if self.unasked(sweep.config) and sweep.objective:
            write(sweep.folder, sweep, sweep.objective, ended.chain)


def write(folder: Path, sweep: Tracked, objective: Objective, chain: Chain) -> None:
    """Write the finished trials that are declared. Raises OSError."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    unfinished = folder / f".{NAME}.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    study = optuna.create_study(
        study_name=sweep.name,
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(unfinished))),
        direction=objective.goal.value,
    )
    domains = _domains(sweep.config["sweep"]["optuna"]["of"])
    for history in chain.trials.values():
        ended = history.jobs and history.finished
        declared = ended and find(sweep, chain, history.id, history.last.intent.index)
        found = as_optuna(history, domains, objective) if declared else None
        if found is not None:
            study.add_trial(found)
    unfinished.chmod(0o600)
    unfinished.replace(folder / NAME)


def _domains(declared: Mapping[str, Any]) -> Domains:
    """The domains as an experiment file writes them; a plain list is a choice."""
    parts = {key.lstrip("+"): spec for key, spec in declared.items()}
    return {k: next(iter(spec.items())) if isinstance(spec, Mapping) else ("choice", spec) for k, spec in parts.items()}
