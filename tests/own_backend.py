"""A backend of somebody else's: a module and the metadata of its package, as pip would have installed them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

NAME = "reserved"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/mine"
MODULE = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.model import Usage
from sweeper.core.options import option


@dataclass(frozen=True)
class Reserved:
    """Sends jobs to the machines that a training plan has reserved, and keeps them warm."""

    kind: ClassVar[str] = "reserved"
    capacity: ClassVar[int] = 1
    keeps_pool: ClassVar[bool] = True
    finds_pool: ClassVar[bool] = True
    interrupts: ClassVar[bool] = False
    usage: ClassVar[Usage] = Usage.TRAINING
    through: ClassVar[None] = None

    training_plan_arn: str = option("the ARN of the training plan.", pattern="^arn:aws:sagemaker:")
    wait_s: str = option("an option of the same name as one of ours.", default="long", choices=("long", "short"))

    def shape(self, request, keep_alive_s):
        resources = {**request["ResourceConfig"], "TrainingPlanArn": self.training_plan_arn}
        if keep_alive_s:
            resources["KeepAlivePeriodInSeconds"] = keep_alive_s
        return {**request, "ResourceConfig": resources}

    def refused(self, values):
        if values["locked"]["instance_count"] > 1:
            yield ("locked", "instance_count"), "a plan has one machine: set locked.instance_count=1"
'''


def install(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    text: str = MODULE,
    module: str = "reserved_machines",
    found: str = "Reserved",
    name: str = NAME,
    group: str = "sweeper.backends",
) -> None:
    """Put the package where Python finds packages, for as long as the test runs: then it is not imported either."""
    monkeypatch.setitem(sys.modules, module, None)
    del sys.modules[module]
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{found}\n")
    (folder / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
