"""MLflow: a run for the sweep, and below it one for each trial."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.events import TrialStatus
from sweeper.core.options import option
from sweeper.core.tracked import BAD, SweepEnded, Tracked, TrialEnded
from sweeper.core.words import cell
from sweeper.tracking.attempts import RunPerTrial, identity, values

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

SERVER = "MLFLOW_TRACKING_URI"
SWEEP, TRIAL, JOB = "sweeper.sweep", "sweeper.trial", "sweeper.job"
"""Tags by which a run is found again: whose it is, and which attempt it shows."""
PARENT, NAME = "mlflow.parentRunId", "mlflow.runName"
MOST_AT_ONCE = 100
MOST_LETTERS = 500
"""Of a value: what every version of MLflow takes."""
OF_TRIAL = ("config.yaml", "log.txt", "metrics.csv")
OF_SWEEP = ("config.yaml", "results.csv", "results.jsonl", "best.yaml", "report.html")
"""What is kept beside a run."""
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # of its own seven it says nothing for minutes
}
"""How its package behaves where the user has not said otherwise."""
_NO_SERVER = f"it does not say where: uri, or the variable {SERVER}"
_NO_SECRET = f"must be an address without user, password and token (the variable {SERVER} may hold one with them)"


@dataclass(frozen=True)
class MLflow(RunPerTrial):
    """Keeps a run of MLflow for the sweep, and below it one per trial: parameters, metrics by step, its log."""

    kind: ClassVar[str] = "mlflow"
    needs: ClassVar[str] = "mlflow"
    secrets: ClassVar[tuple[str, ...]] = ()
    variables: ClassVar[tuple[str, ...]] = (SERVER, "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
    patience_s: ClassVar[float] = 120.0

    uri: str | None = option(
        f"The server, or a store, as MLflow writes it; default: the variable {SERVER}.",
        default=None,
        pattern="^[^@?]+$",
        says=_NO_SECRET,
    )
    experiment: str | None = option("MLflow's experiment; default: the sweep's name.", default=None, low=1)

    def __post_init__(self) -> None:
        if not (self.uri or os.environ.get(SERVER)):
            raise ValueError(_NO_SERVER)

    def started(self, sweep: Tracked) -> None:
        """Find the sweep's run, or make it."""
        self._store(sweep).begin()

    def show(self, sweep: Tracked, ended: TrialEnded) -> None:
        """The trial's run shows this attempt. Raises what MLflow raises."""
        self._store(sweep).show(ended)

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:
        """The sweep's run says what it came to. Raises what MLflow raises."""
        self._store(sweep).end(ended)

    def _store(self, sweep: Tracked) -> _Store:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        return _Store(MlflowClient(tracking_uri=self.uri), self.experiment or sweep.name, sweep)


