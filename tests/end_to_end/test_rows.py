"""Rows of the fault matrix that need real processes: their streams, files, locks and signals."""

from __future__ import annotations

from tests.end_to_end.conftest import Project, wait_for


def test_row_80_a_closed_stdout_and_stderr_change_nothing(project: Project) -> None:
    """With nobody to read (`| head`, a closed terminal) the sweep runs to its end and its pool is closed."""
    running = project.start("hyperparameters.x=1,2", "hyperparameters.wait=1")
    assert running.stdout is not None
    assert running.stderr is not None
    wait_for(project.begun, "the first trial trains")
    running.stdout.close()
    running.stderr.close()
    running.wait(timeout=60)
    assert running.returncode == 0
    assert [row["status"] for row in project.rows()] == ["completed", "completed"]
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_row_81_83_a_report_that_fails_comes_after_the_release(project: Project) -> None:
    """When the results cannot be written the pool is closed already; once they can, the same command writes them."""
    in_the_way = project.root / "runs/tiny/results.csv/occupied"
    in_the_way.mkdir(parents=True)
    ended = project.run("hyperparameters.x=1,2")
    assert (ended.code, "Traceback" in ended.err) == (1, False)
    assert set(project.pools()) <= {"Reused", "Terminated", ""}
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    assert project.run("hyperparameters.x=1,2").code == 0
    assert [row["metric.score"] for row in project.rows()] == ["10.0", "20.0"]
    assert len(project.begun()) == 2
    assert not list((project.root / "runs/tiny").glob(".results*"))
