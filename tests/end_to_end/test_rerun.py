"""Run it again, and where is my model: the best trial of every kind of search, by the request that is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper import config
from sweeper.commands.complete import candidates
from sweeper.core.model import Sweep
from sweeper.core.request import encode_hyperparameters
from tests.end_to_end.conftest import Project

SAVING = """\
with open(os.path.join(os.environ["SM_MODEL_DIR"], "weights.txt"), "w") as file:
    file.write(f"{a.x:g}")
"""
X, FAIL = "hyperparameters.x", "hyperparameters.fail"
KINDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "grid": ({"grid": {X: [1, 2]}}, []),
    "zip": ({"zip": {X: [1, 2], FAIL: [7, 8]}}, []),
    "points": ({"points": {"low": {X: 1}, "high": {X: 2, FAIL: 9}}}, []),
    "cumulative": ({"points": {"first": {FAIL: 9}, "second": {X: 2}}, "cumulative": True}, []),
    "random": ({"random": {"count": 2, "seed": 1, "of": {X: {"uniform": [0, 1]}}}}, []),
    "optuna": ({"optuna": {"count": 2, "seed": 1, "of": {X: {"int": [1, 50]}}}}, []),
    "repeat": ({"grid": {X: [1, 2]}, "repeat": {"times": 2, "seed": FAIL}}, [f"{FAIL}=7"]),
    "rounds": ({"grid": {X: [1, 2]}, "repeat": {"times": 2, "seed": None}}, []),
    "overridden": (
        {"grid": {X: [1, 2]}},
        [f"{FAIL}=5", "locked.volume_size_in_gb=77", "+hyperparameters.more=3", "job.arguments=flags"],
    ),
}
NEW = ("TrainingJobName", "Environment", "ResourceConfig")
"""Where a request of the next attempt differs by its attempt's number and its keep-alive."""


def declare(project: Project, sweep: dict[str, Any]) -> None:
    """The experiment with this `sweep` section, whose script saves a model."""
    path = project.root / "experiments/tiny.yaml"
    told = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**told, "sweep": sweep}))
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text() + SAVING)


def rows(project: Project) -> list[dict[str, Any]]:
    """The rows of results.jsonl."""
    return [json.loads(line) for line in (project.root / "runs/tiny/results.jsonl").read_text().splitlines()]


def same(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Two jobs were asked for with the same request, but for what makes the second one another attempt."""
    asked = ("RoleArn", "AlgorithmSpecification", "HyperParameters", "InputDataConfig", "OutputDataConfig")
    for key in (*asked, "StoppingCondition"):
        assert first.get(key) == second.get(key), key
    for key, ours in (("Environment", "SWEEPER_FINGERPRINT"), ("ResourceConfig", "KeepAlivePeriodInSeconds")):
        left, right = ({k: v for k, v in job[key].items() if k != ours} for job in (first, second))
        assert left == right, key


def composed(project: Project, words: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """The configurations of the trials that these words declare, by identity."""
    found: dict[str, dict[str, Any]] = {}

    def take(sweep: Sweep) -> int:
        found.update({trial.id: dict(sweep.resolve(trial)) for trial in sweep.trials})
        return 0

    monkeypatch.chdir(project.root)
    config.run(["+experiment=tiny", *words], take)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_trial_runs_again_exactly(kind: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rerun` and the overrides of best.yaml: the same request, and every other row stays. Of a group: all of it."""
    if kind == "optuna":
        pytest.importorskip("optuna")
    sweep, words = KINDS[kind]
    declare(project, sweep)
    ended = project.run(*words)
    assert ended.code == 0, ended.err
    before = rows(project)
    best = yaml.safe_load((project.root / "runs/tiny/best.yaml").read_text())
    assert "sweeper rerun tiny best" in (project.root / "runs/tiny/best.yaml").read_text()
    again = project.verb("rerun", "tiny", "best")
    assert again.code == 0, again.err
    after = rows(project)
    assert [row["trial"] for row in after] == [row["trial"] for row in before]
    assert [row["attempts"] for row in after] == [1 + (row["trial"] == best["trial"]) for row in before]
    ran = {job["TrainingJobName"]: job for job in project.jobs()}
    (name,) = (row["job_name"] for row in before if row["trial"] == best["trial"])
    same(ran[name], ran[f"{name.removesuffix('01')}02"])
    declared = composed(project, best["overrides"], monkeypatch)
    group = best.get("group") or {"trials": [best]}
    assert list(declared) == [trial["trial"] for trial in group["trials"]]
    assert (project.root / "runs/tiny/results_grouped.csv").exists() == ("repeat" in sweep)
    made = declared[best["trial"]]
    assert encode_hyperparameters(made["hyperparameters"]) == ran[name]["HyperParameters"]
    assert made["job"]["image_uri"] == ran[name]["AlgorithmSpecification"]["TrainingImage"]
    assert made["locked"]["volume_size_in_gb"] == ran[name]["ResourceConfig"]["VolumeSizeInGB"]


def test_an_added_trial_runs_again_after_everything_has_changed(project: Project) -> None:
    """Script, base and sweep are others now: it is not declared any more, and runs again as it ran."""
    declare(project, {"grid": {X: [1]}})
    assert project.run(f"{FAIL}=4").code == 0
    assert project.verb("add", "tiny", f"{X}=6").code == 0
    assert project.run(f"{FAIL}=4").code == 0
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text().replace("* 10", "* 1000"))
    assert project.run().code == 0
    assert [(row["name"], row["declared"]) for row in rows(project)] == [("x=1", True), ("x=1", False), ("x=6", False)]
    again = project.verb("rerun", "tiny", "x=6")
    assert again.code == 0, again.err
    told = [(row["name"], row["attempts"], row["metric.score"]) for row in rows(project)]
    assert told == [("x=1", 1, 1000.0), ("x=1", 1, 10.0), ("x=6", 2, 60.0)]
    ran = [job for job in project.jobs() if job["HyperParameters"]["x"] == "6"]
    same(*ran)
    told = json.loads(project.verb("status", "tiny", "--json").out)["rows"]
    assert [row["declared"] for row in told] == [True, False, False]
    assert len(list((project.root / "runs/tiny/sources").iterdir())) == 2
    source = project.verb("source", "tiny", "x=6", "--to", "before", "--diff", "--json")
    told = json.loads(source.out)
    assert (told["files"], told["commit"], told["diff"]) == (["train.py"], None, None), source.err
    assert (project.root / "before/train.py").read_text() == script.read_text().replace("* 1000", "* 10")
    refused = project.verb("source", "tiny", "x=6", "--to", "before")
    assert (refused.code, "before is not empty" in refused.err) == (2, True)


