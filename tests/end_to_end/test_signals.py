"""Signals and streams that go away (R10), with real processes: the pool is closed whatever happens to the terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from sweeper.core.events import Stopping
from sweeper.record.journal import read
from tests.end_to_end.conftest import Project, wait_for
from tests.end_to_end.terminal import Opened
from tests.forked import heed_signals

TWO = "sweep.grid={hyperparameters.x: [1, 2]}"


def ignoring(*numbers: signal.Signals) -> Callable[[], None]:
    """What nohup and a shell without job control do before they start a command."""

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return ignore


def journaled(project: Project, reason: str) -> bool:
    """True once the runner has noted that it ends for this reason."""
    events = read(project.root / "runs/tiny/journal.db")
    return any(isinstance(event, Stopping) and event.reason.startswith(reason) for _, event in events)


def held(project: Project) -> Iterator[None]:
    """Let the script of every trial wait while a file is there."""
    script = project.root / "experiments/scripts/tiny/train.py"
    waiting = f"while os.path.exists({str(project.root / 'hold')!r}): time.sleep(0.02)"
    script.write_text(script.read_text().replace("time.sleep(a.wait)", waiting))
    (project.root / "hold").touch()
    yield
    (project.root / "hold").unlink()


@pytest.fixture
def holding(project: Project) -> Iterator[None]:
    """Trials train until the file `hold` is gone."""
    yield from held(project)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_an_inherited_ignored_signal_stays_ignored(project: Project, number: signal.Signals) -> None:
    """Under nohup, or in the background of a shell, the signal that is ignored there does not end the sweep."""
    holding = held(project)
    next(holding)
    running = project.start(TWO, before=ignoring(number))
    wait_for(project.begun, "the first trial trains")
    running.send_signal(number)
    next(holding, None)
    ended = project.ended(running)
    assert (ended.code, [row["status"] for row in project.rows()]) == (0, ["completed", "completed"])


def test_a_killed_terminal_window_ends_as_sighup_does(project: Project, opened: Opened, holding: None) -> None:
    """The terminal is gone in the middle of training: job stopped, pool closed, exit code 129, results written."""
    terminal = opened(TWO)
    terminal.until(project.begun)
    terminal.close_window()
    assert terminal.process.wait(60) == 129
    assert [job["TrainingJobStatus"] for job in project.jobs()] == ["Stopped"]
    assert set(project.pools()) <= {"Terminated", ""}
    assert [row["status"] for row in project.rows()] == ["interrupted", "planned"]


def test_ctrl_c_on_a_terminal_reaches_the_runner_alone(project: Project, opened: Opened, holding: None) -> None:
    """The key stops the job through the service, not by killing it; the pool is closed; exit code 130."""
    terminal = opened(TWO)
    terminal.until(project.begun)
    terminal.press(b"\x03")
    assert terminal.to_end() == 130
    assert [job["TrainingJobStatus"] for job in project.jobs()] == ["Stopped"]
    assert set(project.pools()) <= {"Terminated", ""}
    assert "SIGINT" in terminal.text


def test_more_signals_never_skip_the_release(project: Project) -> None:
    """A job that goes on until all have come, and Ctrl-C five times: told once, stopped and closed before the exit."""
    go = project.root / "go"
    script = project.root / "experiments/scripts/tiny/train.py"
    late = (
        "import signal\ndef late(*_):\n"
        f"    while not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
        "    sys.exit(1)\nsignal.signal(signal.SIGTERM, late)\n"
    )
    script.write_text(script.read_text().replace("class a:", late + "class a:", 1))
    running = project.start("hyperparameters.wait=60", TWO)
    wait_for(project.begun, "the first trial trains")
    running.send_signal(signal.SIGINT)
    wait_for(lambda: journaled(project, "stopped by SIGINT"), "the first signal is taken")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        running.send_signal(number)
    go.touch()
    ended = project.ended(running)
    assert (ended.code, ended.err.count("asked again to end")) == (130, 1), ended.err
    assert [job["TrainingJobStatus"] for job in project.jobs()] == ["Stopped"]
    assert set(project.pools()) <= {"Terminated", ""}


@pytest.mark.parametrize("closed", [[1], [2], [0, 1, 2]])
def test_a_run_with_a_closed_stream_runs_all_the_same(project: Project, closed: list[int]) -> None:
    """No other file takes its place, and nothing changes but what can be read there."""

    def close() -> None:
        heed_signals()
        for number in closed:
            os.close(number)

    assert project.ended(project.start(TWO, before=close)).code == 0
    assert [row["status"] for row in project.rows()] == ["completed", "completed"]
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_a_run_whose_streams_take_nothing_runs_all_the_same(project: Project) -> None:
    """Full streams change nothing but what can be read there, and the exit code."""

    def fill() -> None:
        heed_signals()
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, 1)
        os.dup2(full, 2)

    assert project.ended(project.start(TWO, before=fill)).code == 2
    assert [row["status"] for row in project.rows()] == ["completed", "completed"]
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


@pytest.mark.parametrize("streams", ["2>/dev/null", "2>&1"])
def test_a_reader_that_goes_away_is_no_error(project: Project, streams: str) -> None:
    """`| head -1` sees one line, and nothing complains; the sweep is run to its end."""
    command = " ".join(f"'{word}'" for word in project.command(TWO))
    script = f"{{ {command} {streams}; echo $? >code; }} | head -n 1"
    done = subprocess.run(
        ["sh", "-c", script], cwd=project.root, env=project.environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) <= 1
    assert (project.root / "code").read_text() == "0\n"
    assert [row["status"] for row in project.rows()] == ["completed", "completed"]


def test_reading_verbs_are_quiet_when_their_reader_goes_away(project: Project) -> None:
    """`sweeper status --json | head -c 1` ends without a complaint."""
    project.run("sweep.grid={hyperparameters.x: [1]}")
    reading, writing = os.pipe()
    os.close(reading)
    verb = subprocess.run(
        [sys.executable, "-m", "sweeper", "status", "--json"],
        cwd=project.root,
        env=project.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (verb.returncode, verb.stderr) == (0, "")


def test_stop_ends_the_chain_after_the_running_job(project: Project) -> None:
    """`sweeper stop` lets the job finish, closes the pool and ends with 0; the same command then does the rest."""
    holding = held(project)
    next(holding)
    running = project.start()
    wait_for(project.begun, "the first trial trains")
    asked = project.verb("stop", "tiny", "--json")
    assert (asked.code, json.loads(asked.out)["asked"]) == (0, True)
    wait_for(lambda: journaled(project, "asked to stop"), "the request is taken")
    next(holding, None)
    ended = project.ended(running)
    assert (ended.code, [row["status"] for row in project.rows()]) == (0, ["completed", "planned", "planned"])
    assert set(project.pools()) <= {"Terminated", ""}
    assert project.run().code == 0
    assert [row["attempts"] for row in project.rows()] == ["1", "1", "1"]


def test_stop_now_stops_the_running_job_and_closes_the_pool(project: Project, holding: None) -> None:
    """`sweeper stop --now` interrupts the trial; nothing bills when it returns with --wait."""
    running = project.start()
    wait_for(project.begun, "the first trial trains")
    stopped = project.verb("stop", "tiny", "--now", "--wait")
    assert (stopped.code, project.ended(running).code) == (0, 0)
    assert [row["status"] for row in project.rows()] == ["interrupted", "planned", "planned"]
    assert set(project.pools()) <= {"Terminated", ""}


def test_a_sweep_goes_on_when_the_engines_folder_is_removed_under_it(project: Project, holding: None) -> None:
    """The trial that trained is run again by a new engine, with its source put there again; no trial fails."""
    running = project.start(TWO)
    wait_for(project.begun, "the first trial trains")
    engine = project.root / ".sweeper/engine"
    while engine.exists():
        shutil.rmtree(engine, ignore_errors=True)
    wait_for(lambda: len(project.begun()) > 1, "it trains again")
    (project.root / "hold").unlink()
    ended = project.ended(running)
    (project.root / "hold").touch()
    assert ended.code == 0, ended.err
    assert "is gone with the local engine's state" in ended.err
    assert [(row["status"], row["attempts"]) for row in project.rows()] == [("completed", "2"), ("completed", "1")]
    assert set(project.pools()) <= {"Reused", "Terminated", ""}


def test_a_stop_request_does_not_outlive_its_chain(project: Project) -> None:
    """What was asked of a chain that has ended meanwhile does not stop the next one; nothing to stop is said."""
    project.run("sweep.grid={hyperparameters.x: [1]}")
    asked = project.verb("stop", "tiny")
    assert (asked.code, "not running" in asked.out) == (0, True)
    assert project.run().code == 0
    assert [row["status"] for row in project.rows()] == ["completed"] * 3
