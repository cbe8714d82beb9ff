"""The Optuna study that a sweep leaves in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from sweeper.core import events as ev  # noqa: E402
from sweeper.core.chain import fold  # noqa: E402
from sweeper.core.model import Goal, Objective, Trial  # noqa: E402
from sweeper.core.results import Results  # noqa: E402
from sweeper.core.tracked import Tracked, sweep_ended  # noqa: E402
from sweeper.record.remembered import StoredTrials  # noqa: E402
from sweeper.tracking.ledger import Ledger  # noqa: E402
from sweeper.tracking.optuna_journal import NAME, OptunaJournal  # noqa: E402

OF = {"hyperparameters.lr": {"loguniform": [1e-4, 1]}, "hyperparameters.kind": ["a", "b"]}


def job(name: str, lr: float, value: float | None, status: str = "completed") -> list[Any]:
    """A job that came and went."""
    values = {"hyperparameters.lr": lr, "hyperparameters.kind": "b"}
    intent = ev.Intent(name, name * 16, 0, f"lr={lr}", values, 1, "m", 0, 1, "")
    return [intent, ev.Outcome(name, "Completed", status, {} if value is None else {"loss": value})]


def told(folder: Path, events: list[Any], sweep: dict[str, Any], name: str = "x") -> None:
    """Tell it of the end of this sweep, of which the trials a to d are declared."""
    trials = StoredTrials((), [Trial(at, name * 16, name, {}) for at, name in enumerate("abcd")])
    objective, notes, chain = Objective("loss", Goal.MINIMIZE), Ledger(folder, "optuna_journal"), fold(events)
    seen = Tracked(name, folder, {"sweep": sweep}, objective, trials, notes)
    OptunaJournal().ended(seen, sweep_ended(chain, Results((), ()), None))


def test_the_study_can_be_opened(tmp_path: Path) -> None:
    """Every declared trial that has finished is in the study, with its values and its result; a failed one without."""
    events = [*job("a", 0.1, 2.0), *job("b", 0.01, 1.0), *job("c", 0.5, None, "failed"), job("d", 0.2, 0.0)[0]]
    events += job("e", 0.3, 0.5)  # of another script: it is not declared any more
    for _ in range(2):  # writing again replaces the file
        told(tmp_path, events, {"optuna": {"count": 3, "of": OF}})
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / NAME)))
    study = optuna.load_study(study_name="x", storage=storage)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
    assert study.best_trial.user_attrs["job"] == "b"
    assert study.best_params["hyperparameters.lr"] == 0.01
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_other_sweeps_leave_nothing(tmp_path: Path) -> None:
    """A sweep that Optuna does not propose writes no study."""
    told(tmp_path, [], {"grid": {}})
    assert not OptunaJournal.unasked({"sweep": {"grid": {}}})
    assert list(tmp_path.iterdir()) == []
