"""The services and the machine put together, and every request to them: who may ask, and what goes wrong on the way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper.engine.around.s3 import ObjectStore
from sweeper.engine.job_metrics import JobMetrics
from sweeper.engine.machine.folders import FIRST, JobFolder, hosts_of
from sweeper.engine.machine.machine import Machine
from sweeper.engine.machine_reports import MachineReports
from sweeper.engine.overview import Overview
from sweeper.engine.services import Answer, Services
from sweeper.engine.settings import EngineSettings
from sweeper.engine.training.effects import Effect
from sweeper.engine.training.job import Job
from sweeper.engine.wire.faults import Faults, Wire
from sweeper.engine.wire.permissions import Permissions

_QUESTIONS = ("DescribeTrainingJob", "ListTrainingJobs", "ListTags", "Search")


class Control:
    """Owns the services and the machine that works for them.

    `reached`: the variables by which a job reaches this engine.
    """

    def __init__(self, state: Path, settings: EngineSettings, objects: ObjectStore, reached: Mapping[str, str]) -> None:
        self._state = state
        self.permissions = Permissions(settings.service)
        self._wire = Wire(settings.faults, random.Random(f"wire {settings.seed}"))
        self._services = Services(state, settings, self._do)
        self.overview = Overview(self._services)
        self.metrics = JobMetrics(self._services, self.log_of)
        options = {
            "stop_grace_s": settings.service.stop_grace_s,
            "max_runtime_late_s": settings.service.max_runtime_late_s,
            "private_opt_ml": settings.private_opt_ml,
            "images": settings.images,
            "file_systems": settings.file_systems,
            "hot": settings.hot,
        }
        self.machine = Machine(state, objects, MachineReports(self._services, self.metrics), reached, options)

    def start(self) -> None:
        """Take up what an earlier engine left, then let time pass."""
        self._services.start(self._exit_of)

    @property
    def operations(self) -> frozenset[str]:
        """The operations the service knows."""
        return self._services.training.operations

    @property
    def batch_operations(self) -> frozenset[str]:
        """The operations that AWS Batch knows here."""
        return self._services.batch.operations

    def call(self, operation: str, params: Mapping[str, Any]) -> Answer:
        """Answer one request through the denials and faults that were asked for; raises ServiceError or WireError."""
        self.permissions.check_training(operation, params)
        with self._services.lock:
            job = self._services.training.jobs.get(str(params.get("TrainingJobName", "")))
        created = None if job is None else job.created
        return self._through_faults(operation, created, lambda: self._apply(operation, params))

    def call_batch(self, operation: str, params: Mapping[str, Any]) -> Answer:
        """The same for AWS Batch."""
        self.permissions.check_batch(operation, params, self._services.batch.role_of(params))
        return self._through_faults(operation, None, lambda: self._services.call_batch(operation, params))

    def log_of(self, name: str) -> Path:
        """Where the log of a job's first host is: its metrics are the job's."""
        return self._folder(name).log

    def logs_of(self, name: str) -> Mapping[str, Path]:
        """Where a job's logs are, by host."""
        return {host: self._folder(name, host).log for host in self.overview.hosts(name)}

    def wind_down(self, timeout_s: float) -> bool:
        """Stop every job and release every pool; True when nothing runs and nothing is retained."""
        return self._services.wind_down(timeout_s)

    def close(self) -> None:
        """No more answers; running containers go on without us."""
        self._services.close()

    def _through_faults(self, operation: str, created: float | None, apply: Callable[[], Answer]) -> Answer:
        if self._wire.faults == Faults():
            return apply()
        return self._wire.carry(operation, time.time(), created, time.sleep, apply)

    def _apply(self, operation: str, params: Mapping[str, Any]) -> Answer:
        if operation == "DescribeTrainingJob":
            self.metrics.refresh(params["TrainingJobName"])
        return self._services.call(operation, params, question=operation in _QUESTIONS)

    def _do(self, effect: Effect) -> None:
        self.machine.do(effect)

    def _folder(self, name: str, host: str = FIRST) -> JobFolder:
        return JobFolder.of(self._state, name, host)

    def _exit_of(self, job: Job) -> float | None:
        """When the last container of a job has ended, as the supervisors have left word."""
        exits = [self._folder(job.name, host).read_json("exit.json") for host in hosts_of(job.request)]
        ended = [float(told["ended_at"]) for told in exits if told is not None]
        return max(ended) if ended and len(ended) == len(exits) else None
