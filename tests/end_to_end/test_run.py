"""The whole way, as a user goes it: a project of one's own, the command line, a real engine that really trains."""

import signal
import subprocess

import pytest

from sweeper.engine import launch
from tests.end_to_end.conftest import Project, wait_for

SCORES = ["10.0", "20.0", "30.0"]


def test_a_grid_runs_on_one_pool_that_is_closed_at_the_end(fresh_project: Project) -> None:
    """The program, started as a user does, starts its engine; each trial is a process, the pool is used and closed."""
    project = fresh_project
    ended = subprocess.run(
        project.command(), cwd=project.root, env=project.environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, SCORES) == (0, [row["metric.score"] for row in project.rows()])
    assert [row["pool"] for row in project.rows()] == ["cold", "reused", "reused"]
    assert len({line.split()[1] for line in project.begun()}) == 3
    assert set(project.pools()) <= {"Reused", "Terminated", ""}
    assert "3 jobs: 1 cold, 2 reused; every pool is closed" in ended.stdout
    assert "best: x=3" in ended.stdout


def test_more_values_on_the_command_line_keep_what_is_finished(project: Project) -> None:
    """A swept key is added to the grid; trials that are the same as before are not run again; -m changes nothing."""
    project.run()
    assert project.run("hyperparameters.x=1,2", "hyperparameters.fail=0,9").code == 0
    declared = ["x=1,fail=0", "x=1,fail=9", "x=2,fail=0", "x=2,fail=9"]
    assert [row["name"] for row in project.rows()] == [*declared, "x=3"]  # which is not declared any more, and stays
    assert len(project.begun()) == 5
    assert project.run("-m", "hyperparameters.x=1,2", "hyperparameters.fail=0,9").code == 0
    assert len(project.begun()) == 5


def test_a_signal_stops_the_job_and_closes_the_pool_and_the_same_command_finishes_the_sweep(project: Project) -> None:
    """A signal in the middle of training ends with 128 + N, nothing running, nothing billing.

    An interrupted trial runs again as its next attempt, the others as their first.
    """
    script = project.root / "experiments/scripts/tiny/train.py"
    held = f"while os.path.exists({str(project.root / 'hold')!r}): time.sleep(0.02)"
    script.write_text(script.read_text().replace("time.sleep(a.wait)", held))
    (project.root / "hold").touch()
    for times, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), start=1):
        running = project.start()
        wait_for(lambda: len(project.begun()) == times, "the first trial trains")  # noqa: B023 - it is called at once
        running.send_signal(number)
        ended = project.ended(running)
        assert ended.code == 128 + number, ended.err
        assert [job["TrainingJobStatus"] for job in project.jobs()] == ["Stopped"] * times
        assert set(project.pools()) <= {"Terminated", ""}
        assert [row["status"] for row in project.rows()] == ["interrupted", "planned", "planned"]
    (project.root / "hold").unlink()
    assert project.run().code == 0
    assert [(row["status"], row["attempts"]) for row in project.rows()] == [
        ("completed", "4"),
        ("completed", "1"),
        ("completed", "1"),
    ]


def test_a_failed_trial_tells_its_cause_and_the_chain_goes_on_warm(project: Project) -> None:
    """One script that raises is one failed row with the root cause; the rest completes on the pool; exit code 1.

    What its environment told it is shown to nobody, and what is written is for its user alone.
    """
    engine = launch.ensure(project.root / ".sweeper/engine")
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(
        script.read_text().replace("does not work", "does not work {os.environ['AWS_SECRET_ACCESS_KEY']}")
    )
    ended = project.run("hyperparameters.fail=2")
    rows = project.rows()
    assert (ended.code, [row["status"] for row in rows]) == (1, ["completed", "failed", "completed"])
    assert (rows[1]["failure"], rows[1]["message"]) == ("algorithm_error", "ValueError: x=2 does not work ***")
    assert [row["pool"] for row in rows] == ["cold", "reused", "reused"]
    assert project.run("hyperparameters.fail=2").code == 1
    assert len(project.begun()) == 3
    written = [path for name in ("runs", "state") for path in (project.root / name).rglob("*")]
    assert not [path for path in written if path.stat().st_mode & 0o077]
    assert not [path for path in written if path.is_file() and engine.secret_key.encode() in path.read_bytes()]


def test_a_killed_runner_loses_nothing_and_the_running_job_is_adopted(project: Project) -> None:
    """After SIGKILL the same command goes on with the job that still runs: one job per trial, nothing run twice."""
    running = project.start("hyperparameters.wait=3", "pool.watchdog_grace_s=60")
    wait_for(project.begun, "the first trial trains")
    running.kill()
    running.wait()
    assert project.run("hyperparameters.wait=3", "pool.watchdog_grace_s=60").code == 0
    assert len(project.begun()) == len(project.jobs()) == 3
    assert [row["attempts"] for row in project.rows()] == ["1", "1", "1"]
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_a_second_runner_of_the_same_sweep_is_refused(project: Project) -> None:
    """While one runner is at work another one exits with 4 and names it."""
    running = project.start("hyperparameters.wait=2")
    wait_for(project.begun, "the first trial trains")
    second = project.run("hyperparameters.wait=2")
    assert second.code == 4
    assert f"process {running.pid}" in second.err
    running.terminate()
    project.ended(running)


@pytest.mark.parametrize(
    "stops",
    [
        {"stop.until={metric: score, op: '>=', value: 20}": 2},
        {"stop.max_trials=1": 1, "stop.max_trials=3": 3},
    ],
)
def test_a_stop_rule_ends_the_chain_and_is_a_success(project: Project, stops: dict[str, int]) -> None:
    """`until` and `max_trials` end the chain after exactly so many trials; the pool is closed; exit code 0."""
    for stop, finished in stops.items():
        ended = project.run(stop, "hyperparameters.x=1,2,3,4")
        assert (ended.code, finished) == (0, len(project.begun()))
        assert set(project.pools()) <= {"Reused", "Terminated", ""}
        again = project.run(stop, "hyperparameters.x=1,2,3,4")
        assert (again.code, finished) == (0, len(project.begun()))


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("locked.instance_type=ml.g5.xlarge,ml.g5.2xlarge", "command line: locked.instance_type"),
        ("hyperparameters.xx=3", "did you mean 'hyperparameters.x'"),
        ("pool.keep_alive_s=99999", "command line: pool.keep_alive_s"),
        ("hyperparameters.x=[1,", "command line: hyperparameters.x"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_submitted(fresh_project: Project, argument: str, said: str) -> None:
    """What is wrong on the command line is refused with exit code 2 before anything starts."""
    ended = fresh_project.run(argument)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert said in ended.err
    assert not (fresh_project.root / ".sweeper").exists()


def test_a_mistake_in_the_file_is_told_with_its_place(fresh_project: Project) -> None:
    """file:line:col of the key, and what was meant."""
    path = fresh_project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("max_runtime_s", "max_runtme_s"))
    ended = fresh_project.run()
    assert ended.code == 2
    assert "experiments/tiny.yaml:9:3: job.max_runtme_s" in ended.err
    path.write_text(path.read_text() + "broken: [1,\n")
    assert "experiments/tiny.yaml:" in fresh_project.run().err


def test_an_unknown_experiment_is_refused(fresh_project: Project) -> None:
    """A name that is no file is told with the nearest one."""
    ended = fresh_project.verb("+experiment=tinny")
    assert (ended.code, "did you mean 'tiny'" in ended.err) == (2, True)
