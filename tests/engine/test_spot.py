"""Managed spot training: machines are taken away, checkpoints bring the job to its end, fewer seconds are billed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sweeper.engine.training.settings import ServiceSettings
from sweeper.errors import ApiError
from sweeper.testing.twin import Script, Twin, always
from tests.engine.conftest import Clients

CHECKPOINTS = {"CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"}}
ONE_ATTEMPT = ["Starting", "Downloading", "Training"]
INTERRUPTED = [*ONE_ATTEMPT, "Interrupted"]


def spot(name: str = "job", max_wait: int = 7200, **changes: Any) -> dict[str, Any]:
    """A request for a spot machine that may train for an hour."""
    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": max_wait},
        "EnableManagedSpotTraining": True,
        **changes,
    }


def twin(script: Script = Script(1000.0), seed: int = 0, **settings: Any) -> Twin:  # noqa: B008 - a constant
    """A service whose machines start at once, with 100 s until another one is had."""
    return Twin(seed=seed, settings=ServiceSettings(**{"spot_wait_s": 100.0, **settings}), behaviour=always(script))


def ended(subject: Twin, name: str = "job", step: float = 10.0) -> dict[str, Any]:
    """Let time pass until the job has ended."""
    while (found := subject.describe_training_job(name))["TrainingJobStatus"] in ("InProgress", "Stopping"):
        subject.clock.sleep(step)
    return found


def statuses(found: dict[str, Any]) -> list[str]:
    """The secondary statuses in order."""
    return [str(transition["Status"]) for transition in found["SecondaryStatusTransitions"]]


def savings(found: dict[str, Any]) -> float:
    """The documented formula."""
    return (1 - float(found["BillableTimeInSeconds"]) / float(found["TrainingTimeInSeconds"])) * 100


@pytest.mark.parametrize(("checkpoints", "trained"), [(CHECKPOINTS, 1000), ({}, 1900)])
def test_a_job_interrupted_three_times_goes_on_from_its_checkpoints(checkpoints: Any, trained: int) -> None:
    """Interrupted -> Starting as documented; with checkpoints nothing is trained twice, without them all of it."""
    subject = twin(Script(1000.0, stops_in=0.0), spot_interruptions=(200.0, 300.0, 400.0), spot_discount=0.6)
    subject.create_training_job(spot(**checkpoints))
    found = ended(subject)
    assert statuses(found) == [*INTERRUPTED * 3, *ONE_ATTEMPT, "Uploading", "Completed"]
    # start, notice and upload take a second or two of every attempt
    assert trained <= found["TrainingTimeInSeconds"] <= trained + 8
    assert found["BillableTimeInSeconds"] == round(found["TrainingTimeInSeconds"] * 0.4)
    assert savings(found) == pytest.approx(60, abs=0.1)
    waited = (found["TrainingEndTime"] - found["TrainingStartTime"]).total_seconds() - found["TrainingTimeInSeconds"]
    assert waited == pytest.approx(300, abs=1)


@pytest.mark.parametrize(
    ("script", "trained"),
    [
        (Script(1000.0, stops_in=50.0), 1050),  # saves where it is, and is paid for while it does
        (Script(1000.0, stops_in=500.0), 1520),  # killed after 120 s with nothing saved
        (Script(1000.0, stops_in=500.0, saves_every=90.0), 1070),  # killed 520 s after its start: 450 s are kept
    ],
)
def test_what_an_interruption_costs_depends_on_what_the_script_saves(script: Script, trained: int) -> None:
    """SIGTERM, 120 s, SIGKILL: what is in the checkpoints by then is not trained again."""
    subject = twin(script, spot_interruptions=(400.0,))
    subject.create_training_job(spot(**CHECKPOINTS))
    assert ended(subject)["TrainingTimeInSeconds"] == pytest.approx(trained, abs=5)


def test_interruptions_are_drawn_from_the_seed() -> None:
    """The same seed takes the same machines at the same moments; another one others; the mean is kept."""

    def history(seed: int) -> tuple[int, int]:
        subject = twin(Script(50_000.0, stops_in=0.0), seed=seed, spot_interruption_mean_s=1000.0, spot_wait_s=1.0)
        limits = {"MaxRuntimeInSeconds": 100_000, "MaxWaitTimeInSeconds": 200_000}
        subject.create_training_job(spot(StoppingCondition=limits, **CHECKPOINTS))
        found = ended(subject, step=1000.0)
        return statuses(found).count("Interrupted"), found["TrainingTimeInSeconds"]

    assert history(1) == history(1) != history(2)
    assert all(25 <= history(seed)[0] <= 80 for seed in range(3))


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({"cold_start_s": 1e6}, ["Starting"]),  # never launched
        ({"spot_interruptions": (200.0,), "spot_wait_s": 1e6}, INTERRUPTED),
        ({"spot_interruptions": (200.0,), "spot_wait_s": 3500.0}, [*INTERRUPTED, *ONE_ATTEMPT]),
    ],
)
def test_a_job_that_waits_too_long_is_stopped(settings: dict[str, Any], last: list[str]) -> None:
    """MaxWaitTimeInSeconds: Stopping, then Stopped with MaxWaitTimeExceeded, waiting or training."""
    subject = twin(**settings)
    subject.create_training_job(spot(max_wait=4000))
    found = ended(subject)
    assert statuses(found) == [*last, "Stopping", "MaxWaitTimeExceeded"]
    assert found["TrainingJobStatus"] == "Stopped"
    trained = found.get("TrainingTimeInSeconds", 0)
    assert trained == pytest.approx(0 if last == ["Starting"] else 207 if last[-1] == "Interrupted" else 500, abs=12)


def test_all_attempts_together_may_run_for_max_runtime() -> None:
    """Waiting is not running, and an interruption gives no new hour."""
    subject = twin(Script(1e6, stops_in=0.0), spot_interruptions=(3000.0,), spot_wait_s=3000.0)
    subject.create_training_job(spot(max_wait=10_000))
    found = ended(subject)
    assert statuses(found)[-1] == "MaxRuntimeExceeded"
    assert found["TrainingTimeInSeconds"] == pytest.approx(3600, abs=3)


@pytest.mark.parametrize("wait", [150.0, 202.0, 250.0])
def test_a_stop_ends_it_whatever_it_is_at(wait: float) -> None:
    """While it trains, in the grace of an interruption, and while it waits for a machine: Stopped, for good."""
    subject = twin(spot_interruptions=(200.0,))
    subject.create_training_job(spot(**CHECKPOINTS))
    subject.clock.sleep(wait)
    subject.stop_training_job("job")
    found = ended(subject)
    assert statuses(found)[-2:] == ["Stopping", "Stopped"]
    subject.clock.sleep(1000)
    assert subject.describe_training_job("job") == found


def test_a_built_in_algorithm_without_checkpoints_may_wait_for_an_hour(clients: Clients) -> None:
    """As documented; with checkpoints it may wait for longer."""
    algorithm = {"AlgorithmName": "mine", "TrainingInputMode": "File"}
    for changes, refused in (({}, True), (CHECKPOINTS, False)):
        asked = spot(f"spot-built-in-{int(refused)}", AlgorithmSpecification=algorithm, **changes)
        if refused:
            with pytest.raises(clients.sagemaker.exceptions.ClientError, match="limited to 3600"):
                clients.sagemaker.create_training_job(**asked)
        else:
            assert clients.sagemaker.create_training_job(**asked)["TrainingJobArn"]


def test_a_spot_job_has_no_pool_and_a_quota_of_its_own() -> None:
    """No WarmPoolStatus at its end; a second one at once is more than a quota of one allows."""
    subject = twin(spot_quota={"*": 1})
    subject.create_training_job(spot("a"))
    with pytest.raises(ApiError, match="spot training job usage"):
        subject.create_training_job(spot("b"))
    assert "WarmPoolStatus" not in ended(subject, "a")


TRAINS = """
import json, os, pathlib, signal, sys, time
root = pathlib.Path(__file__).resolve().parents[3]
place, asked = root / "checkpoints/state.json", []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
state = json.loads(place.read_text()) if place.exists() else {"epoch": 0, "w": 0.0, "starts": []}
state["starts"].append(state["epoch"])
data = [(x / 50, 3 * x / 50 + 1) for x in range(50)]
while state["epoch"] < 100 and not asked:
    slope = sum((state["w"] * x + 1 - y) * x for x, y in data) / len(data)
    state["w"] -= 0.1 * slope
    state["epoch"] += 1
    (root / "model/draft").write_text(json.dumps(state))
    os.replace(root / "model/draft", place)
    print("epoch", state["epoch"], flush=True)
    time.sleep(0.02)
