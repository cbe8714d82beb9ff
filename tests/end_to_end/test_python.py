"""`from sweeper import Sweep` in processes of its users: the command line's twin, and a guest that leaves no trace."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer

from sweeper import LockHeldError, Result, Sweep, SweeperError, UsageError
from sweeper.commands.say import tell
from sweeper.core.as_json import line
from tests.end_to_end.conftest import EXPERIMENT, Project, wait_for
from tests.end_to_end.test_signals import held


def told(project: Project, program: Callable[[list[str]], int], *arguments: str) -> Any:
    """What a program prints as JSON, and nothing else."""
    ended = project.ended(project.python(program, *arguments))
    assert (ended.code, ended.err) == (0, ""), ended.err
    return json.loads(ended.out)


# -- the same as the command line -------------------------------------------------------------------------------------


def planned_and_run(arguments: list[str]) -> int:
    """Plan, run, plan again; tell all of it."""
    sweep = Sweep.load("tiny", arguments)
    plan, before = sweep.plan(), (str(sweep.best), len(sweep.results()), sweep.stop())
    result = sweep.run(progress=False)
    again = sweep.run(progress=False)
    assert before == ("x=1: score = 10 (maximize)", 1, False)
    assert (again.counts, again.told["pools"]) == (result.counts, result.told["pools"])
    assert (result.ok, result.ended_by, str(result.best), result.best) == (
        True,
        "done",
        "x=3: score = 30 (maximize)",
        sweep.best,
    )
    assert [row["metric.score"] for row in sweep.results()] == [row["metric.score"] for row in result.rows]
    assert (sweep.logs("x=2"), sweep.logs("best")) == ("score=20.0\n", "score=30.0\n")
    tell(line({"plan": plan.told, "status": sweep.status(), "left": sweep.plan().left}))
    return 0


def test_python_goes_on_with_what_the_command_line_began_and_tells_the_same(project: Project) -> None:
    """Plan, status, rows, log and best are those of the verbs; nothing trains twice, whoever comes second."""
    first = project.run("hyperparameters.x=1")
    assert first.code == 0, first.err
    plan = project.verb("plan", "+experiment=tiny", "--json")
    found = told(project, planned_and_run)
    assert (found["plan"], found["left"]) == (json.loads(plan.out), 0)
    after = project.run()
    assert (after.code, len(project.begun()), len(project.jobs())) == (0, 3, 3)
    assert [row["job_name"] for row in found["status"]["rows"]] == [row["job_name"] for row in project.rows()]


def refused(arguments: list[str]) -> int:
    """Tell what a program is told of an error, by each way to it."""
    name, *overrides = arguments
    try:
        Sweep.load(name, overrides).run(progress=False)
    except SweeperError as error:
        tell(json.dumps([str(error), error.exit_code, error.code, error.file, error.line, error.key, error.remedy]))
    return 0


@pytest.mark.parametrize("words", [("tiny", "hyperparameters.lr=3"), ("wrong",)])
def test_an_error_is_an_exception_with_the_text_of_the_command_line(fresh_project: Project, words: tuple[str]) -> None:
    """The same message and exit code; its place, key and remedy are attributes."""
    wrong = EXPERIMENT.replace("name: tiny\n", "").replace("watchdog_grace_s", "watchdog_grace")
    (fresh_project.root / "experiments/wrong.yaml").write_text(wrong)
    name, *overrides = words
    said = fresh_project.verb(f"+experiment={name}", *overrides)
    message, exit_code, code, file, at, key, remedy = told(fresh_project, refused, *words)
    assert "".join(f"sweeper: {one}\n" for one in message.splitlines()) == said.err
    assert (exit_code, code) == (said.code, "usage")
    if name == "wrong":
        assert message.startswith(f"{file}:{at}:") and file == "experiments/wrong.yaml"
        assert f"{key}: " in message and remedy and remedy in message


def given(arguments: list[str]) -> int:
    """An experiment as a dict that inherits from a file, in a folder that is no project; it is saved, and run."""
    secret = "s3cr3t-in-a-dict"
    tiny = {"name": "dicted", "defaults": ["tiny"], "sweep": {"grid": {"hyperparameters.x": (4, 5)}}}
    tiny["environment"] = {"TOKEN": secret}
    sweep = Sweep.from_dict(tiny)
    assert (sweep.name, sweep.folder) == ("dicted", Path.cwd() / "runs/dicted")
    result = sweep.run(progress=False)
    assert result.best and result.best.values == {"hyperparameters.x": 5}
    written = b"".join(path.read_bytes() for path in Path("runs").rglob("*") if path.is_file())
    with pytest.raises(UsageError, match="there already"):
        Sweep.from_dict(tiny).save(sweep.save())
    for wrong in ({"job": {"max_runtime_s": "x"}}, {"hyperparameters": {"x": object()}}):
        with pytest.raises(UsageError) as caught:
            Sweep.from_dict({**tiny, **wrong})
        assert (caught.value.file, caught.value.line) == ("Sweep.from_dict", None)
    with pytest.raises(UsageError, match=r"Sweep\.from_dict: name: is missing"):
        Sweep.from_dict({})
    tell(json.dumps([result.told["counts"]["completed"], secret.encode() in written]))
    return 0


def test_an_experiment_without_a_file_is_one_like_all_others(project: Project) -> None:
    """A dict runs as its file does, which the command line goes on with; its secrets are written nowhere by a run."""
    assert told(project, given) == [2, False]
    assert yaml.safe_load((project.root / "experiments/dicted.yaml").read_text())["defaults"] == ["tiny"]
    again = project.verb("+experiment=dicted")
    assert (again.code, len(project.jobs())) == (0, 2), again.err


# -- a guest ----------------------------------------------------------------------------------------------------------


def process() -> dict[str, Any]:
    """What belongs to the whole process, and so to whoever called."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    root = logging.getLogger()
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    return {
        "signals": [signal.getsignal(number) for number in numbers],
        "wakeup": wakeup,
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "logging": (root.level, list(root.handlers), root.disabled, logging.root.manager.disable),
        "hydra": {kind: id(Singleton._instances[kind]) for kind in (GlobalHydra, HydraConfig)},
        "resolvers": {name: BaseContainer._resolvers[name] for name in ("prev", "hydra", "mine")},
        "loud": [logging.getLogger(name).level for name in ("optuna", "mlflow")],
        "streams": (sys.stdout, sys.stderr, list(sys.argv)),
        "collects": gc.isenabled(),
        "threads": threading.active_count(),
    }


