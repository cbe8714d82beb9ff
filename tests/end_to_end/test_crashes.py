"""Real processes that die or are told to stop: at their n-th touch of the outside, and at random moments.

The next run makes it whole.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sweeper import config
from sweeper.commands.run import run
from sweeper.core import events as ev
from sweeper.core.model import Sweep
from sweeper.record.journal import ask, read
from sweeper.run.session import Session
from sweeper.run.world import World
from tests.end_to_end.conftest import QUICK, Project, wait_for
from tests.engine.test_interpreter import set_traps
from tests.forked import Forked, heed_signals, start_engine

STOPS = int(os.environ.get("SWEEPER_TEST_STOPS", "4"))
KILLS = int(os.environ.get("SWEEPER_TEST_KILLS", "9"))
LINES = 9
"""Of the progress of a run of the sweep below."""
DEAD = 77
LONG_GRACE = "pool.watchdog_grace_s=30"
"""The watchdog is not to win against the rerun on a slow machine: that it closes is a law of its own, below."""
SCRIPT = 'echo "score=${2}0"\n'
"""What the trials below run, `--x 1` or `--x 2`: it is the runner that dies, and a shell starts in no time."""


def die() -> None:
    """End this process as SIGKILL would."""
    os._exit(DEAD)


class Countdown:
    """Wraps a part of the world; something befalls the process at its n-th touch. `touched`: what, in order."""

    def __init__(self, n: int, happens: Callable[[], object] = die) -> None:
        self.left, self.happens = n, happens
        self.touched: list[str] = []

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
            self.touch(getattr(function, "__name__", ""))
            return answer

        return dangerous

    def touch(self, what: str) -> None:
        """One step nearer to the end."""
        self.touched.append(what)
        self.left -= 1
        if self.left == 0:
            self.happens()


@pytest.fixture
def cold_project(fresh_project: Project) -> Project:
    """A project whose engine starts every job cold: a pool here has two jobs, which no hot interpreter repays."""
    start_engine(fresh_project.root / ".sweeper/engine", {**QUICK, "hot": False})
    (fresh_project.root / "experiments/scripts/tiny/train.sh").write_text(SCRIPT)
    return fresh_project


@pytest.fixture
def compose(cold_project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sweep]:
    """Two trials, composed once; each law below runs them under many names."""

    def made(*overrides: str) -> Sweep:
        monkeypatch.chdir(cold_project.root)
        found: list[Sweep] = []
        words = ["+experiment=tiny", "hyperparameters.x=1,2", "job.entry_script=train.sh", LONG_GRACE, *overrides]
        config.run(words, lambda sweep: found.append(sweep) or 0)
        return found[0]

    return made


@pytest.fixture
def declared(compose: Callable[..., Sweep]) -> Sweep:
    """The sweep on a pool."""
    return compose()


def in_a_child(
    project: Project, sweep: Sweep, at: int = -1, happens: Callable[[], object] = die, first: Sweep | None = None
) -> int:
    """Run the real sweep in a forked process, to which this happens, and return its exit code.

    `first`: what the process has run before, with an outside that does not count.
    """
    countdown = Countdown(at, happens)

    class Mortal(Session):
        def world(self) -> World:
            made = super().world()
            return replace(
                made,
                api=countdown.around(made.api),
                journal=countdown.around(made.journal),
                stage=countdown.call(made.stage),
                archive=replace(made.archive, keep=countdown.call(made.archive.keep)),
            )

    def ran(_: object) -> int:
        if first and (code := run(first)):
            return code
        code = run(sweep, Mortal)
        (project.root / "touched").write_text(" ".join(countdown.touched))
        return code

    with (project.root / "child.log").open("a") as log:
        child = Forked(
            ran, (), cwd=project.root, env=project.environment, stdout=log, stderr=log, preexec_fn=heed_signals
        )
        return child.wait(120)


def named(sweep: Sweep, name: str) -> Sweep:
    """The same sweep under another name."""
    return replace(sweep, name=name, composed={**sweep.composed, "name": name})


def assert_whole(project: Project, sweep: str, scores: list[float], *, in_order: bool = True) -> None:
    """One job per (trial, attempt), every trial completed once with its own value, every pool closed."""
    chain_events = [event for _, event in read(project.root / f"runs/{sweep}/journal.db")]
    outcomes = [event for event in chain_events if isinstance(event, ev.Outcome)]
    completed = [event for event in outcomes if event.trial_status == "completed"]
    found = [event.metrics["score"] for event in completed]
    assert (found if in_order else sorted(found)) == scores
    ours = project.jobs(f"{sweep}-")
    marks = [job["Environment"]["SWEEPER_FINGERPRINT"] for job in ours]
    assert len(set(marks)) == len(marks)
    assert {job.get("WarmPoolStatus", {}).get("Status", "") for job in ours} <= {"Reused", "Terminated", ""}


def test_a_runner_that_dies_at_its_nth_touch_of_the_outside_is_made_whole_by_the_next(
    cold_project: Project, declared: Sweep
) -> None:
    """For every n until a run is clean: die there, run again, and all is as if nothing had happened.

    Each process makes whole what the one before has left, and then dies of the next sweep.
    """
    broken: Sweep | None = None
    for n in count(1):
        sweep = named(declared, f"tiny{n}")
        died = in_a_child(cold_project, sweep, n, first=broken)
        assert died in (DEAD, 0), (cold_project.root / "child.log").read_text()
        if broken:
            assert_whole(cold_project, broken.name, [10.0, 20.0])
        if died == 0:
            break
        broken = sweep


def test_a_runner_that_is_killed_at_any_moment_is_made_whole_by_the_next(
    cold_project: Project, declared: Sweep
) -> None:
    """SIGKILL after each number of lines of progress, then after random ones: the rerun gives the same results."""
    rng = random.Random(os.environ.get("SWEEPER_TEST_SEED", "1"))
    for n in range(KILLS):
        lines = n + 1 if n < LINES else rng.randint(1, LINES)
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
        for _ in range(lines):
            running.stderr.readline()
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert in_a_child(cold_project, sweep) == 0, (cold_project.root / "child.log").read_text()
        assert_whole(cold_project, sweep.name, [10.0, 20.0])


def moments(project: Project, sweep: Sweep) -> list[int]:
    """`STOPS` touches of a run, evenly from the first to the last, and the one after each Create in any case."""
    assert in_a_child(project, sweep) == 0
    touched = (project.root / "touched").read_text().split()
    created = [n for n, what in enumerate(touched, start=1) if what == "create_training_job"]
    rest = STOPS - len(created)
    return created + [1 + round(i * (len(touched) - 1) / (rest - 1)) for i in range(rest)]


@pytest.mark.parametrize("queue", [(), ("backend=batch", "backend.queue=team")], ids=["pool", "queue"])
def test_a_sweep_that_is_stopped_at_any_moment_has_no_failure_and_is_made_whole_by_the_next(
    cold_project: Project, compose: Callable[..., Sweep], queue: tuple[str, ...]
) -> None:
    """Ctrl-C, SIGTERM or `stop --now`: what was running is interrupted or completed; the rerun trains what is missing.

    Each moment is a step of a run. The second trial begins on the pool of the first.
    """
    declared = compose(*queue)
    for number, at in enumerate(moments(cold_project, named(declared, "whole"))):
        sweep = named(declared, f"stop{number}")

        def stop(how: int = number % 3, name: str = sweep.name) -> None:
            if how:
                os.kill(os.getpid(), (signal.SIGINT, signal.SIGTERM)[how - 1])
            else:
                ask(cold_project.root / f"runs/{name}/journal.db", time.time(), "stop", now=True)

        code = in_a_child(cold_project, sweep, at, stop)
        log = (cold_project.root / "child.log").read_text()
        assert code in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM), log
        assert {row["status"] for row in rows(cold_project, sweep)} <= {"interrupted", "completed", "planned"}, log
        assert in_a_child(cold_project, sweep) == 0, log
        assert_whole(cold_project, sweep.name, [10.0, 20.0], in_order=sweep.in_flight == 1)


def rows(project: Project, sweep: Sweep) -> list[dict[str, str]]:
    """The rows of results.csv."""
    with (project.root / f"runs/{sweep.name}/results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_with_nobody_coming_back_the_watchdog_lets_the_job_finish_and_closes_the_pool(project: Project) -> None:
    """After SIGKILL the running job ends as completed, and within the grace its pool is closed, whatever lies about."""
    set_traps(project.root)
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
