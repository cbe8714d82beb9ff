"""Real processes that die: at their n-th touch of the outside, and at random moments. The next run makes it whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sweeper import config
from sweeper.commands.run import Session, run
from sweeper.core import events as ev
from sweeper.core.model import Sweep
from sweeper.journal import read
from sweeper.runner import World
from tests.end_to_end.conftest import QUICK, Project, wait_for
from tests.forked import Forked, start_engine

KILLS = int(os.environ.get("SWEEPER_TEST_KILLS", "20"))
DEAD = 77
LONG_GRACE = "pool.watchdog_grace_s=30"
"""The watchdog is not to win against the rerun on a slow machine: that it closes is a law of its own, below."""
SCRIPT = 'echo "score=${2}0"\n'
"""What the trials below run, `--x 1` or `--x 2`: it is the runner that dies, and a shell starts in no time."""


class Countdown:
    """Wraps a part of the world; the process ends, as by SIGKILL, at its n-th touch."""

    def __init__(self, n: int) -> None:
        self.left = n

    def around(self, part: Any) -> Any:
        """The part, dangerous after each of its calls: just before the next one the outside is the same."""
        outer = self

        class Dangerous:
            def __getattr__(self, name: str) -> Any:
                found = getattr(part, name)
                return outer.call(found) if callable(found) else found

        return Dangerous()

    def call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, dangerous as soon as it has done what it does."""

        def dangerous(*arguments: Any, **named: Any) -> Any:
            answer = function(*arguments, **named)
            self.touch()
            return answer

        return dangerous

    def touch(self) -> None:
        """One step nearer to the end."""
        self.left -= 1
        if self.left == 0:
            os._exit(DEAD)


@pytest.fixture
def cold_project(fresh_project: Project) -> Project:
    """A project whose engine starts every job cold: a pool here has two jobs, which no hot interpreter repays."""
    start_engine(fresh_project.root / ".sweeper/engine", {**QUICK, "hot": False})
    (fresh_project.root / "experiments/scripts/tiny/train.sh").write_text(SCRIPT)
    return fresh_project


@pytest.fixture
def declared(cold_project: Project, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Two trials, composed once; each law below runs them under many names."""
    monkeypatch.chdir(cold_project.root)
    found: list[Sweep] = []
    words = ["+experiment=tiny", "hyperparameters.x=1,2", "job.entry_script=train.sh", LONG_GRACE]
    config.run(words, lambda sweep: found.append(sweep) or 0)
    return found[0]


def in_a_child(project: Project, sweep: Sweep, die_at: int | None = None) -> int:
    """Run the real sweep in a forked process and return its exit code."""
    countdown = Countdown(die_at or -1)

    class Mortal(Session):
        def world(self) -> World:
            made = super().world()
            return replace(
                made,
                api=countdown.around(made.api),
                journal=countdown.around(made.journal),
                stage=countdown.call(made.stage),
                keep=countdown.call(made.keep),
            )

    with (project.root / "child.log").open("a") as log:
        child = Forked(
            lambda _: run(sweep, Mortal), (), cwd=project.root, env=project.environment, stdout=log, stderr=log
        )
        return child.wait(120)


def named(sweep: Sweep, name: str) -> Sweep:
    """The same sweep under another name."""
    return replace(sweep, name=name, composed={**sweep.composed, "name": name})


def assert_whole(project: Project, sweep: str, scores: list[float]) -> None:
    """One job per (trial, attempt), every trial completed once with its own value, every pool closed."""
    chain_events = [event for _, event in read(project.root / f"runs/{sweep}/journal.db")]
    outcomes = [event for event in chain_events if isinstance(event, ev.Outcome)]
    completed = [event for event in outcomes if event.trial_status == "completed"]
    assert [event.metrics["score"] for event in completed] == scores
    ours = project.jobs(f"{sweep}-")
    marks = [job["Environment"]["SWEEPER_FINGERPRINT"] for job in ours]
    assert len(set(marks)) == len(marks)
    assert {job.get("WarmPoolStatus", {}).get("Status", "") for job in ours} <= {"Reused", "Terminated", ""}


def test_a_runner_that_dies_at_its_nth_touch_of_the_outside_is_made_whole_by_the_next(
    cold_project: Project, declared: Sweep
) -> None:
    """For every n until a run is clean: die there, run again, and all is as if nothing had happened."""
    for n in count(1):
        sweep = named(declared, f"tiny{n}")
        died = in_a_child(cold_project, sweep, die_at=n)
        if died == 0:
            break
        assert died == DEAD, (cold_project.root / "child.log").read_text()
        assert in_a_child(cold_project, sweep) == 0, (cold_project.root / "child.log").read_text()
        assert_whole(cold_project, sweep.name, [10.0, 20.0])


def test_a_runner_that_is_killed_at_any_moment_is_made_whole_by_the_next(
    cold_project: Project, declared: Sweep
) -> None:
    """SIGKILL after a random number of lines of progress: the rerun gives the same results."""
    rng = random.Random(os.environ.get("SWEEPER_TEST_SEED", "1"))
    for n in range(KILLS):
        sweep = named(declared, f"tiny{n}")
        running = Forked(
            lambda _: run(sweep),  # noqa: B023 - it forks at once
            (),
            cwd=cold_project.root,
            env=cold_project.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert running.stderr is not None
        for _ in range(rng.randrange(1, 10)):
            running.stderr.readline()
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert in_a_child(cold_project, sweep) == 0, (cold_project.root / "child.log").read_text()
        assert_whole(cold_project, sweep.name, [10.0, 20.0])


def test_with_nobody_coming_back_the_watchdog_lets_the_job_finish_and_closes_the_pool(project: Project) -> None:
    """After SIGKILL the running job ends by itself as completed, and within the grace its pool is closed."""
    running = project.start("hyperparameters.x=1,2", "hyperparameters.wait=2")
    wait_for(project.begun, "the first trial trains")
    running.kill()
    running.communicate()
    log = project.root / "runs/tiny/watchdog.log"
    wait_for(lambda: "every pool is closed" in log.read_text(), "the watchdog closes the pool")
    assert [(job["TrainingJobStatus"], job["WarmPoolStatus"]["Status"]) for job in project.jobs()] == [
        ("Completed", "Terminated")
    ]
    assert not [
        path for path in Path(project.root / "state/sweeper/debts").glob("*") if '"open": true' in path.read_text()
    ]
    assert project.run("hyperparameters.x=1,2", "hyperparameters.wait=2").code == 0
    assert [row["attempts"] for row in project.rows()] == ["1", "1"]


def test_the_watchdog_sleeps_small_and_leaves_with_a_clean_runner(project: Project) -> None:
    """Dormant it takes under 15 MB; after a clean end there is no watchdog."""
    running = project.start("hyperparameters.x=1", "hyperparameters.wait=1")
    wait_for(project.begun, "the trial trains")
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    (dog,) = [pid for pid in children if b"watchdog.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert _resident_kb(dog) < 15 * 1024
    project.ended(running)
    assert not Path(f"/proc/{dog}").exists()


def _resident_kb(pid: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
