"""Two of the experiments that ship with the repository, run for real: they lean on more than the others do."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def results(project: Any, name: str, *words: str) -> tuple[int, list[dict[str, str]]]:
    """Run one of our experiments in the project; its exit code and the rows of results.csv."""
    shutil.copytree(EXPERIMENTS, project.root / "experiments", dirs_exist_ok=True)
    done = project.verb(f"+experiment={name}", *words)
    with (project.root / "runs" / name / "results.csv").open(newline="") as file:
        return done.code, list(csv.DictReader(file))


def test_a_version_that_fails_and_one_that_works(project: Any) -> None:
    """The first pin fails with an ImportError, the next one works on the same warm pool, without a network."""
    code, rows = results(project, "bump_dependency")
    assert [row["status"] for row in rows] == ["failed", "completed", "completed"]
    assert rows[0]["failure"] == "dependency"
    assert rows[0]["message"].startswith("ImportError: cannot import name 'balanced_accuracy' from 'tinymetrics'")
    assert [row["dependencies.tinymetrics"] for row in rows] == ["", "2.0", ">=1"]
    assert [row["pool"] for row in rows] == ["cold", "reused", "reused"]
    assert code == 1


def test_each_trial_goes_on_from_the_one_before(project: Any) -> None:
    """Training ends when the accuracy is reached, later trials having taken over the model of earlier ones."""
    code, rows = results(project, "until_accuracy", "hyperparameters.epochs=5", "hyperparameters.lr=0.05")
    reached = [float(row["metric.eval_accuracy"]) for row in rows if row["status"] == "completed"]
    assert code == 0
    assert 1 < len(reached) < 10
    assert reached[-1] >= 0.95 > max(reached[:-1])
    assert all(row["status"] == "planned" for row in rows[len(reached) :])
