"""The whole request is held against the service's model before anything is sent, for each value of each axis."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.engine.wire import rules

KEY = "locked.volume_kms_key_id=alias/team"
REFUSED = {
    "a key for local storage": ([KEY], "locked.volume_kms_key_id: SageMaker would refuse the request: VolumeKmsKeyId"),
    "more than the toolkit leaves": (
        ["job.launch=toolkit", *(f"+hyperparameters.h{n}={n}" for n in range(96))],
        "hyperparameters: SageMaker would refuse the request: Member must have length less than or equal to 100",
    ),
    "an owner with a comma": (["owner='a,b'"], "owner: must be letters, digits, blanks or any of _.:/=+-@, not 'a,b'"),
    "an owner too long for a tag": (
        [f"owner={'o' * 240}"],
        "owner: SageMaker would refuse the request: Member must have length less than or equal to 256",
    ),
}


@pytest.mark.parametrize("engine", ["local", "aws"])
@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_what_the_service_would_refuse_is_told(project: Any, words: list[str], said: str, engine: str) -> None:
    """At its key, in one line, whichever engine is to run it; no account is asked for it."""
    project.experiment()
    (line,) = project.refused(f"engine={engine}", *words)
    assert said in line


OF_AN_AXIS = {
    "an environment's value": ("environment.MODE", "a" * 513, "environment.MODE"),
    "a hyperparameter": ("hyperparameters.rank", "a" * 2501, "hyperparameters.rank"),
    "an image": ("job.image_uri", "r/train:" + "1" * 256, "job.image_uri"),
    "a place to write": ("job.output_path", "s3://bucket/" + "x" * 1024, "job.output_path"),
    "a place for checkpoints": ("job.checkpoint_local_path", "relative", "job.checkpoint_local_path"),
}

SOUND = {"job.output_path": "s3://bucket/a", "job.checkpoint_local_path": "/opt/ml/checkpoints"}


@pytest.mark.parametrize(("key", "value", "told"), OF_AN_AXIS.values(), ids=OF_AN_AXIS)
def test_each_value_of_an_axis_is_judged(project: Any, key: str, value: str, told: str) -> None:
    """A value that the service would refuse is told where the axis is written, though the first trial is sound."""
    sound = {"job.output_path": "s3://bucket/a", "job.checkpoint_local_path": "/opt/ml/checkpoints"}.get(
        key, "r/train:1"
    )
    more = ["job.checkpoint_s3_uri=s3://bucket/c"] if key == "job.checkpoint_local_path" else []
    project.experiment(f"sweep: {{grid: {{{key}: [{sound!r}, {value!r}]}}}}\n")
    lines = project.refused("engine=aws", *more)
    assert len(lines) == 1 and lines[0].startswith("experiments/x.yaml:13:") and told in lines[0], lines


def test_a_type_that_the_model_does_not_list_may_be_a_new_one(project: Any) -> None:
    """The list of an installed model goes stale: it refuses nothing."""
    project.experiment()
    assert project.sweep("engine=aws", "locked.instance_type=ml.g99.xlarge").locked["instance_type"] == "ml.g99.xlarge"


def test_a_usual_experiment_for_this_machine_loads_no_model(project: Any) -> None:
    """A plan for the local engine stays quick: the model of the service is asked where something is unusual alone."""
    project.experiment()
    for engine, asked in (("local", 0), ("aws", 1)):
        rules.operation.cache_clear()
        project.sweep(f"engine={engine}")
        assert rules.operation.cache_info().currsize == asked
