"""The service under the real clock: one lock around it, changes on disk before an answer, effects done outside."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.engine.around.logs import GROUP
from sweeper.engine.around.s3 import ObjectStore
from sweeper.engine.around.series import Series
from sweeper.engine.batch.service import Batch
from sweeper.engine.machine.folders import JobView
from sweeper.engine.machine.machine import Machine
from sweeper.engine.settings import EngineSettings
from sweeper.engine.store import Store
from sweeper.engine.training.service import Service
from sweeper.engine.training.states import JobStatus
from sweeper.engine.wire import rules
from sweeper.engine.wire.faults import Faults, Wire
from sweeper.engine.wire.permissions import Permissions

_LOG = logging.getLogger(__name__)
Answer = dict[str, Any]
_RETRY_S = 1.0
_QUESTIONS = ("DescribeTrainingJob", "ListTrainingJobs", "ListTags", "Search")


class Control:
    """Owns the service. Lock order: this lock first, then the object store's or the machine's; never the other way.

    `reached`: the variables by which a job reaches this engine.
    """

    def __init__(self, state: Path, settings: EngineSettings, objects: ObjectStore, reached: Mapping[str, str]) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._service = Service(settings.service, random.Random(settings.seed))
        self._batch = Batch(self._service, lambda payload: rules.validated("CreateTrainingJob", payload))
        self.permissions = Permissions(settings.service)
        self._wire = Wire(settings.faults, random.Random(f"wire {settings.seed}"))
        self._store = Store(state / "engine.db")
        self._series = Series(settings.service.account, settings.service.region)
        self._closed = False
        options = {
            "stop_grace_s": settings.service.stop_grace_s,
            "max_runtime_late_s": settings.service.max_runtime_late_s,
            "private_opt_ml": settings.private_opt_ml,
            "images": settings.images,
            "hot": settings.hot,
        }
        self.machine = Machine(state, objects, self, reached, options)

    def start(self) -> None:
        """Take up what an earlier engine left, then let time pass."""
        jobs, pools = self._store.load()
        with self._changed:
            self._service.restore(jobs, pools)
            self._batch.restore(self._store.load_batch())
            for ended_at, name in sorted(self._ended_meanwhile()):
                self._service.reports.container_left(name, ended_at)
            self._service.tick(time.time())
            self._flush()
        threading.Thread(target=self._pass_time, name="clock", daemon=True).start()

    def _ended_meanwhile(self) -> Iterator[tuple[float, str]]:
        """When each container ended that nobody saw end."""
        for job in self._service.running:
            ended = self.machine.folder(job.name).read_json("exit.json") if job.container and not job.exited else None
            if ended is not None:
                yield ended["ended_at"], job.name

    @property
    def operations(self) -> frozenset[str]:
        """The operations the service knows."""
        return self._service.operations

    @property
    def batch_operations(self) -> frozenset[str]:
        """The operations that AWS Batch knows here."""
        return self._batch.operations

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request through the denials and faults that were asked for; raises ServiceError or WireError."""
        self.permissions.check_training(operation, params)
        with self._changed:
            job = self._service.jobs.get(str(params.get("TrainingJobName", "")))
        created = None if job is None else job.created
        return self._through_faults(operation, created, lambda: self._apply(operation, params))

    def call_batch(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The same for AWS Batch."""
        self.permissions.check_batch(operation, params, self._batch.role_of(params))
        return self._through_faults(operation, None, lambda: self._apply_batch(operation, params))

    def _through_faults(self, operation: str, created: float | None, apply: Callable[[], Answer]) -> Answer:
        if self._wire.faults == Faults():
            return apply()
        return self._wire.carry(operation, time.time(), created, time.sleep, apply)

    def _apply_batch(self, operation: str, params: Mapping[str, Any]) -> Answer:
        with self._changed:
            try:
                return self._batch.call(operation, params, time.time())
            finally:
                self._flush()

    def _apply(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """What it changed is on disk when this returns."""
        if operation == "DescribeTrainingJob":
            self._refresh_metrics(params["TrainingJobName"])
        with self._changed:
            try:
                return self._service.call(operation, params, time.time())
            finally:
                self._flush_if_possible() if operation in _QUESTIONS else self._flush()

    def _pass_time(self) -> None:
        with self._changed:
            while not self._closed:
                self._changed.wait(self._pause_s())
                self._service.tick(time.time())
                self._flush_if_possible()

    def _pause_s(self) -> float | None:
        """Until there is something to do; None: until somebody says so."""
        if self._service.ledger.changed_jobs or self._service.ledger.changed_pools or self._batch.changed:
            return _RETRY_S
        dues = [due for due in (self._service.next_due(), self._batch.next_due()) if due is not None]
        return max(0.0, min(dues) - time.time()) if dues else None

    def _flush_if_possible(self) -> None:
        """On a full disk what changed stays marked, and is written when there is room: nobody was promised it."""
        try:
            self._flush()
        except sqlite3.Error:
            _LOG.exception("cannot write the engine's records")
            self._changed.notify_all()  # the clock tries again

    def _flush(self) -> None:
        """With the lock held: write what changed, hand over the effects in order, wake the clock."""
        if self._closed:
            return  # whatever this was, the next engine finds it out by itself
        service, batch = self._service, self._batch
        batch.advance(time.time())
        jobs = {name: service.jobs.get(name) for name in service.ledger.changed_jobs}
        pools = {key: service.pools.get(key) for key in service.ledger.changed_pools}
        queued = {record: batch.dump(record) for record in batch.changed}
        if jobs or pools or queued:
            self._store.save(jobs, pools, queued)
            service.ledger.changed_jobs.clear()
            service.ledger.changed_pools.clear()
            batch.changed.clear()
            self._changed.notify_all()
        for effect in service.drain():
            self.machine.do(effect)

    def _report(self, tell: Callable[[float], None]) -> None:
        with self._changed:
            tell(time.time())
            self._flush()

    def _refresh_metrics(self, name: str) -> None:
        """Metrics are read from the log when somebody looks, and once at the end."""
        with self._changed:
            job = self._service.jobs.get(name)
            if job is None or job.status.terminal or not job.container:
                return
            definitions = job.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        if definitions:
            found = self.machine.metrics(name, definitions)
            with self._changed:
                self._service.reports.metrics_seen(name, found)

    def publish_metrics(self) -> None:
        """Give CloudWatch every point that the logs hold by now."""
        with self._changed:
            jobs = [job for job in self._service.jobs.values() if job.container]
            asked = [(job.name, job.request["AlgorithmSpecification"].get("MetricDefinitions", [])) for job in jobs]
        for name, definitions in asked:
            if definitions:
                self._series.publish(name, definitions, self.machine.folder(name).log)

    def publish_log_group(self) -> None:
        """Give CloudWatch Logs, which lists the groups, the one of the jobs, once one of them has a log."""
        from moto.logs.models import logs_backends  # a second that most sessions never need

        groups = logs_backends[self.permissions.settings.account][self.permissions.settings.region]
        if self.logged_jobs() and GROUP not in groups.groups:
            groups.create_log_group(GROUP, {})

    # ------------------------------------------------------------------ reports of the machine

    def view(self, name: str) -> JobView | None:
        """What is to be run."""
        with self._changed:
            job = self._service.jobs.get(name)
            if job is None or job.status.terminal:
                return None
            keeps = job.keep_alive_s > 0 or job.warm
            return JobView(job.name, job.arn, job.request, job.pool_id or job.name, keeps)

    def uploads_model(self, name: str) -> bool:
        """A failed job leaves no model."""
        with self._changed:
            job = self._service.jobs.get(name)
            return job is not None and job.failure is None

    def note_container(self, name: str, facts: Mapping[str, Any]) -> None:
        """The engine's own record of processes."""
        with self._changed:
            if not self._closed:
                self._store.note_container(name, facts)

    def started(self, name: str) -> None:
        """The entrypoint runs."""
        self._report(lambda now: self._service.reports.container_started(name, now))

    def exited(self, name: str, exit_code: int, failure_text: str, ended_at: float | None = None) -> None:
        """The entrypoint ended; its last metrics count."""
        self._refresh_metrics(name)
        self._report(lambda now: self._service.reports.container_exited(name, exit_code, failure_text, now, ended_at))

    def vacated(self, name: str) -> None:
        """The checkpoints are in S3, and nothing but the log is left of the attempt."""
        self._report(lambda now: self._service.reports.vacated(name, now))

    def uploaded(self, name: str, problem: str | None) -> None:
        """The artifacts are in S3."""
        self._report(lambda now: self._service.reports.artifacts_uploaded(name, now, problem))

    def failed(self, name: str, reason: str) -> None:
        """The platform gives up on the job."""
        self._report(lambda now: self._service.reports.platform_failed(name, reason, now))

    # ------------------------------------------------------------------ looking and ending

    def job(self, name: str) -> tuple[float, float | None] | None:
        """When a job that has a log began to train, and when it ended."""
        with self._changed:
            job = self._service.jobs.get(name)
            return None if job is None or job.training_from is None else (job.training_from, job.ended)

    def logged_jobs(self) -> list[str]:
        """Jobs that may have a log, oldest first."""
        with self._changed:
            return [job.name for job in self._service.jobs.values() if job.training_from is not None]

    def ended_jobs(self) -> list[tuple[str, str]]:
        """Name and S3OutputPath of the jobs that have ended, oldest first."""
        with self._changed:
            jobs = [job for job in self._service.jobs.values() if job.status.terminal]
            return [(job.name, job.request["OutputDataConfig"]["S3OutputPath"]) for job in jobs]

    def busy(self) -> tuple[int, int]:
        """Running jobs and live pools."""
        with self._changed:
            return len(self._service.running), len(self._service.idle_pools)

    def records(self) -> list[dict[str, Any]]:
        """Every job with its status, pool and process: what `sweeper engine status` shows."""
        with self._changed:
            processes = {row["name"]: row for row in self._store.containers()}
            return [
                {
                    "name": job.name,
                    "status": job.status.value,
                    "secondary_status": job.secondary.value,
                    "pool": job.pool_id,
                    "warm": job.warm,
                    **processes.get(job.name, {}),
                }
                for job in self._service.jobs.values()
            ]

    def wind_down(self, timeout_s: float) -> bool:
        """Stop every job and release every pool; True when nothing runs and nothing is retained."""
        end = time.monotonic() + timeout_s
        with self._changed:
            self._batch.terminate_all("The engine was stopped", time.time())
            for job in self._service.running:
                if job.status is JobStatus.IN_PROGRESS:
                    self._service.call("StopTrainingJob", {"TrainingJobName": job.name}, time.time())
            self._flush()
            while time.monotonic() < end:
                now = time.time()
                self._service.release_all(now)
                self._flush()
                if not self._service.running and not self._service.idle_pools:
                    return True
                self._changed.wait(min(0.5, end - time.monotonic()))
        return False

    def close(self) -> None:
        """No more answers; running containers go on without us."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._store.close()
