"""docs/batch.yaml makes what docs/batch.md says: queues that take a sweep's jobs, for people who may send them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.aws import queue_state, queues
from sweeper.core.policy import QUOTA_SHARE, For, Place, Uses, policy
from sweeper.core.queued import QueueOptions
from sweeper.engine.wire import rules
from sweeper.testing.twin import Twin

DOCS = Path(__file__).resolve().parent.parent / "docs"
ROLE = "arn:aws:iam::123456789012:role/jobs"
MAKES = {
    "AWS::Batch::ServiceEnvironment": ("CreateServiceEnvironment", "serviceEnvironmentArn"),
    "AWS::Batch::SchedulingPolicy": ("CreateSchedulingPolicy", "arn"),
    "AWS::Batch::JobQueue": ("CreateJobQueue", "jobQueueArn"),
    "AWS::Batch::QuotaShare": ("CreateQuotaShare", "quotaShareArn"),
}
"""The operation that CloudFormation calls for a resource, and what a `Ref` to it is."""
NO_VALUE = object()


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's functions."""


def _function(loader: Loader, name: str, node: yaml.Node) -> tuple[str, Any]:
    return (name, loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value)


Loader.add_multi_constructor("!", _function)
TEMPLATE = yaml.load((DOCS / "batch.yaml").read_text(encoding="utf-8"), Loader)


class Stack:
    """The template with parameters, made at the engine as CloudFormation would make it."""

    def __init__(self, **parameters: Any) -> None:
        self.twin = Twin()
        self.known = {name: one.get("Default") for name, one in TEMPLATE["Parameters"].items()}
        self.known |= {"JobsRoleArn": ROLE, "AWS::NoValue": NO_VALUE, **parameters}
        for name, one in TEMPLATE["Resources"].items():
            if one["Type"] in MAKES and self._holds(one.get("Condition")):
                operation, arn = MAKES[one["Type"]]
                asked = rules.validated(operation, lower_first(self.value(one["Properties"])), "batch")
                self.known[name] = self.twin.apply(operation, asked)[arn]

    def _holds(self, condition: str | None) -> bool:
        return condition is None or bool(self.value(TEMPLATE["Conditions"][condition]))

    def value(self, written: Any) -> Any:
        """What CloudFormation makes of it."""
        match written:
            case ("Ref", str(name)):
                return self.known[name]
            case ("Equals", [one, other]):
                return self.value(one) == self.value(other)
            case ("If", [condition, yes, no]):
                return self.value(yes if self._holds(condition) else no)
            case dict():
                found = {key: self.value(below) for key, below in written.items()}
                return {key: below for key, below in found.items() if below is not NO_VALUE}
            case list():
                return [self.value(item) for item in written]
        assert not isinstance(written, tuple), written
        return written

    def call(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """As a client."""
        return self.twin.request(operation, params)


def lower_first(properties: Any) -> Any:
    """CloudFormation's names of members as the API has them."""
    if isinstance(properties, dict):
        return {key[0].lower() + key[1:]: lower_first(value) for key, value in properties.items()}
    return [lower_first(item) for item in properties] if isinstance(properties, list) else properties


@pytest.mark.parametrize(
    ("scheduling", "options"),
    [("FIFO", {}), ("FAIR", {"share_identifier": "research"}), ("QUOTA", {"quota_share": "production"})],
)
def test_the_queue_of_the_template_takes_the_jobs(scheduling: str, options: dict[str, Any]) -> None:
    """Each way of scheduling, as `doctor` looks at it: its own option, room for all, and what it ends by itself."""
    stack = Stack(Scheduling=scheduling)
    told = queues.check(stack.call, QueueOptions("training", **options), "ml.g5.xlarge")
    assert [line.rpartition(" of ")[2] for line in told] == [
        "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
        "MISCONFIGURATION:SERVICE_ENVIRONMENT_MAX_RESOURCE",
    ]
    assert queue_state.room(stack.call, QueueOptions("training"), "ml.g5.xlarge") == 4
    assert queue_state.room(stack.call, QueueOptions("training"), "ml.m5.large") == (
        0 if "quota_share" in options else 4
    )


def actions(statements: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Each action with the last part of its resource."""
    for one in statements:
        for action in one["Action"]:
            for resource in one["Resource"]:
                said = {"Queue": "job-queue/q", "JobsRoleArn": ROLE}
                name = said.get(resource[1], resource[1]) if isinstance(resource, tuple) else resource
                yield action, name.rpartition(":")[2]


def test_who_may_use_the_queue_may_do_what_iam_is_asked_for() -> None:
    """The policy of the template is what `sweeper iam` prints of a queue and the role, with every kind of share."""
    made = TEMPLATE["Resources"]["UsersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    used = Uses(Place("aws", "us-east-1", "123456789012"), ROLE, keeps_pool=False, queue="q", share=QUOTA_SHARE)
    printed = policy(For.RUNNER, used)["Statement"]
    ours = {one for one in actions(printed) if one[0].startswith("batch:") or one[0] == "iam:PassRole"}
    assert set(actions(made)) == ours
