"""Users' programs run unmodified: ModelTrainer of SDK version 3, Estimator of version 2, TrainingQueue of both."""

from __future__ import annotations

import csv
import subprocess
import sys
import tarfile
from pathlib import Path

from benchmarks.idle import between
from tests.clients.conftest import Engine, Program

JOBS = 6


def test_a_loop_of_model_trainers_starts_cold_once(engine: Engine, sdk3: Program, tmp_path: Path) -> None:
    """Six jobs with keep-alive, role validation, wait and logs: one cold and five reused; metrics and lines arrive."""
    told, printed = sdk3("benchmarks/model_trainer.py", str(JOBS), str(tmp_path / "source"))
    jobs = engine.jobs()
    assert [job["warm"] for job in jobs] == [False, *[True] * (JOBS - 1)]
    assert [job["FinalMetricDataList"][0]["Value"] for job in jobs] == [x * 10 for x in range(JOBS)]
    assert all(f"score={x * 10}" in printed for x in range(JOBS))
    idle = ", ".join(f"{gap:.1f}" for gap in between(jobs))
    print(f"{JOBS} jobs in {told['seconds']:.1f} s by sagemaker-train {told['version']}; the pool idled {idle} s")


def test_a_model_trainer_tells_of_failure_and_of_a_stop(sdk3: Program, tmp_path: Path) -> None:
    """FailedStatusError with the service's reason; a stopped job ends Stopped."""
    told, _ = sdk3("tests/clients/programs/endings.py", str(tmp_path))
    assert "AlgorithmError" in told["failure"]
    assert "exit code: 3" in told["failure"]
    assert told["status"] == "Stopped"


def test_an_estimator_fits_twice_on_one_pool(engine: Engine, sdk2: Program, tmp_path: Path) -> None:
    """A channel, hyperparameters as JSON, the log, metric and model, and the second job on the first pool."""
    told, printed = sdk2("tests/clients/programs/estimator.py", str(tmp_path))
    assert [(job["warm"], job["FinalMetricDataList"][0]["Value"]) for job in engine.jobs()] == [(False, 42), (True, 42)]
    assert printed.count("score=42") == 2
    with tarfile.open(told["model"]) as packed:
        assert packed.getnames() == ["weights"]


def test_a_training_queue_of_model_trainers(sdk3: Program, tmp_path: Path) -> None:
    """On AWS Batch one waits behind the other; submit, list, get, result, terminate and the trainer of a job."""
    told, _ = sdk3("tests/clients/programs/queue_trainers.py", str(tmp_path))
    assert told == {
        "waits": ["short"],
        "short": "SUCCEEDED",
        "training_job": "Completed",
        "same": True,
        "long": "FAILED",
        "succeeded": ["short"],
    }


def test_a_training_queue_of_estimators(sdk2: Program, tmp_path: Path) -> None:
    """On AWS Batch two of one map, their results, the list and the estimator of a job."""
    told, _ = sdk2("tests/clients/programs/queue_estimators.py", str(tmp_path))
    assert told == {"results": ["SUCCEEDED"] * 2, "succeeded": ["one", "two"], "training_job": "Completed"}


EXPERIMENT = """\
locked: {role_arn: "arn:aws:iam::123456789012:role/x", instance_type: ml.m5.large}
job:
  image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
  source_dir: code
  entry_script: train.py
  max_runtime_s: 600
  metrics: [{name: score, regex: "score=([0-9.]+)"}]
hyperparameters: {x: 1}
sweep: {grid: {hyperparameters.x: [1, 2]}}
"""


def test_a_sweep_and_a_training_queue_share_a_queue(engine: Engine, sdk3: Program, tmp_path: Path) -> None:
    """Each has a quota share; the SDK finds the sweep's jobs by share, status and name, and the sweep sees its job."""
    told, _ = sdk3("tests/clients/programs/queue_of_sweep.py", "begin", str(tmp_path))
    assert told == {"priority": 7}
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/both.yaml").write_text(EXPERIMENT)
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("import sys\nprint('score=' + sys.argv[2])\n")
    words = ("+experiment=both", "engine=aws", "backend=batch", "backend.queue=shared", "backend.quota_share=sweeps")
    environment = {**engine.client_environment, "XDG_STATE_HOME": str(tmp_path / "state"), "SWEEPER_OWNER": "me"}
    looked, ran = (
        subprocess.run(
            [sys.executable, "-m", "sweeper", *verb, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        for verb in (["doctor"], [])
    )
    assert "1 machine of shared is in use" in looked.stdout, looked.stdout + looked.stderr
    assert ran.returncode == 0, ran.stderr
    (results,) = tmp_path.glob("runs/*/results.csv")
    with results.open(newline="") as file:
        names = [row["job_name"] for row in csv.DictReader(file)]
    told, _ = sdk3("tests/clients/programs/queue_of_sweep.py", "look", names[1])
    assert told == {"done": sorted(names), "share": "sweeps", "result": "SUCCEEDED", "hyperparameters": {"x": "2"}}
