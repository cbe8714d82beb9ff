"""Several sweeps on one pool: each takes it over from the one before, and whoever dies, somebody closes it."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sweeper import GaveUpWaitingError, LockHeldError, Sweep
from sweeper.commands.say import tell
from sweeper.core import events as ev
from sweeper.errors import JournalError
from sweeper.record import locks
from sweeper.record.journal import read
from tests.end_to_end.conftest import Project, wait_for
from tests.end_to_end.test_signals import held


@pytest.fixture
def holding(project: Project) -> Iterator[Callable[[], None]]:
    """Trials train until this is called."""
    hold = held(project)
    next(hold)
    yield lambda: next(hold, None)
    next(hold, None)


def first(project: Project, *words: str) -> subprocess.Popen[str]:
    """A sweep whose first trial trains."""
    running = project.start("name=first", "hyperparameters.x=1", *words)
    wait_for(project.begun, "the first sweep trains")
    return running


def queued(project: Project, name: str, *words: str) -> subprocess.Popen[str]:
    """Another sweep that waits for its turn."""
    there = len(tickets(project))
    waiting = project.background("queue", "+experiment=tiny", f"name={name}", "hyperparameters.x=2,3", *words)
    wait_for(lambda: len(tickets(project)) > there, f"{name} is in the line")
    return waiting


def tickets(project: Project, kind: str = "ticket") -> list[str]:
    """What lies in the line."""
    return sorted(path.name for path in project.root.glob(f".sweeper/locks/*.line/*.{kind}"))


def noted(project: Project, name: str, kind: type[ev.Event]) -> bool:
    """Does the journal of this sweep tell of such an event?"""
    with suppress(JournalError):
        return any(isinstance(event, kind) for _, event in read(project.root / f"runs/{name}/journal.db"))
    return False


def waits(arguments: list[str]) -> int:
    """In Python, for a pool that another process holds: ended by Ctrl-C, then asked to stop, then until it comes."""
    sweep = Sweep.load("tiny", ["name=fourth", "hyperparameters.x=5"])
    with pytest.raises(KeyboardInterrupt):
        sweep.run(progress=False, wait=True)
    asking = threading.Thread(target=lambda: wait_for(sweep.stop, "it waits"), daemon=True)
    asking.start()
    with pytest.raises(GaveUpWaitingError, match="asked to stop while it waited; nothing was sent"):
        list(sweep.events(wait=True))
    with pytest.raises(LockHeldError):
        sweep.run(progress=False)
    Path("last").touch()
    pools = sweep.run(progress=lambda _: None, wait=True).told["pools"]
    tell(json.dumps([pools["cold"], pools["reused"]]))
    return 0


def test_python_waits_for_a_pool_as_the_command_line_does(project: Project, holding: Callable[[], None]) -> None:
    """What ends its waiting ends nothing else, and leaves nothing; in the end its job takes the pool over."""
    running, before = first(project, "hyperparameters.x=1,4"), len(tickets(project))
    waiting = project.python(waits)
    wait_for(lambda: len(tickets(project)) > before, "it is in the line")
    waiting.send_signal(signal.SIGINT)
    wait_for(lambda: (project.root / "last").exists() and len(tickets(project)) > before, "it waits for the last time")
    holding()
    assert project.ended(running).code == 0
    ended = project.ended(waiting)
    assert (ended.code, ended.out, ended.err) == (0, "[0, 1]\n", "")
    assert project.pools() == ["Reused", "Reused", "Terminated"]


def test_three_sweeps_have_one_cold_start_and_one_release(project: Project, holding: Callable[[], None]) -> None:
    """What waits takes the pool over from what ran; a run that does not wait is refused and told who has it."""
    running = first(project, "hyperparameters.x=1,4")
    waiting = [queued(project, "second"), queued(project, "third")]
    wait_for(lambda: noted(project, "first", ev.Awaited), "the first sweep knows that it is waited for")
    refused = project.run("name=other")
    holding()
    ended = [project.ended(one) for one in (running, *waiting)]
    assert [one.code for one in ended] == [0, 0, 0], [one.err for one in ended]
    assert refused.code == 4
    assert f"the sweep first in {project.root}/runs/first" in refused.err
    assert project.pools() == ["Reused"] * 5 + ["Terminated"]
    assert ["its pool is handed to second" in ended[0].out, "0 cold, 2 reused" in ended[2].out] == [True, True]
    for name in ("first", "second", "third"):
        told = project.verb("verify", name)
        assert told.code == 0, told.err


def offering(project: Project, holding: Callable[[], None], grace_s: int) -> list[subprocess.Popen[str]]:
    """A sweep that is stopped when it has offered its pool, and the one that waited, which has taken it meanwhile."""
    running = first(project, "pool.last_job_releases=false", f"pool.watchdog_grace_s={grace_s}")
    waiting = queued(project, "second")
    wait_for(lambda: noted(project, "first", ev.Awaited), "the first sweep knows that it is waited for")
    waiting.send_signal(signal.SIGSTOP)
    holding()
    wait_for(lambda: tickets(project, "offer"), "the pool is offered")
    running.send_signal(signal.SIGSTOP)
    waiting.send_signal(signal.SIGCONT)
    wait_for(lambda: noted(project, "second", ev.Inherited), "the pool is taken")
    return [running, waiting]


def test_who_is_killed_when_its_pool_was_taken_does_not_take_it_back(
    project: Project, holding: Callable[[], None]
) -> None:
    """The one that waited owes the pool already: it uses and releases it, and no other sweep's debt is left."""
    running, waiting = offering(project, holding, grace_s=600)
    running.kill()
    running.communicate()
    ended = project.ended(waiting)
    assert (ended.code, project.pools()) == (0, ["Reused", "Reused", "Terminated"]), ended.err


