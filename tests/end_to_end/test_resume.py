"""What happens between two runs: retries, removed folders, a changed declaration, a journal that was put back."""

import os
import shutil
import signal

from sweeper.engine import launch
from tests.end_to_end.conftest import Project, wait_for


def test_retry_opens_failed_trials_and_the_next_run_takes_them(project: Project) -> None:
    """Only the failed trial runs again, as its second attempt; nothing else is trained."""
    assert project.run("hyperparameters.fail=2").code == 1
    assert project.verb("retry", "tiny").out.startswith("reopened 1 of tiny (x=2)")
    ended = project.run("hyperparameters.fail=2")
    assert (ended.code, len(project.begun())) == (1, 4)
    assert [row["attempts"] for row in project.rows()] == ["1", "2", "1"]
    assert "1  to run again: x=2" in ended.err


def test_retry_all_trains_everything_anew(project: Project) -> None:
    """Every finished trial runs again under a new name."""
    project.run()
    project.verb("retry", "tiny", "--all")
    assert project.run().code == 0
    assert (len(project.begun()), [row["attempts"] for row in project.rows()]) == (6, ["2", "2", "2"])


def test_a_finished_sweep_is_finished_for_whoever_comes_later(project: Project) -> None:
    """The same command again trains nothing and prints the same, without its folder too: that finds its jobs by name.

    `verify` finds every invariant holding on the journal and at the service; the journal's bytes stay the same.
    """
    first, second = project.run(), project.run()
    assert (second.code, second.out, len(project.begun())) == (0, first.out, 3)
    before = (project.root / "runs/tiny/journal.db").read_bytes()
    told = project.verb("verify", "tiny")
    assert (told.code, "every invariant holds (the journal and the service)" in told.out) == (0, True)
    assert before == (project.root / "runs/tiny/journal.db").read_bytes()
    shutil.rmtree(project.root / "runs")
    third = project.run()
    assert (third.code, third.out, len(project.begun())) == (0, first.out, 3)
    assert third.err.count("found tiny-") == 3


def test_a_removed_trial_stays_at_the_end_and_a_new_one_is_run(project: Project) -> None:
    """What is still declared is kept, what is not is told and its row stays at the end, what is new is run."""
    project.run()
    ended = project.run("hyperparameters.x=2,3,4")
    told = [(row["index"], row["name"], row["attempts"], row["declared"]) for row in project.rows()]
    assert told[:3] == [("1", "x=2", "1", "true"), ("2", "x=3", "1", "true"), ("3", "x=4", "1", "true")]
    assert told[3:] == [("", "x=1", "1", "false")]
    assert "1 more row in results.csv: no longer declared, their results are kept" in ended.out
    status = project.verb("status", "tiny")
    assert "3 of 3 trials done" in status.out
    assert "2  done: x=2, x=3" in ended.err
    assert "1  not declared any more, their rows stay: x=1" in ended.err
    assert "1  new" in ended.err


def test_an_older_copy_of_the_journal_is_refused(project: Project) -> None:
    """A journal that has lost rows the registry knows of is not gone on with."""
    assert project.run("stop.max_trials=1").code == 0
    journal = project.root / "runs/tiny/journal.db"
    shutil.copy(journal, project.root / "older.db")
    assert project.run().code == 0
    shutil.copy(project.root / "older.db", journal)
    ended = project.run()
    assert (ended.code, "rows are missing at its end" in ended.err) == (2, True)


def test_without_the_engines_state_open_pools_are_known_to_be_gone(project: Project) -> None:
    """When the local engine's folder was removed its jobs are not waited for; the sweep begins their trials again."""
    running = project.start("hyperparameters.wait=60", "pool.watchdog_grace_s=600")
    assert running.stderr is not None
    while "Training" not in running.stderr.readline():
        pass
    running.kill()
    running.communicate()
    assert project.verb("engine", "stop").code == 0
    shutil.rmtree(project.root / ".sweeper")
    ended = project.run("pool.watchdog_grace_s=600", "hyperparameters.wait=0")
    assert ended.code == 0, ended.err
    assert "is gone with the local engine's state" in ended.err


def test_another_sweep_first_closes_what_a_dead_runner_left_open(project: Project) -> None:
    """A pool whose runner died and whose watchdog is gone too is told by every command and closed by the next run."""
    running = project.start("hyperparameters.wait=1", "pool.watchdog_grace_s=600", "name=dead")
    assert running.stderr is not None
    while "completed" not in running.stderr.readline():
        pass
    running.kill()
    running.communicate()
    wait_for(lambda: "InProgress" not in {job["TrainingJobStatus"] for job in project.jobs()}, "its job ends")
    assert "the sweep dead in" in project.verb("list").err
    ended = project.run()
    assert (ended.code, "closing the pools that the sweep dead" in ended.err) == (0, True)
    assert set(project.pools()) <= {"Reused", "Terminated", ""}
    assert project.verb("list").err == ""


def test_a_killed_engine_is_started_again_and_the_sweep_goes_on(project: Project) -> None:
    """SIGKILL of the engine in the middle of training: its job goes on, and every trial completes once."""
    running = project.start("hyperparameters.wait=2")
    wait_for(project.begun, "the first trial trains")
    os.kill(launch.ensure(project.root / ".sweeper/engine").pid, signal.SIGKILL)
    ended = project.ended(running)
    assert ended.code == 0, ended.err
    assert ([row["attempts"] for row in project.rows()], len(project.begun())) == (["1", "1", "1"], 3)
