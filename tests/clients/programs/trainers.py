"""What a user of SageMaker's SDK has: a function for each version, of the same training."""

from __future__ import annotations

from typing import Any

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
ROLE = "arn:aws:iam::123456789012:role/mine"
VALUES = {"rank": 8, "scale": 0.5, "warm": False, "zero": 0, "word": "a word"}
NAME, REGEX = "score", "score=([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"


def version3() -> Any:
    """A ModelTrainer."""
    from sagemaker.core.training.configs import Compute, MetricDefinition, SourceCode, StoppingCondition
    from sagemaker.train import ModelTrainer

    return ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        source_code=SourceCode(source_dir="code", entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters=VALUES,
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        environment={"MODE": "fast"},
    ).with_metric_definitions([MetricDefinition(name=NAME, regex=REGEX)])


def version2() -> Any:
    """An Estimator, whose script the toolkit of its image starts."""
    from sagemaker.estimator import Estimator

    return Estimator(
        IMAGE,
        role=ROLE,
        source_dir="code",
        entry_point="train.py",
        instance_type="ml.m5.large",
        instance_count=1,
        hyperparameters=VALUES,
        max_run=600,
        environment={"MODE": "fast"},
        metric_definitions=[{"Name": NAME, "Regex": REGEX}],
    )