class Guest:
    """A process that composes with Hydra itself, handles signals and collects no garbage."""

    def __init__(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        gc.disable()
        OmegaConf.register_new_resolver("prev", lambda key: f"theirs: {key}", replace=True)
        OmegaConf.register_new_resolver("mine", lambda: 1)

    def says_so(self, run: Callable[[], None]) -> None:
        """Run, with an application of Hydra's initialised around it."""
        theirs = Path.cwd() / "theirs"
        theirs.mkdir()
        (theirs / "app.yaml").write_text("value: ${mine:}\nother: ${prev:x}\n")
        with hydra.initialize_config_dir(str(theirs), version_base="1.3"):
            HydraConfig.instance().cfg = OmegaConf.create({"hydra": {"theirs": True}})
            before = process()
            run()
            assert process() == before
            composed = hydra.compose("app")
            assert (composed.value, composed.other) == (1, "theirs: x")
            sources = [source.provider for source in GlobalHydra.instance().config_loader().get_sources()]
            assert "experiments" not in sources


def in_a_loop(sweep: Sweep) -> None:
    """Blocking, in a coroutine; and in a thread of the loop."""

    async def main() -> None:
        assert sweep.run(progress=False).ok
        assert (await asyncio.to_thread(sweep.run, progress=False)).ok

    asyncio.run(main())


def as_a_guest(arguments: list[str]) -> int:
    """Run in every way that there is in one process, one sweep after another."""
    guest, root = Guest(), Path.cwd()
    one, other = Sweep.load("tiny"), Sweep.load("tiny", ["name=other", "hyperparameters.x=4"])
    search = {"grid": None, "optuna": {"count": 1, "seed": 1, "of": {"hyperparameters.x": {"choice": [5]}}}}
    searched = Sweep.from_dict({"name": "searched", "defaults": ["tiny"], "sweep": search})
    import optuna  # after which it may be told what to say

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.chdir("/")
    assert one.project == root
    os.chdir(root)

    def everything() -> None:
        os.chdir(root / "experiments")
        assert searched.run(progress=False).ok
        in_a_loop(one)
        assert [one["event"] for one in other.events()][-1] == "ended"
        os.chdir(root)

    guest.says_so(everything)
    tell(json.dumps([(root / "runs" / name / "results.csv").exists() for name in ("tiny", "other")]))
    return 0


def test_a_guest_leaves_the_process_as_it_was(project: Project) -> None:
    """Signal handlers, Hydra's state, environment, folder, logging: in a loop, a thread, one sweep after another."""
    assert told(project, as_a_guest) == [True, True]
    assert len(project.begun()) == 5


# -- interrupted ------------------------------------------------------------------------------------------------------


def plainly(sweep: Sweep) -> None:
    """As most do."""
    sweep.run(progress=False)


def iterating(sweep: Sweep) -> None:
    """Over what happens, the run in a thread."""
    for _ in sweep.events():
        pass


def stopping(sweep: Sweep) -> None:
    """From another thread, as soon as it is asked to by a signal."""
    ended = SimpleQueue[Result]()
    threading.Thread(target=lambda: ended.put(sweep.run(progress=False)), daemon=True).start()
    try:
        ended.get()
    except KeyboardInterrupt:
        assert sweep.stop(now=True)
        assert ended.get().ended_by == "request"
        raise


WAYS = (plainly, iterating, stopping, in_a_loop)


def raising(sweep: Sweep) -> None:
    """From the progress of a run another one is refused, and what the sweep is can be asked; an error ends the run."""

    def progress(happened: Mapping[str, Any]) -> None:
        if happened["event"] == "trial_submitted":
            with pytest.raises(LockHeldError, match=r"^tiny: this process runs tiny already"):
                sweep.run()
            assert sweep.status()["state"] == "running"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sweep.run(progress=progress)


def ended_early(arguments: list[str]) -> int:
    """By an error, by Ctrl-C in each way to run, and last by a signal that this process does not handle."""
    sweep = Sweep.load("tiny")
    raising(sweep)
    left = [sweep.status()["open_pools"]]
    for way in WAYS:
        with pytest.raises(KeyboardInterrupt):
            way(sweep)
        left.append(sweep.status()["open_pools"])
    tell(json.dumps(left), flush=True)
    sweep.run(progress=False)
    return 1


def test_a_run_that_is_ended_early_leaves_no_pool_and_goes_on_later(project: Project) -> None:
    """The job is stopped and the pool released before the caller hears of it; the command line goes on."""
    holding = held(project)
    next(holding)
    running = project.python(ended_early)
    for number, ending in enumerate([*[signal.SIGINT for _ in WAYS], signal.SIGTERM], start=1):
        wait_for(lambda: len(project.begun()) == number, "the trial trains again")  # noqa: B023 - it is called at once
        running.send_signal(ending)
    ended = project.ended(running)
    assert (ended.code, ended.err) == (-signal.SIGTERM, "")
    assert json.loads(ended.out) == [[] for _ in range(len(WAYS) + 1)]
    assert set(project.pools()) <= {"Terminated", ""}
    assert {row["status"] for row in project.rows()} == {"interrupted", "planned"}
    next(holding, None)
    assert project.run("hyperparameters.x=1").code == 0


# -- a notebook -------------------------------------------------------------------------------------------------------


def cells(arguments: list[str]) -> int:
    """What the code of docs/notebook.ipynb does, but for the cells that need pandas."""
    page = json.loads((Path(__file__).parents[2] / "docs/notebook.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in page["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] or cell["source"] for cell in cells)
    within: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for cell in cells:
            if "pandas" not in cell["metadata"].get("tags", ()):
                exec("".join(cell["source"]), within)
        with pytest.raises(UsageError, match=r"pip install 'sweeper\[notebook\]'"):
            within["result"].to_pandas()
    tell(json.dumps({row["name"]: row["metric.loss"] for row in within["result"].rows}))
    return 0


def guide(arguments: list[str]) -> int:
    """What the blocks of docs/python.md do, one after another."""
    page = (Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
    within: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for block in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S):
            exec(block, within)
        finer = within["finer"].run(progress=False)
    tell(json.dumps([len(finer.rows), *(row["status"] for row in finer.rows)]))
    return 0


def test_notebook_and_guide_run_the_trials_of_its_experiment_file(project: Project) -> None:
    """Cells and blocks do what they show; the command line finds nothing left to train, and the same results."""
    assert project.verb("init").code == 0
    found = told(project, cells)
    trained = len(project.jobs("first-"))
    again = project.verb("+experiment=first", "--json")
    rows = json.loads(project.verb("status", "first", "--json").out)["rows"]
    assert (again.code, len(project.jobs("first-")), trained) == (0, 4, 4), again.err
    assert found == {row["name"]: row["metric.loss"] for row in rows}
    before = len(project.jobs("finer-"))
    assert told(project, guide) == [3, "completed", "completed", "completed"]
    assert (len(project.jobs("first-")), len(project.jobs("finer-")), before) == (4, 3, 3), "the guide asks the same"