def test_a_model_is_pulled_once_and_only_whole(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pull` brings the best one, says what is there already, and touches no folder that holds something else.

    The table, best.yaml and tab completion name it.
    """
    declare(project, {"grid": {X: [1, 2]}})
    ended = project.run()
    model = rows(project)[1]["model"]
    assert f"model of x=2: sweeper pull tiny best ({model})" in ended.out
    assert "# Its model: sweeper pull tiny best\n" in (project.root / "runs/tiny/best.yaml").read_text()
    monkeypatch.chdir(project.root)
    assert "best " in candidates("sweeper pull tiny ") and "best " in candidates("sweeper rerun tiny b")
    assert "best " not in candidates("sweeper logs tiny ")
    assert "--detach " in candidates("sweeper +experiment=tiny --d")
    told = json.loads(project.verb("pull", "tiny", "--json").out)
    assert told["proved_by"] == "MD5"
    assert (told["model"], told["files"], told["pulled"]) == (model, ["weights.txt"], True)
    assert Path(told["folder"], "weights.txt").read_text() == "2"
    assert "is there already" in project.verb("pull", "tiny", "best").out
    own = tmp_path / "own"
    own.mkdir()
    assert project.verb("pull", "tiny", "1", "--to", str(own)).code == 0
    assert (own / "weights.txt").read_text() == "1"
    refused = project.verb("pull", "tiny", "2", "--to", str(own))
    assert (refused.code, "holds the model of tiny-" in refused.err) == (2, True)
    assert (own / "weights.txt").read_text() == "1"


def test_what_cannot_be_run_again_is_said(project: Project) -> None:
    """No trial, none of that name, none that has run: one line, and nothing is sent."""
    project.run("stop.max_trials=1")
    for words, why in (
        (["tiny", "9"], "no such trial"),
        (["tiny", "3"], "no job has begun"),
        (["other"], "no such sweep"),
    ):
        for verb in ("rerun", "pull", "source"):
            refused = project.verb(verb, *words)
            assert (refused.code, why in refused.err) == (2, True), refused
    (project.root / "runs/tiny/config.yaml").write_text("name: [")
    torn = project.verb("rerun", "tiny", "1")
    assert (torn.code, "config.yaml is gone or torn" in torn.err) == (2, True)
    assert len(project.begun()) == 1


def test_what_a_rerun_was_given_stays_secret(project: Project) -> None:
    """Its environment comes from the service, and is written as little as it was the first time."""
    declare(project, {"grid": {X: [1]}})
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text() + "print('token', os.environ['TOKEN'])\n")
    assert project.run("+environment.TOKEN=planted-token-1").code == 0
    again = project.verb("rerun", "tiny")
    assert (again.code, "planted-token-1" in again.out + again.err) == (0, False), again.err
    assert project.jobs()[1]["Environment"]["TOKEN"] == "planted-token-1"
    for path in (project.root / "runs").rglob("*"):
        assert path.is_dir() or b"planted-token-1" not in path.read_bytes(), path
    assert "token ***" in project.verb("logs", "tiny", "1").out


def test_a_script_that_saved_nothing_is_told_so(project: Project) -> None:
    """The service names a place for a model in any case; where nothing is, `pull` says what may be the reason."""
    assert project.run(f"{X}=1").code == 0
    pulled = project.verb("pull", "tiny")
    assert (pulled.code, "is not there: the script saved nothing in SM_MODEL_DIR, or it was removed" in pulled.err) == (
        2,
        True,
    )
    assert not (project.root / "runs/tiny/models").exists()
