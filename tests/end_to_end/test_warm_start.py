"""A search by Optuna that knows what other sweeps have come to."""

from __future__ import annotations

import pytest

from sweeper.core import events as ev
from sweeper.record.journal import read
from tests.end_to_end.conftest import Project

pytest.importorskip("optuna")

SWEEP = "sweep: {grid: {hyperparameters.x: [1, 2, 3]}}\n"
WARM = "sweep: {optuna: {count: 2, startup: 2, warm_start: [first], of: {hyperparameters.x: {uniform: [0, 2]}}}}\n"


def test_what_a_sweep_was_taught_stays_when_the_other_one_is_gone(project: Project) -> None:
    """It is read once, said with what does not fit, and kept in the journal; a sweep that is not there is refused."""
    file = project.root / "experiments/tiny.yaml"
    said = file.read_text()
    file.write_text(said.replace(SWEEP, WARM))
    missing = project.run()
    assert (missing.code, missing.err.splitlines()[-1]) == (
        2,
        "sweeper: experiments/tiny.yaml:12:40: sweep.optuna.warm_start: there is no sweep 'first' in runs/",
    )
    file.write_text(said.replace("name: tiny", "name: first"))
    assert project.run().code == 0
    file.write_text(said.replace(SWEEP, WARM))
    told = "warm start: 2 trials of first; 1 left out: hyperparameters.x has a value that is not proposed here"
    assert told in project.verb("plan", "+experiment=tiny").out
    first = project.run("stop.max_trials=1")
    assert (first.code, told in first.err) == (0, True)
    (project.root / "runs/first/journal.db").rename(project.root / "gone.db")
    second = project.run()
    assert (second.code, "warm start" in second.err, len(project.rows())) == (0, False, 2), second.err
    journal = [event for _, event in read(project.root / "runs/tiny/journal.db")]
    (taught,) = (event for event in journal if isinstance(event, ev.Taught))
    assert taught.trials == [[{"hyperparameters.x": 1}, 10.0], [{"hyperparameters.x": 2}, 20.0]]
    assert told in project.verb("plan", "+experiment=tiny").out
