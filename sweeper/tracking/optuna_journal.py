"""A sweep as an Optuna study in a file that optuna-dashboard opens. Written from the chain; nothing is read back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.core.chain import Chain
from sweeper.core.declared import find
from sweeper.core.model import Sweep
from sweeper.core.search_optuna import Domains, as_optuna

NAME = "optuna.journal"


def write(folder: Path, sweep: Sweep, chain: Chain) -> None:
    """Write the finished trials of a search by Optuna into its folder; another sweep leaves no such file."""
    declared = (sweep.composed.get("sweep") or {}).get("optuna")
    if not declared or sweep.objective is None:
        return
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    unfinished = folder / f".{NAME}.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    study = optuna.create_study(
        study_name=sweep.name,
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(unfinished))),
        direction=sweep.objective.goal.value,
    )
    domains = _domains(declared["of"])
    for history in chain.trials.values():
        ended = history.jobs and history.finished
        declared = ended and find(sweep, chain, history.id, history.last.intent.index)
        found = as_optuna(history, domains, sweep.objective) if declared else None
        if found is not None:
            study.add_trial(found)
    unfinished.chmod(0o600)
    unfinished.replace(folder / NAME)


def _domains(declared: Mapping[str, Any]) -> Domains:
    """The domains as an experiment file writes them; a plain list is a choice."""
    parts = {key.lstrip("+"): spec for key, spec in declared.items()}
    return {k: next(iter(spec.items())) if isinstance(spec, Mapping) else ("choice", spec) for k, spec in parts.items()}