def test_who_is_killed_when_it_has_taken_the_pool_is_watched_over(
    project: Project, holding: Callable[[], None]
) -> None:
    """Its own watchdog closes it. The one before ends in order: the pool was not its own any more."""
    running, waiting = offering(project, holding, grace_s=1)
    waiting.kill()
    waiting.communicate()
    running.send_signal(signal.SIGCONT)
    ended = project.ended(running)
    assert (ended.code, "its pool is handed to second" in ended.out) == (0, True), ended.err
    wait_for(lambda: project.pools() == ["Terminated"], "the watchdog closes the pool")


def test_who_is_killed_while_it_waits_leaves_the_pool_to_be_released(
    project: Project, holding: Callable[[], None]
) -> None:
    """The one before learns that nobody waits any more, and closes its pool."""
    running = first(project, "pool.last_job_releases=false")
    waiting = queued(project, "second")
    wait_for(lambda: noted(project, "first", ev.Awaited), "the first sweep knows that it is waited for")
    waiting.kill()
    waiting.communicate()
    holding()
    ended = project.ended(running)
    assert (ended.code, project.pools()) == (0, ["Terminated"]), ended.err
    assert "nobody waits for the pool any more" in ended.err


def test_a_suite_has_one_cold_start_and_one_release(project: Project) -> None:
    """Three experiments in one command, the last one named in a file of its own: one pool, one table, one exit code."""
    text = (project.root / "experiments/tiny.yaml").read_text()
    for name in ("first", "second", "third"):
        (project.root / f"experiments/{name}.yaml").write_text(text.replace("name: tiny", f"name: {name}"))
    rest = 'suite: [second, {experiment: third, overrides: ["hyperparameters.x=4,5"]}]'
    (project.root / "experiments/rest.yaml").write_text(rest)
    ended = project.verb("suite", "first", "rest", "second:hyperparameters.fail=2")
    assert ended.code == 1, ended.err
    assert project.pools() == ["Reused"] * 7 + ["Terminated"]
    table = [line.split() for line in ended.out.splitlines()[-3:]]
    assert [(row[0], row[-3:]) for row in table] == [
        ("first", ["1", "2", "0"]),
        ("second", ["0", "3", "1"]),
        ("third", ["0", "2", "0"]),
    ]
    again = project.verb("suite", "first", "rest", "second:hyperparameters.fail=2", "--json")
    assert (again.code, len(project.begun())) == (1, 8), "nothing is left to do"
    told = json.loads(again.out)
    assert (told["exit_code"], told["unreleased"]) == (1, [])
    assert [(one["name"], one["exit_code"], one["ended"]["counts"]["completed"]) for one in told["experiments"]] == [
        ("first", 0, 3),
        ("second", 1, 2),
        ("third", 0, 2),
    ]
    with locks.held(project.root / "runs/second/.lock", "the sweep second", time.time()):
        part = json.loads(project.verb("suite", "second", "third", "--json").out)
    assert [(one["ended"] is None, [fault["code"] for fault in one["errors"]]) for one in part["experiments"]] == [
        (True, ["held"]),
        (False, []),
    ]


def test_a_suite_is_checked_as_a_whole_before_anything_is_sent(project: Project) -> None:
    """Every mistake of every experiment is told with its place: nothing was run, and no folder made."""
    (project.root / "experiments/bad.yaml").write_text(
        "suite:\n- tiny\n- {experiment: tiny, overrides: [hyperparameters.y=1]}\n- {experimnt: tiny}\n"
    )
    ended = project.verb("suite", "bad", "nobody:x=1")
    assert (ended.code, "experiments/bad.yaml:4:3: suite.2: must be the name of an experiment" in ended.err) == (
        2,
        True,
    )
    (project.root / "experiments/bad.yaml").write_text(
        "suite:\n- tiny\n- {experiment: tiny, overrides: [hyperparameters.y=1]}\n"
    )
    ended = project.verb("suite", "bad", "locked.instance_typ=x")
    assert ended.code == 2
    assert "experiments/bad.yaml:3:3: hyperparameters.y: is not in the configuration" in ended.err
    assert "locked.instance_typ: is not in the configuration" in ended.err
    assert (
        "suite: lists several experiments; run them with: sweeper suite NAME"
        in project.verb("plan", "+experiment=bad").err
    )
    assert "suite: unrecognized arguments: --jsn" in project.verb("suite", "tiny", "--jsn").err
    twice = project.verb("suite", "tiny", "tiny")
    assert (twice.code, "is the sweep tiny, as tiny is; give it another name: name=NAME" in twice.err) == (2, True)
    assert not (project.root / "runs").exists()
