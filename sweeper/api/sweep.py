"""A sweep from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sweeper.api import stored
from sweeper.api.happening import happenings
from sweeper.api.packages import as_before
from sweeper.api.plan import Plan, plan_of
from sweeper.api.result import Result
from sweeper.api.rows import Best, Rows
from sweeper.api.running import run
from sweeper.api.telling import Telling
from sweeper.commands.say import without_secrets
from sweeper.config import project as projects
from sweeper.config.guest import Composed, as_text, compose, words
from sweeper.core import model
from sweeper.errors import SweeperError, UsageError
from sweeper.record.atomic import write_atomically
from sweeper.run.connect import connect

if TYPE_CHECKING:
    from os import PathLike

T = TypeVar("T")


class Sweep:
    """An experiment of a project with overrides, as a command line names one: to plan it, run it, and read what came.

    Make one with `Sweep.load` or `Sweep.from_dict`. It holds no more than that: each `plan` and `run` reads the files
    anew, as the command line does, and the journal in the sweep's folder is the only record. So the command line goes
    on with what Python has begun, and Python with what the command line has.

    Everything that is wrong raises a `SweeperError`, with the text that the command line would print.
    """

    def __init__(self, experiment: str | Mapping[str, Any], overrides: Sequence[str], root: Path) -> None:
        self._experiment, self._overrides, self._root = experiment, words(overrides), root
        self._composed = self._compose()
        self._folder: Path | None = None

    @classmethod
    def load(
        cls, experiment: str, overrides: Sequence[str] = (), *, project: str | PathLike[str] | None = None
    ) -> Sweep:
        """The experiment `experiments/EXPERIMENT.yaml`, with overrides as on the command line (`"KEY=VALUE"`).

        `project` is the folder that holds `experiments/`. Without it: SWEEPER_PROJECT, else the nearest parent of the
        working directory that has such a folder; a later change of the working directory changes nothing.

        Raises UsageError for everything that is wrong with it, a line each.
        """
        return cls(experiment, overrides, _root(project))

    @classmethod
    def from_dict(
        cls,
        experiment: Mapping[str, Any],
        overrides: Sequence[str] = (),
        *,
        project: str | PathLike[str] | None = None,
    ) -> Sweep:
        """An experiment without a file: what would stand in one, as a dict. It needs a `name`.

        All that a file may say may be said here, `defaults: [another_experiment]` too. Of it only what every run
        writes is written, without its secrets: see `save`. Its folder is `runs/NAME` of the project, which need not
        have an `experiments/`.

        Raises UsageError, with `Sweep.from_dict` in the place of a file and a line.
        """
        return cls(experiment, overrides, _root(project))

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._composed.sweep.name

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self._root

    @property
    def folder(self) -> Path:
        """Where the sweep keeps its files: `runs/NAME`, on AWS `runs/NAME@ACCOUNT.REGION`, for which the account is
        asked once.
        """
        if self._folder is None:
            self._folder = self._within(_folder)
        return self._folder

    def plan(self, *, requests: bool = False, every: bool = False) -> Plan:
        """What a run would do now: everything short of spending. Nothing is sent but questions.

        `requests`: with the request of every trial that is left. `every`: all trials in `order`, not only the first 20.
        """
        self._composed, self._folder = self._compose(), None
        return self._within(lambda sweep: plan_of(sweep, requests=requests, every=every))

    def run(self, *, progress: bool | Callable[[Mapping[str, Any]], None] | None = None, wait: bool = False) -> Result:
        """Run the sweep, or continue it, until nothing is left to do; every pool is closed when it returns.

        `progress`: None shows it in the cell of a notebook, as a table on a terminal, else as lines on stderr. False
        shows nothing. A function is called with each thing that happens, a dict as a line of `--events jsonl` is; what
        it raises ends the run as an error does.

        `wait`: where another sweep holds its pool, wait and take it over, as --wait of the command line does; `stop`
        then raises GaveUpWaitingError.

        Failed trials raise nothing: they are rows of the result, whose `exit_code` is 1. Raises UsageError for what is
        wrong with the experiment, LockHeldError while another runner has the sweep or its pool or another sweep runs in
        this process, PoolOpenError where a pool could not be seen to close, ApiError and others as they come.

        Ctrl-C (in a notebook: interrupt) stops the job, releases the pool and then raises KeyboardInterrupt; a second
        one shortens the waits. Another signal goes to whoever handled it before, once the pool is released. In a thread
        that is not the main one Python catches no signal: `stop` ends it from anywhere.
        """
        return self._run(Telling(progress), wait=wait)

    def events(self, *, wait: bool = False) -> Iterator[Mapping[str, Any]]:
        """Run the sweep as `run` does, in a thread, and give each thing as it happens; the last one is what it came to.

        They are the records of `--events jsonl`. Nothing runs before the first is asked for. Whoever stops iterating
        ends the run, its pool released, as by Ctrl-C; what `run` raises is raised here.
        """
        return happenings(partial(self._run, wait=wait))

    def results(self) -> Rows:
        """Every trial as it stands now, also while another process runs the sweep."""
        return self._within(partial(stored.rows, self.folder))

    @property
    def best(self) -> Best | None:
        """The best trial so far; None without an objective, and as long as none has completed."""
        folder = self.folder
        return self._within(lambda _: stored.best(folder))

    def status(self) -> Mapping[str, Any]:
        """How it stands now: what `sweeper status --json` prints. Raises UsageError when it has never run."""
        folder = self.folder
        return self._within(lambda _: stored.status(folder))

    def stop(self, *, now: bool = False) -> bool:
        """Ask whoever runs the sweep to end it after its job; `now` stops the job too. Its runner releases the pool.

        False when nobody runs it. Works from any thread and process; returns at once.
        """
        folder = self.folder
        return self._within(lambda _: stored.stop(folder, now=now))

    def logs(self, trial: str | int | None = None) -> str:
        """The log of a trial's last job so far. `trial`: `best`, its number, id, name, or a part of one, as `lr=0.1`.

        Without it: of the one that runs, else of the one that ran last. Raises UsageError when there is none.
        """
        folder = self.folder
        return self._within(lambda _: stored.log(folder, None if trial is None else str(trial)))

    def save(self, path: str | PathLike[str] | None = None) -> Path:
        """Write an experiment that was given as a dict to a file, by default `experiments/NAME.yaml` of the project.

        From then on the command line can run it too, and goes on with what there is. Raises UsageError where a file is
        there already, and for an experiment that has one.
        """
        if not isinstance(self._experiment, Mapping):
            raise UsageError(f"{self._experiment}: this experiment has a file already")
        file = Path(path) if path else self._root / projects.EXPERIMENTS / f"{self.name}.yaml"
        if file.exists():
            raise UsageError(f"{file}: is there already, and nothing is overwritten; give another path")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file.absolute(), as_text(self._experiment))
        return file

    def __repr__(self) -> str:
        return f"<Sweep {self.name}: {len(self._composed.sweep.trials)} trials, in {self._root}>"

    def _run(self, telling: Telling, *, wait: bool) -> Result:
        self._composed, self._folder = self._compose(), None
        return self._within(partial(run, telling=telling, wait=wait))

    def _compose(self) -> Composed:
        with as_before():
            return compose(self._root, self._experiment, self._overrides)

    def _within(self, call: Callable[[model.Sweep], T]) -> T:
        """Do it in the context that it was composed in, which nothing is left of afterwards."""
        with as_before():
            return self._composed.context.copy().run(_said, partial(call, self._composed.sweep))


def _said(call: Callable[[], T]) -> T:
    """What it raises says no secret, as what the command line prints does not."""
    try:
        return call()
    except SweeperError as error:
        error.args = (without_secrets(str(error)), *error.args[1:])
        raise


def _root(project: str | PathLike[str] | None) -> Path:
    if project is None:
        return projects.here()
    root = Path(project).absolute()
    if not projects.is_dir(root):
        raise UsageError(f"project: there is no folder {root}")
    return root


def _folder(sweep: model.Sweep) -> Path:
    return Path(sweep.project).absolute() / "runs" / connect(sweep, reading=True).scope.folder(sweep.name)
