"""Real processes beside which something broke: the pool is closed by whoever comes, or named with exit code 3."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper import PoolOpenError, Sweep
from sweeper.commands.say import tell
from sweeper.core.waits import Waits
from sweeper.engine import launch
from sweeper.run.registry import Account, Debt, Registry
from tests.end_to_end.conftest import Project, wait_for
from tests.end_to_end.test_signals import held

ONE = ["hyperparameters.x=1", "pool.last_job_releases=false"]
NEVER = "pool.watchdog_grace_s=600"


@pytest.fixture
def holding(project: Project) -> Iterator[Callable[[], None]]:
    """Trials train until this is called."""
    hold = held(project)
    next(hold)
    yield lambda: next(hold, None)
    next(hold, None)


def killed(project: Project, *arguments: str, before: Callable[[int], None] = lambda dog: None) -> None:
    """A run that is killed while its first trial trains; `before` gets the process that watches it."""
    running = project.start(*ONE, *arguments)
    wait_for(project.begun, "the trial trains")
    before(watchdog_of(running))
    running.kill()
    running.communicate()


def watchdog_of(running: subprocess.Popen[str]) -> int:
    """The process that watches a runner."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    (dog,) = [pid for pid in children if b"watchdog.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return int(dog)


def idles(project: Project) -> bool:
    """The pool is there, and no job runs on it."""
    return project.pools() == ["Available"]


def test_row_85_a_watchdog_that_can_write_nothing_closes_the_pool(
    project: Project, holding: Callable[[], None]
) -> None:
    """Every write of its process fails, as on a full disk: no log, no lock's name, no registry; the pool is closed."""

    def full(dog: int) -> None:
        resource.prlimit(dog, resource.RLIMIT_FSIZE, (0, 0))

    killed(project, before=full)
    holding()
    wait_for(lambda: project.pools() == ["Terminated"], "the watchdog closes the pool")
    assert (project.root / "runs/tiny/watchdog.log").read_bytes() == b""
    again = project.run(*ONE)
    assert (again.code, [row["attempts"] for row in project.rows()]) == (0, ["1"]), again.err


def test_row_86_90_a_run_whose_folder_is_gone_closes_what_it_left(
    project: Project, holding: Callable[[], None]
) -> None:
    """A file is in the place of the sweep's folder: the next run names what trains with 3, then closes it with 2."""
    killed(project, NEVER)
    folder = project.root / "runs/tiny"
    folder.rename(project.root / "away")
    folder.write_text("in the way")
    (job,) = project.jobs()
    ended = project.run(*ONE)
    assert (ended.code, "Traceback" in ended.err) == (3, False), ended.err
    assert ended.err.splitlines()[-1] == f"sweeper: release it with: sweeper pools release {job['TrainingJobName']}"
    told = json.loads(project.ended(project.python(left_open, *ONE)).out)
    assert told == [3, "pool_open", [job["TrainingJobName"]], [f"sweeper pools release {job['TrainingJobName']}"]]
    holding()
    wait_for(lambda: idles(project), "the pool idles")
    ended = project.run(*ONE)
    assert (ended.code, project.pools()) == (2, ["Terminated"]), ended.err


def left_open(arguments: list[str]) -> int:
    """Run from Python where nothing can be run; what a program is told of the pool that is left."""
    try:
        Sweep.load("tiny", arguments).run(progress=False)
    except PoolOpenError as error:
        assert all(command in str(error) for command in error.commands)
        tell(json.dumps([error.exit_code, error.code, list(error.job_names), list(error.commands)]))
    return 0


def flip_schema(path: Path) -> None:
    """One bit of the text of a table."""
    data = bytearray(path.read_bytes())
    data[data.find(b"CREATE TABLE requests") + 10] ^= 0x80
    path.write_bytes(data)


@pytest.mark.parametrize("who", ["the watchdog", "the next run", "pools release"])
def test_row_87_90_with_one_flipped_bit_in_its_journal_the_pool_is_closed(
    project: Project, holding: Callable[[], None], who: str
) -> None:
    """By each of the three; the run is refused with 2, since all is closed, and no traceback is told anywhere."""
    killed(project, *([NEVER] if who != "the watchdog" else []))
    flip_schema(project.root / "runs/tiny/journal.db")
    holding()
    if who == "the watchdog":
        log = project.root / "runs/tiny/watchdog.log"
        wait_for(lambda: "every pool is closed" in log.read_text(), "the watchdog closes the pool")
        assert ("Traceback" in log.read_text(), "damaged" in log.read_text()) == (False, True)
    else:
        wait_for(lambda: idles(project), "the pool idles")
        ended = project.run(*ONE) if who == "the next run" else project.verb("pools", "release")
        assert (ended.code, "Traceback" in ended.err) == (2 if who == "the next run" else 0, False), ended.err
    assert project.pools() == ["Terminated"]
    assert project.run(*ONE).code == 2


