"""What MLflow's server, W&B's files and TensorBoard's event files say of a sweep is what results.csv says."""

from __future__ import annotations

import csv
import importlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sweeper import tracking
from sweeper.core.events import TrialStatus
from sweeper.core.tracked import Point, Tracked, TrialEnded
from sweeper.record.remembered import StoredTrials
from sweeper.tracking.ledger import Ledger
from tests.contracts import read_back
from tests.contracts.read_back import Told
from tests.end_to_end.conftest import Project, wait_for

SECRET = "p4ssw0rd-0f-a-tracker"
TRACKERS = "trackers: {mlflow: {}, wandb: {}, tensorboard: {}}\n"
CURVE = 'for step in range(5): print(f"epoch={step} score={a.x * step}")\n'
METRICS = 'metrics: [{name: epoch, regex: "epoch=([0-9]+)"}, {name: score, regex: "score=([-+0-9.enaif]+)"}]'


def prepare(project: Project, server: str) -> None:
    """The sweep has learning curves, and tells all three."""
    path, script = project.root / "experiments/tiny.yaml", project.root / "experiments/scripts/tiny/train.py"
    before, after = path.read_text().split("  metrics:")
    path.write_text(f"{before}  {METRICS}\n{after.partition(chr(10))[2]}{TRACKERS}")
    script.write_text(script.read_text().replace('print(f"score={a.x * 10}")', CURVE))
    scheme, host = server.split("://")
    project.environment["MLFLOW_TRACKING_URI"] = f"{scheme}://me:{SECRET}@{host}"


def table(file: Path) -> list[dict[str, str]]:
    """A CSV file."""
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_a_sweep_that_was_killed_and_resumed_is_told_as_results_csv_has_it(project: Project, server: str) -> None:
    """No run is doubled in any of them; values, status, results and curves agree; the server's password is nowhere."""
    prepare(project, server)
    words = ("hyperparameters.x=1,2,3,4", "hyperparameters.fail=3")
    killed = project.start(*words, "hyperparameters.wait=1")
    wait_for(lambda: len(project.begun()) >= 3, "the third trial begins")
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    ended = project.run(*words, "hyperparameters.wait=1")
    assert ended.code == 1, ended.err
    assert "could not be told" not in ended.err
    rows = project.rows()
    assert [row["status"] for row in rows] == ["completed", "completed", "failed", "completed"]
    assert project.verb("export", "tiny").code == 0
    curves: dict[str, dict[str, list[float]]] = {row["trial"]: {} for row in rows}
    for point in table(project.root / "runs/tiny/export/points.csv"):
        curves[point["trial"]].setdefault(point["metric"], []).append(float(point["value"]))

    mlflow = read_back.of_mlflow(server)
    (sweep,) = [run for run in mlflow if run.values.get("sweeper.role") == "sweep"]
    told = {run.values["sweeper.trial"]: run for run in mlflow if "sweeper.trial" in run.values}
    assert (len(mlflow), list(told)) == (5, [row["trial"] for row in rows])
    assert {run.values["mlflow.parentRunId"] for run in told.values()} == {sweep.values["run_id"]}
    assert (sweep.values["status"], sweep.values["sweeper.best_name"], sweep.summary["best.score"]) == (
        "FAILED",
        "x=4",
        16,
    )
    _is_as(rows, told, curves, "sweeper.", first=1)
    _keeps_its_files(server, sweep, told[rows[0]["trial"]], project)

    wandb = {run.values["sweeper.trial"]: run for run in read_back.of_wandb(project.root / "runs/tiny")}
    _is_as(rows, wandb, curves, "sweeper.", first=0)
    board = {run.name.rpartition(".")[2]: run for run in read_back.of_tensorboard(project.root / "runs/tiny")}
    _is_as(rows, {row["trial"]: board[row["trial"][:8]] for row in rows}, curves, "", first=1)
    assert len(wandb) == len(board) == len(read_back.of_wandb(project.root / "runs/tiny")) == 4

    for file in (project.root / "runs").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def _is_as(
    rows: list[dict[str, str]], told: Mapping[str, Told], curves: Mapping[str, Any], prefix: str, first: int
) -> None:
    """Each row is told: its values, its job, what it came to, and every value of its metrics from this step on."""
    for row in rows:
        run, expected = told[row["trial"]], curves[row["trial"]]
        assert (run.name.startswith(row["name"]), run.values[f"{prefix}job"]) == (True, row["job_name"])
        assert float(run.values["hyperparameters.x"]) == float(row["hyperparameters.x"])
        assert {**run.values, **run.summary}[f"{prefix}status"] == row["status"]
        for metric in ("epoch", "score"):
            last = row[f"metric.{metric}"]
            assert [value for _, value in run.points.get(metric, [])] == expected.get(metric, [])
            assert [step for step, _ in run.points.get(metric, [])] == [
                *range(first, first + len(expected.get(metric, [])))
            ]
            assert (str(float(run.summary[metric])) if metric in run.summary else "") == last