@dataclass(frozen=True)
class _Store:
    """The runs of one sweep."""

    client: MlflowClient
    experiment: str
    sweep: Tracked

    def begin(self) -> None:
        """Find the sweep's run, or make it where there is none; it is noted."""
        mine = {SWEEP: identity(self.sweep.notes), "sweeper.role": "sweep"}
        found = self._found(mine)
        run = found[0] if found else self._made(mine, self.sweep.name, None)
        self.sweep.notes.put("run", str(run.info.run_id))

    def show(self, ended: TrialEnded) -> None:
        """One run for the trial: what a killed process has begun is made anew, and another attempt's is taken away."""
        parent = self._sweep_run
        self.client.update_run(parent, status="RUNNING")
        mine = {SWEEP: identity(self.sweep.notes), TRIAL: ended.trial}
        this = {JOB: ended.job, "sweeper.ended_at": cell(ended.ended_at)}
        whole = False
        for run in self._found(mine):
            same = all(run.data.tags.get(key) == value for key, value in this.items())
            if same and run.info.status != "RUNNING" and not whole:
                whole = True
            else:
                self.client.delete_run(run.info.run_id)
        if not whole:
            run = self._made({PARENT: parent, **mine, **this, **_tags(ended)}, ended.name, ended.started_at)
            self._fill(str(run.info.run_id), ended)

    def end(self, ended: SweepEnded) -> None:
        """What the sweep came to, with its files."""
        run = self._sweep_run
        told = {"why": ended.why, "rule": ended.rule, "unreleased": ", ".join(ended.unreleased)}
        best = ended.best or {}
        told |= {"best_trial": cell(best.get("trial")), "best_name": cell(best.get("name"))}
        for key, value in told.items():
            self.client.set_tag(run, f"sweeper.{key}", value[:MOST_LETTERS])
        for status in TrialStatus:
            self.client.log_metric(run, f"trials.{status.value}", ended.counts.get(status.value, 0), step=0)
        if self.sweep.objective and best:
            metric = f"metric.{self.sweep.objective.metric}"
            self.client.log_metric(run, _key(f"best.{self.sweep.objective.metric}"), best[metric], step=0)
        self._keep(run, self.sweep.folder, OF_SWEEP)
        self.client.set_terminated(run, _status_of(ended))

    @property
    def _sweep_run(self) -> str:
        run = self.sweep.notes.get("run")
        assert run is not None, "begun before anything is told"
        return run

    def _fill(self, run: str, ended: TrialEnded) -> None:
        from mlflow.entities import Metric, Param

        def metrics() -> Iterator[Metric]:
            at = _ms(ended.ended_at) or 0
            for one in values(ended):
                yield Metric(_key(one.metric), one.value, int(one.at * 1000), one.step)
            for name in ("train_seconds", "billable_seconds", "cost_usd"):
                if (value := getattr(ended, name)) is not None:
                    yield Metric(f"sweeper.{name}", value, at, 0)

        said = {_key(key): cell(value)[:MOST_LETTERS] for key, value in ended.values.items()}
        for some in _batches(Param(key, value) for key, value in said.items()):
            self.client.log_batch(run, params=some)
        for some in _batches(metrics()):
            self.client.log_batch(run, metrics=some)
        self._keep(run, self.sweep.folder / "trials" / ended.trial, OF_TRIAL)
        status = "FAILED" if ended.status in BAD else "FINISHED"
        status = "KILLED" if ended.status in (TrialStatus.PRUNED, TrialStatus.STOPPED) else status
        self.client.set_terminated(run, status, _ms(ended.ended_at))

    def _keep(self, run: str, folder: Path, names: Iterable[str]) -> None:
        for name in names:
            if (folder / name).is_file():
                self.client.log_artifact(run, str(folder / name))

    def _found(self, tags: Mapping[str, str]) -> list[Run]:
        said = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return list(self.client.search_runs([self._experiment()], said))

    def _made(self, tags: Mapping[str, str], name: str, started_at: float | None) -> Run:
        return self.client.create_run(self._experiment(), _ms(started_at), dict(tags), run_name=name[:MOST_LETTERS])

    def _experiment(self) -> str:
        if (found := self.client.get_experiment_by_name(self.experiment)) is not None:
            return str(found.experiment_id)
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.create_experiment(self.experiment))
        except MlflowException:
            found = self.client.get_experiment_by_name(self.experiment)
            if found is None:
                raise
            return str(found.experiment_id)  # another sweep was first


def _tags(ended: TrialEnded) -> dict[str, str]:
    told = {
        "attempt": ended.attempt,
        "status": ended.status.value,
        "failure": ended.failure,
        "message": ended.message,
        "model": ended.model,
    }
    return {f"sweeper.{key}": cell(value)[:MOST_LETTERS] for key, value in told.items() if value not in ("", None)}


def _status_of(ended: SweepEnded) -> str:
    """FAILED where a trial has failed or a pool may still bill, KILLED where trials are left that no rule left out."""
    came_to = {TrialStatus(status) for status, number in ended.counts.items() if number}
    if ended.unreleased or came_to & BAD:
        return "FAILED"
    return "FINISHED" if ended.rule or all(status.finished for status in came_to) else "KILLED"


def _key(name: str) -> str:
    """A name as MLflow takes it for a parameter or a metric."""
    return re.sub(r"[^\w\-. /:]", "_", name)[:250]


def _ms(at: float | None) -> int | None:
    return None if at is None else int(at * 1000)


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """The items, so many at once as a request takes."""
    left = iter(items)
    while some := list(islice(left, MOST_AT_ONCE)):
        yield some