def test_row_88_93_what_is_wrong_with_another_project_is_told_and_hides_nothing(
    project: Project, holding: Callable[[], None]
) -> None:
    """A debt whose profile is gone: `pools` tells the rest and ends with 3, a run goes on and warns of it."""
    registry = Registry(project.root / "state/sweeper")
    account = Account("aws", "us-east-1", profile="nobody-has-this")
    registry.record(Debt("theirs", "/elsewhere/runs/theirs", account, Waits()))
    killed(project, NEVER)
    holding()
    wait_for(lambda: idles(project), "the pool idles")
    listed = project.verb("pools", "list", "--everywhere")
    assert (listed.code, "the profile nobody-has-this could not be asked" in listed.err) == (
        3,
        True,
    )
    assert "Available" in listed.out
    told = json.loads(project.verb("pools", "--everywhere", "--json").out)
    assert [pool["status"] for pool in told["pools"]] == ["Available"]
    assert [entry["service"] for entry in told["unasked"]] == ["AWS in us-east-1 with the profile nobody-has-this"]
    assert project.verb("pools", "list").code == 0
    ended = project.run(*ONE)
    assert (ended.code, "warning: the sweep theirs in /elsewhere/runs/theirs" in ended.err) == (0, True), ended.err


def test_pools_are_this_projects_unless_they_are_asked_for_everywhere(
    project: Project, holding: Callable[[], None], tmp_path: Path
) -> None:
    """Another project's pool is neither listed nor closed; `--everywhere` names its project, its name closes it."""
    killed(project, NEVER)
    holding()
    wait_for(lambda: idles(project), "the pool idles")
    (job,) = project.jobs()
    name = job["TrainingJobName"]
    (tmp_path / "other/experiments").mkdir(parents=True)
    other = replace(project, root=tmp_path / "other")
    listed = other.verb("pools")
    assert (listed.code, listed.out) == (0, "no pool is open\n")
    assert "`sweeper pools --everywhere` shows them" in listed.err
    assert other.verb("pools", "release").out == "nothing to release\n"
    assert idles(project)
    header, line = other.verb("pools", "--everywhere").out.splitlines()
    assert header.split() == ["job", "status", "instance", "type", "since", "sweep", "project", "owner"]
    assert (line.split()[0], "tiny", str(project.root)) == (name, line.split()[4], line.split()[5])
    assert other.verb("pools", "release", name).out == f"{name}: closed\n"
    assert project.pools() == ["Terminated"]


def test_a_pool_of_an_engine_that_does_not_answer_is_not_taken_for_closed(
    project: Project, holding: Callable[[], None]
) -> None:
    """Its process is stopped, as by a debugger: the pool is named with 3 and stays a debt, which is closed later."""
    killed(project, NEVER)
    holding()
    wait_for(lambda: idles(project), "the pool idles")
    (job,) = project.jobs()
    pid = launch.ensure(project.root / ".sweeper/engine").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        released = project.verb("pools", "release")
    finally:
        os.kill(pid, signal.SIGCONT)
    told = f"sweeper: release it with: sweeper pools release {job['TrainingJobName']}"
    assert (released.code, released.err.splitlines()[-1]) == (3, told), released.err
    assert project.verb("pools", "release").out == f"{job['TrainingJobName']}: closed\n"


def test_a_name_that_nobody_knows_is_not_said_to_be_released(project: Project) -> None:
    """It ends with 2; a job that no debt tells of any more is found by its name, and its pool is closed."""
    assert project.run(*ONE).code == 0
    (job,) = project.jobs()
    shutil.rmtree(project.root / "state")
    unknown = project.verb("pools", "release", "nobody-knows", job["TrainingJobName"])
    assert (unknown.code, unknown.out) == (2, f"{job['TrainingJobName']}: closed\n")
    assert "no service that was asked knows a training job nobody-knows" in unknown.err


def test_row_89_the_rerun_takes_over_from_a_watchdog_that_waits_for_the_job(
    project: Project, holding: Callable[[], None]
) -> None:
    """After its grace the watchdog waits for the job; the same command adopts it all the same, and keeps its pool."""
    killed(project, "pool.watchdog_grace_s=0")
    log = project.root / "runs/tiny/watchdog.log"
    wait_for(lambda: "closing its pools" in log.read_text(), "the watchdog acts")
    running = project.start("hyperparameters.x=1,2")
    wait_for(lambda: "nothing to do: another runner holds the sweep" in log.read_text(), "it gives way")
    holding()
    ended = project.ended(running)
    assert ended.code == 0, ended.err
    assert [(row["attempts"], row["pool"]) for row in project.rows()] == [("1", "cold"), ("1", "reused")]


def test_who_finds_the_pool_taken_is_told_by_which_sweep(project: Project, holding: Callable[[], None]) -> None:
    """Exit code 4 names the sweep, its folder and the process that hold the pool."""
    running = project.start(*ONE)
    wait_for(project.begun, "the trial trains")
    refused = project.run(*ONE, "name=second")
    assert refused.code == 4
    taken = (
        f"another runner holds the pool that this sweep uses: the sweep tiny in {project.root / 'runs/tiny'}, process "
    )
    assert taken + str(running.pid) in refused.err
    holding()
    assert project.ended(running).code == 0


def test_what_a_removed_journal_had_left_open_is_not_forgotten(project: Project, holding: Callable[[], None]) -> None:
    """Its trial is not declared any more: the run of what is names the job that trains with 3, and closes it later."""
    killed(project, NEVER)
    shutil.rmtree(project.root / "runs/tiny")
    name = project.jobs()[0]["TrainingJobName"]
    nothing = ["sweep.grid={hyperparameters.x: [5]}", "+sweep.exclude=[{hyperparameters.x: 5}]"]
    ended = project.run(*nothing)
    assert (ended.code, f"THE POOL OF {name} MAY STILL BILL" in ended.err) == (3, True), ended.err
    holding()
    wait_for(lambda: idles(project), "the pool idles")
    assert project.verb("pools", "release").out == f"{name}: closed\n"