def _keeps_its_files(server: str, sweep: Told, trial: Told, project: Project) -> None:
    """The sweep's run has the configuration, the results and the page; a trial's has its log."""
    client = importlib.import_module("mlflow").MlflowClient(server)
    names = {kept.path for kept in client.list_artifacts(sweep.values["run_id"])}
    assert {"config.yaml", "results.csv", "results.jsonl", "best.yaml", "report.html"} == names
    log = client.download_artifacts(trial.values["run_id"], "log.txt", str(project.root))
    assert "epoch=4 score=4" in Path(log).read_text()


@pytest.mark.parametrize("kind", ["mlflow", "wandb", "tensorboard"])
def test_one_who_is_killed_while_it_tells_leaves_no_half_and_no_second_run(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL amid a trial's points: told again, there is one run with each point once. A retry replaces it."""
    monkeypatch.chdir(tmp_path)  # MLflow keeps artifacts there where no server is in front of its store
    options = {"uri": f"sqlite:///{tmp_path}/m.db"} if kind == "mlflow" else {}
    (tracker,) = tracking.made({"trackers": {kind: options}})
    sweep = Tracked("s", tmp_path / "runs/s", {}, None, StoredTrials((), ()), Ledger(tmp_path / "runs/s", kind))

    def tell(attempt: int, dies: bool = False) -> None:
        def points() -> Iterator[Point]:
            for step in range(1, 301):
                if dies and step == 250:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield Point("m", step, step / attempt, f"2030-01-01T00:0{step // 60}:{step % 60:02}Z")

        values, result = {"lr": attempt}, {"m": 300 / attempt}
        told = (f"job-{attempt}", TrialStatus.COMPLETED, values, result, "", "", 1e9, 1e9 + attempt, 1.0, 1.0, 0.1, "")
        tracker.started(sweep)
        tracker.trial(sweep, TrialEnded("a" * 16, "lr", attempt, *told, late=False, points=points))

    child = os.fork()
    if not child:
        try:
            tell(1, dies=True)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    for attempt in (1, 1, 2, 1):  # the last one late: another attempt is shown already
        tell(attempt)
        (run,) = _runs(kind, tmp_path)
        shown = max(attempt, int(float(run.values["lr"])))
        assert [round(value * shown) for _, value in run.points["m"]] == [*range(1, 301)]
        assert [run.values.get(key) for key in ("job", "sweeper.job") if key in run.values] == [f"job-{shown}"]
    assert shown == 2


def _runs(kind: str, folder: Path) -> list[Told]:
    if kind == "mlflow":
        return [run for run in read_back.of_mlflow(f"sqlite:///{folder}/m.db") if "sweeper.job" in run.values]
    return read_back.of_wandb(folder / "runs/s") if kind == "wandb" else read_back.of_tensorboard(folder)


def test_a_server_that_is_not_there_changes_nothing(project: Project) -> None:
    """The sweep ends well, its pools are closed, and that is said once, without the password."""
    prepare(project, "http://127.0.0.1:1")
    ended = project.run("hyperparameters.x=1", "trackers.wandb=null")
    assert ended.code == 0, ended.err
    assert ended.err.count("warning: the tracker mlflow could not be told") == 1
    assert SECRET not in ended.err + ended.out
    assert len(read_back.of_tensorboard(project.root / "runs/tiny")) == 1


def test_pandas_and_polars_read_what_is_exported_as_it_is(project: Project, server: str) -> None:
    """Both formats, each in one line: numbers are numbers, NaN among them, times are times, and nothing is lost."""
    pandas, polars = importlib.import_module("pandas"), importlib.import_module("polars")
    prepare(project, server)
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text() + "print('score=nan')\n")
    assert project.run("trackers=null").code == 0
    for form in ("csv", "jsonl"):
        assert project.verb("export", "tiny", "--format", form).code == 0
    folder = project.root / "runs/tiny/export"
    read = [
        pandas.read_csv(folder / "points.csv", parse_dates=["time"]),
        pandas.read_json(folder / "points.jsonl", lines=True),
        polars.read_csv(folder / "points.csv", infer_schema_length=None, try_parse_dates=True).to_pandas(),
        polars.read_ndjson(folder / "points.jsonl", infer_schema_length=None).to_pandas(),
    ]
    for points in read:
        assert [len(points), *map(str, points.dtypes[["index", "step", "value"]])] == [33, "int64", "int64", "float64"]
        assert points.value.isna().sum() == 3
        assert points[points.metric == "score"].pivot(index="step", columns="name", values="value").shape == (6, 3)
    assert [str(read[at].dtypes["time"]).startswith("datetime64") for at in (0, 2)] == [True, True]
    assert len(pandas.read_csv(folder / "trials.csv")) == len(polars.read_ndjson(folder / "trials.jsonl")) == 3
