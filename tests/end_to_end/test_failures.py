"""The rows of the failure table that the platform causes, produced for real on an engine; the scripts' own rows are in
test_run.py (a traceback) and test_iterating.py (memory, no output), the dependency's in test_patterns.py.
"""

from __future__ import annotations

from pathlib import Path

from sweeper.engine import launch
from sweeper.run.registry import Registry
from tests.end_to_end.conftest import Project, wait_for
from tests.engine.conftest import kill_container
from tests.forked import start_engine

HELD = """\
import os, pathlib, time
with pathlib.Path(os.environ["BEGAN"]).open("a") as file:
    file.write(f"{os.getpid()}\\n")
while pathlib.Path(os.environ["BEGAN"]).with_name("hold").exists():
    time.sleep(0.02)
print("score=1")
"""


def hold(project: Project) -> Path:
    """Every script trains until this file is gone."""
    (project.root / "experiments/scripts/tiny/train.py").write_text(HELD)
    file = project.root / "hold"
    file.touch()
    return file


def test_an_internal_error_loses_the_machine_and_the_same_trial_is_sent_again(project: Project) -> None:
    """The host of a job dies: InternalServerError, its pool is gone, the retry starts cold and completes."""
    held = hold(project)
    running = project.start("hyperparameters.x=1", "+on_failure.internal_error={retry: 1}")
    wait_for(project.begun, "the trial trains")
    status = launch.status(project.root / ".sweeper/engine")
    assert status is not None
    kill_container(status["jobs"][0])
    wait_for(lambda: len(project.begun()) == 2, "the second attempt trains")
    held.unlink()
    ended = project.ended(running)
    assert ended.code == 0, ended.err
    (row,) = project.rows()
    assert (row["status"], row["attempts"], row["pool"]) == ("completed", "2", "cold")
    first, second = project.jobs()
    assert first["FailureReason"].startswith("InternalServerError")
    assert first["WarmPoolStatus"] == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}
    assert second["TrainingJobStatus"] == "Completed"
    assert "internal_error" in ended.err


def test_a_quota_of_zero_ends_the_sweep_at_once(fresh_project: Project) -> None:
    """ResourceLimitExceeded with a limit of 0: no waiting helps; one line says what to do, nothing is left behind."""
    start_engine(fresh_project.root / ".sweeper/engine", {"training_quota": {"ml.m5.large": 0}})
    ended = fresh_project.run()
    assert ended.code == 2, ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("sweeper: CreateTrainingJob: ResourceLimitExceeded")
    assert "is 0 Instances" in last
    assert fresh_project.jobs() == []
    assert list(Registry(fresh_project.root / "state/sweeper")) == []
