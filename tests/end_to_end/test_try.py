"""Edit, train, keep or discard: `sweeper try`, warm where that is asked for, and never a pool that nobody closes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sweeper.run.registry import Registry
from tests.end_to_end.conftest import Project, wait_for

X = "hyperparameters.x"


def edit(project: Project, was: str, is_: str) -> None:
    """Change the script."""
    script = project.root / "experiments/scripts/tiny/train.py"
    text = script.read_text()
    assert was in text
    script.write_text(text.replace(was, is_))


def tried(project: Project, *words: str, code: int = 0) -> dict[str, Any]:
    """What a try says."""
    ended = project.verb("try", "tiny", *words, "--json")
    assert ended.code == code, ended.err
    told: dict[str, Any] = json.loads(ended.out)
    return told


def open_debts(project: Project) -> list[str]:
    """The sweeps that may have an open pool."""
    return [debt.sweep for debt in Registry(Path(project.environment["XDG_STATE_HOME"]) / "sweeper")]


def test_tries_run_warm_one_after_another_beside_their_sweep(project: Project) -> None:
    """Each says what the metric was and is; the second takes the first one's pool; at the end every pool is closed.

    No row of the sweep changes. A try that fails keeps the pool too, and every source that was tried can be had again.
    """
    assert project.run(f"{X}=1,2").code == 0
    before = (project.root / "runs/tiny/results.csv").read_bytes()
    edit(project, "* 10", "* 30")
    first = tried(project, "best", "--keep-warm")
    assert (first["before"], first["now"], first["delta"], first["better"]) == (20, 60, 40, True)
    assert first["pool"] == "cold" and first["kept_until"]
    assert open_debts(project) == ["tiny.tries"]
    edit(project, "* 30", "* 5 if a.x else oops")
    second = tried(project, "2", "--keep-warm")
    assert (second["now"], second["better"], second["pool"]) == (10, False, "reused")
    edit(project, 'print(f"score', 'raise ValueError(f"score')
    failed = tried(project, "2", "--keep-warm", code=1)
    assert (failed["status"], failed["failure"], failed["pool"]) == ("failed", "algorithm_error", "reused")
    status = project.verb("status", "tiny.tries")
    assert "tiny.tries keeps its pool warm until" in status.err and "warning" not in status.err
    edit(project, 'raise ValueError(f"score', 'print(f"score')
    again = project.verb("try", "ti", "2")
    assert "try 2 of x=2: completed; score 20.0 before, 10.0 now: not better; pool reused" in again.out, again.err
    assert (again.code, open_debts(project)) == (0, [])
    assert project.pools() == ["Reused", "Terminated", *["Reused"] * 3, "Terminated"]
    assert (project.root / "runs/tiny/results.csv").read_bytes() == before
    tries = json.loads(project.verb("try", "tiny", "--list", "--json").out)["tries"]
    assert [(one["number"], one["now"], one["better"]) for one in tries] == [
        (1, 60, True),
        (2, 10, False),
        (3, 10, None),
    ]
    assert project.verb("source", "tiny.tries", "1", "--to", "kept").code == 0
    assert "* 30" in (project.root / "kept/train.py").read_text()


@pytest.mark.row(95)
def test_a_pool_that_is_left_warm_is_closed_by_its_watchdog(project: Project) -> None:
    """When its keep-alive has passed, and soon where the next runner died; another sweep leaves it alone until then."""
    words = [f"{X}=1", "pool.watchdog_grace_s=0"]
    assert project.run(*words, "name=brief", "pool.keep_alive_s=1").code == 0
    assert project.verb("try", "brief", "--keep-warm").code == 0
    wait_for(lambda: not open_debts(project), "its keep-alive passes")
    assert project.run(*words).code == 0
    assert tried(project, "--keep-warm")["kept_until"]
    assert project.run(*words, "name=other").code == 0
    assert open_debts(project) == ["tiny.tries"]
    edit(project, "time.sleep(a.wait)", 'while not os.path.exists(os.environ["BEGAN"] + ".go"): time.sleep(0.02)')
    process = project.background("try", "tiny", "--keep-warm")
    wait_for(lambda: len(project.begun()) == 6, "the second try trains")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (project.root / "began.go").touch()
    wait_for(lambda: not open_debts(project), "the watchdog closes it")
    assert not {"Available", "InUse"} & set(project.pools())
