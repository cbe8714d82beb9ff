"""What is read of a DescribeTrainingJob answer, whatever it leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import botocore.session
import pytest

from sweeper.core.chain import fold
from sweeper.core.fate import Look
from sweeper.core.outcome import created_with, final_metrics, observation, outcome
from tests.core.test_outcome import NAME, RUNNING

JOB = fold(RUNNING).jobs[NAME]
DEPTH = 5


def whole(shape: Any, depth: int = 0) -> Any:
    """A value of this shape of botocore's model with every member that there is."""
    match shape.type_name:
        case "structure":
            if depth == DEPTH:
                return {}
            return {name: whole(member, depth + 1) for name, member in shape.members.items()}
        case "list":
            return [whole(shape.member, depth + 1)]
        case "map":
            return {"key": whole(shape.value, depth + 1)}
        case "timestamp":
            return datetime(2026, 1, 1, tzinfo=timezone.utc)
        case "boolean":
            return True
        case "integer" | "long" | "float" | "double":
            return 1
        case _:
            return (shape.enum or ["text"])[0]


def without_one(answer: Any) -> Iterator[Any]:
    """The answer with one member left out, each in turn, at every depth."""
    if isinstance(answer, Mapping):
        for name, value in answer.items():
            rest = {key: other for key, other in answer.items() if key != name}
            yield rest
            yield from ({**rest, name: smaller} for smaller in without_one(value))
    elif isinstance(answer, list):
        yield []
        yield from ([smaller] for value in answer for smaller in without_one(value))


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    """A Describe with everything in it."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    return dict(whole(model.operation_model("DescribeTrainingJob").output_shape))


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped", "InProgress", "Deleting"])
def test_an_answer_may_leave_out_any_member(answer: dict[str, Any], status: str) -> None:
    """Whatever member the service does not tell, the job is read: what is missing is not known."""
    seen = {**answer, "TrainingJobStatus": status}
    for told in [seen, *without_one(seen)]:
        look = Look(JOB, told, observation(NAME, told))
        look.closed(lambda name: name == NAME)
        assert look.kept_s >= 0
        assert created_with(told)[0] in (None, 0, 1)
        assert outcome(JOB, told, final_metrics(told), "FinalMetricDataList", ("accuracy",)).name == NAME


def test_a_metric_without_a_value_is_no_metric() -> None:
    """The service may name a metric and tell no value of it; the others count."""
    told = [{"MetricName": "loss"}, {"MetricName": "accuracy", "Value": 0.5}, {"Value": 1.0}]
    assert final_metrics({"FinalMetricDataList": told}) == {"accuracy": 0.5}
