"""The jobs that answer the questions: what each is to do, and its request. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.core.model import Launch
from sweeper.core.ports import Request
from sweeper.core.request import Staged, build

SWEEP = "doctor-smoke"
"""The name under which the jobs are tagged, and the debts told."""
INSTANCE_TYPE = "ml.m5.large"
VOLUME_GB, OTHER_VOLUME_GB = 37, 38
"""The volume is part of what a pool matches on: a size that hardly anybody has keeps us off the pools of others."""
METRIC = "smoke"
SECONDS, EXIT_CODE = "SMOKE_SECONDS", "SMOKE_EXIT_CODE"
"""The variables by which a job is told what to do."""
SCRIPT = f"trap 'exit 143' TERM; echo {METRIC}=1.0; sleep ${SECONDS} & wait $!; exit ${EXIT_CODE}"


@dataclass(frozen=True)
class Pace:
    """How long things take, in seconds: as the real service needs it."""

    look_s: float = 1.0
    """Between two looks where something is measured; where only a machine is waited for, `poll_s` of the engine."""
    job_s: float = 30.0
    long_job_s: float = 900.0
    """A job that is stopped before it is done."""
    max_runtime_s: int = 600
    """Of every other job: the download of a large image counts."""
    short_runtime_s: int = 60
    """The MaxRuntimeInSeconds of the job that runs too long."""
    keep_alive_s: int = 600
    """Long enough that a pool which shows late is still there."""
    extended_after_s: float = 60.0
    """From the end of a job to the update of its keep-alive: what tells one way of counting from the other."""
    matches_s: float = 60.0
    """In which a pool that matches a new job is handed over."""
    settles_s: float = 300.0
    """After that a pool, or metrics, are not waited for any more."""
    machine_s: float = 2400.0
    """After that there is no capacity."""


QUICK = Pace(
    look_s=0.1,
    job_s=1.0,
    long_job_s=60.0,
    max_runtime_s=30,
    short_runtime_s=1,
    keep_alive_s=60,
    extended_after_s=1.0,
    matches_s=1.0,
    settles_s=5.0,
    machine_s=60.0,
)
"""For an engine on this machine."""


@dataclass(frozen=True)
class Wanted:
    """A job: what its script does, and what it asks of the service."""

    label: str
    seconds: float
    keep_alive_s: int
    max_runtime_s: int
    inherits_s: int = 0
    """A pool that it finds may be kept for so long after it, though it asks for nothing."""
    exit_code: int = 0
    volume_gb: int = VOLUME_GB
    reordered: bool = False
    """Its subnets and security groups stand in another order."""
    spot: bool = False

    @property
    def owed_s(self) -> int:
        """For how long its pool may be kept."""
        return max(self.keep_alive_s, self.inherits_s)


@dataclass(frozen=True)
class Bed:
    """What all jobs share: the locked section of an experiment but for the machine, an image, and where they write."""

    locked: Mapping[str, Any]
    image_uri: str
    output: str
    region: str
    output_kms_key_id: str | None = None

    @property
    def may_be_reordered(self) -> bool:
        """Is there another order of its subnets or security groups?"""
        return any(len(self.locked.get(key) or ()) > 1 for key in ("subnets", "security_group_ids"))

    def request(self, wanted: Wanted, name: str, mark: str) -> Request:
        """The CreateTrainingJob request of this job."""
        machine = {"instance_type": INSTANCE_TYPE, "instance_count": 1, "volume_size_in_gb": wanted.volume_gb}
        config = {
            "locked": {**self.locked, **machine},
            "job": {
                "launch": Launch.IMAGE.value,
                "image_uri": self.image_uri,
                "metrics": [{"name": METRIC, "regex": f"{METRIC}=([0-9.]+)"}],
                "output_kms_key_id": self.output_kms_key_id,
            },
            "hyperparameters": {},
            "environment": {SECONDS: str(wanted.seconds), EXIT_CODE: str(wanted.exit_code)},
        }
        request = build(
            config,
            name=name,
            mark=mark,
            sweep=SWEEP,
            max_runtime_s=wanted.max_runtime_s,
            staged=Staged(source="", inputs={}, output=self.output),
            region=self.region,
        )
        request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["/bin/sh", "-c", SCRIPT]
        if wanted.keep_alive_s:
            request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = wanted.keep_alive_s
        if wanted.reordered:
            request["VpcConfig"] = {key: named[::-1] for key, named in request["VpcConfig"].items()}
        if wanted.spot:
            request["EnableManagedSpotTraining"] = True
            request["StoppingCondition"]["MaxWaitTimeInSeconds"] = wanted.max_runtime_s
        return request
