"""A real kernel of Jupyter, in the environment that `make test-notebook` makes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Project, fresh_project, project, wait_for
from tests.end_to_end.test_signals import held

__all__ = ["fresh_project", "project"]

if not os.environ.get("SWEEPER_KERNEL"):
    pytest.skip("needs a kernel of Jupyter: make test-notebook installs one and runs this", allow_module_level=True)

from jupyter_client.manager import start_new_kernel

from tools.notebook import PAGE, executed

RUN = "from sweeper import Sweep; result = Sweep.load('tiny').run(); print(result.counts['completed'])"
TIMEOUT_S = 120


def sweeper(folder: Path, *words: str) -> None:
    """Type a command."""
    subprocess.run([sys.executable, "-m", "sweeper", *words], cwd=folder, check=True, capture_output=True)


def losses(folder: Path) -> list[tuple[str, str]]:
    """What came of each trial of `first`."""
    with (folder / "runs/first/results.csv").open(newline="") as file:
        return [(row["name"], row["metric.loss"]) for row in csv.DictReader(file)]


def test_the_notebook_gives_the_results_of_its_experiment_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs without an error; its rows are those that the command line gets of the same file elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
        sweeper(folder, "init")
    try:
        notebook = executed(PAGE, here)
        sweeper(elsewhere, "+experiment=first")
    finally:
        for folder in (here, elsewhere):
            sweeper(folder, "engine", "stop")
    assert losses(here) == losses(elsewhere)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    shown = [out["data"].get("text/html", "") for out in outputs if "data" in out]
    assert any("first: 4 of 4 done" in html for html in shown), "the table of the run stays in its cell"
    assert any('class="dataframe"' in html for html in shown), "rows are a DataFrame"


@pytest.fixture
def kernel(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """A kernel in a project, and its client."""
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    manager, client = start_new_kernel(cwd=str(project.root))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_an_interrupted_cell_leaves_no_pool_and_goes_on(project: Project, kernel: tuple[Any, Any]) -> None:
    """KeyboardInterrupt comes when the job is stopped and the pool closed; the same cell again runs the rest."""
    manager, client = kernel
    holding = held(project)
    next(holding)
    asked = client.execute(RUN)
    wait_for(project.begun, "the first trial trains", TIMEOUT_S)
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=TIMEOUT_S)
    while reply["parent_header"]["msg_id"] != asked:  # a kernel that was slow to start answers that more than once
        reply = client.get_shell_msg(timeout=TIMEOUT_S)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert [job["TrainingJobStatus"] for job in project.jobs()] == ["Stopped"]
    assert set(project.pools()) <= {"Terminated", ""}
    next(holding, None)
    assert client.execute_interactive(RUN, timeout=TIMEOUT_S)["content"]["status"] == "ok"
    assert [row["status"] for row in project.rows()] == ["completed"] * 3
