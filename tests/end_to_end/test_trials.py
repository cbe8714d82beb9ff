"""What people say of single trials of an idle sweep: numbers, names, skips, retries and queued ones."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.conftest import Project

TWO = ("sweep.grid={hyperparameters.x: [1.0, 10.0]}", "stop.max_trials=1")


def rows_of(project: Project) -> list[dict[str, Any]]:
    """What `status --json` says now."""
    return list(json.loads(project.verb("status", "tiny", "--json").out)["rows"])


def test_what_is_asked_of_an_idle_sweep_is_known_at_once_and_can_be_undone(project: Project) -> None:
    """`skip`, `add` and `retry` show in `status` and `plan` before any run; no number leaves out another trial."""
    assert "trial 1/2 x=1.0" in project.run(*TWO).err
    skipped = project.verb("skip", "tiny", "2")
    assert (skipped.code, "x=10.0" in skipped.out) == (0, True)
    assert [(row["index"], row["status"]) for row in rows_of(project)] == [(1, "completed"), (2, "stopped")]
    assert rows_of(project)[1]["message"] == "skipped by `sweeper skip`"
    assert "2 trials: 1 done, 1 left out, 0 to run" in project.verb("plan", "+experiment=tiny", TWO[0]).out
    assert project.verb("retry", "tiny").out == "tiny: nothing to reopen\n"
    assert "taken in again" in project.verb("skip", "tiny", "x=10", "--undo").out
    assert "was not skipped" in project.verb("skip", "tiny", "x=10", "--undo").out
    assert project.verb("add", "tiny", "hyperparameters.x=7").code == 0
    assert "reopened 1 of tiny (x=1.0)" in project.verb("retry", "tiny", "--trial", "1").out
    told = project.verb("plan", "+experiment=tiny", TWO[0]).out
    assert "3 trials: 0 done, 3 to run" in told and "   3  x=7  planned" in told
    assert "   1  x=1.0  completed, to run again" in told
    assert [(row["index"], row["name"], row["status"]) for row in rows_of(project)] == [
        (1, "x=1.0", "completed"),
        (2, "x=10.0", "planned"),
        (3, "x=7", "planned"),
    ]
    assert "0 of 3 trials done" in project.verb("status", "tiny").out
    ended = project.run(TWO[0])
    assert ended.code == 0, ended.err
    assert "trial 3/3 x=7" in ended.err
    assert [(row["name"], row["attempts"]) for row in project.rows()] == [("x=1.0", "2"), ("x=10.0", "1"), ("x=7", "1")]
    assert project.verb("logs", "tiny", "3").out == project.verb("logs", "tiny", "x=7.0").out == "score=70.0\n"


def test_a_skipped_trial_without_a_job_is_opened_by_name_and_by_all(project: Project) -> None:
    """Nothing half-done is left in the journal: what cannot be named is not asked for."""
    assert project.run(*TWO).code == 0
    assert project.verb("skip", "tiny", "2").code == 0
    assert project.verb("stop", "tiny").code == 0
    assert "1 finished" not in project.verb("list").err
    opened = project.verb("retry", "tiny", "--all")
    assert (opened.code, "(x=1.0, x=10.0)" in opened.out) == (0, True)
    unknown = project.verb("retry", "tiny", "--trial", "3")
    assert (unknown.code, "has no such trial" in unknown.err) == (2, True)


def test_part_of_a_name_is_enough_where_it_is_clear(project: Project) -> None:
    """On a wider grid `x=1` names two trials, and says which; with another value it names one."""
    assert project.run("hyperparameters.x=1,2", "hyperparameters.wait=0,0.01").code == 0
    several = project.verb("logs", "tiny", "x=1")
    assert (several.code, "2 trials of tiny: x=1,wait=0 (number 1), x=1,wait=0.01 (number 2)" in several.err) == (
        2,
        True,
    )
    assert project.verb("logs", "tiny", "wait=0,x=2.0").out == "score=20.0\n"


def test_a_queued_trial_that_was_left_out_does_not_run(project: Project) -> None:
    """`skip` holds for a trial that `add` has queued and no run has taken yet; so does --undo."""
    assert project.run(*TWO).code == 0
    for value in ("7", "8"):
        assert project.verb("add", "tiny", f"hyperparameters.x={value}").code == 0
        assert project.verb("skip", "tiny", f"x={value}").code == 0
    assert "taken in again" in project.verb("skip", "tiny", "x=8", "--undo").out
    assert "4 trials: 1 done, 1 left out, 2 to run" in project.verb("plan", "+experiment=tiny", TWO[0]).out
    assert project.run(TWO[0]).code == 0
    assert [(row["name"], row["status"]) for row in project.rows()] == [
        ("x=1.0", "completed"),
        ("x=10.0", "completed"),
        ("x=7", "stopped"),
        ("x=8", "completed"),
    ]


def test_one_trial_that_runs_again_leaves_what_was_asked_of_the_next_run(project: Project) -> None:
    """`rerun` takes neither a queued trial nor what is said of one, and tells nothing of the other trials."""
    assert project.run(*TWO).code == 0
    for value in ("7", "8"):
        assert project.verb("add", "tiny", f"hyperparameters.x={value}").code == 0
    assert project.verb("skip", "tiny", "x=8").code == 0
    again = project.verb("rerun", "tiny", "1")
    assert (again.code, "was not added" in again.err, "new" in again.err) == (0, False, False)
    assert project.run(TWO[0]).code == 0
    assert [(row["name"], row["attempts"]) for row in project.rows()] == [
        ("x=1.0", "2"),
        ("x=10.0", "1"),
        ("x=7", "1"),
        ("x=8", ""),
    ]