if asked:
    sys.exit(1)
print(f"w={state['w']!r}", flush=True)
"""


def test_real_training_goes_on_from_its_checkpoints(clients: Clients) -> None:
    """Three real processes lose their machine; the fourth ends with exactly what one that was left alone ends with."""
    limits = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}
    where = {"CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints/spot"}}
    clients.run("spot", TRAINS, EnableManagedSpotTraining=True, StoppingCondition=limits, **where)
    found = clients.ended("spot")
    assert statuses(found) == [*INTERRUPTED * 3, *ONE_ATTEMPT, "Uploading", "Completed"]
    log = clients.log("spot")
    assert [line for line in log if line.startswith("epoch")] == [f"epoch {n}" for n in range(1, 101)]
    w = 0.0
    for _ in range(100):
        w -= 0.1 * sum((w * x + 1 - y) * x for x, y in ((x / 50, 3 * x / 50 + 1) for x in range(50))) / 50
    assert log[-1] == f"w={w!r}"
    kept = json.loads(clients.s3.get_object(Bucket="bucket", Key="checkpoints/spot/state.json")["Body"].read())
    assert len(kept["starts"]) == 4 and kept["starts"] == sorted(kept["starts"])
    trained = found["TrainingTimeInSeconds"]
    assert 2 <= trained < (found["TrainingEndTime"] - found["TrainingStartTime"]).total_seconds() + 1
    assert abs(found["BillableTimeInSeconds"] - 0.3 * trained) < 0.7  # whole seconds both
