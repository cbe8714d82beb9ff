"""The services under the real clock: one lock around them, changes on disk before an answer, effects done outside."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.engine.batch.service import Batch
from sweeper.engine.settings import EngineSettings
from sweeper.engine.store import Store
from sweeper.engine.training.effects import Effect
from sweeper.engine.training.job import Job
from sweeper.engine.training.service import Service
from sweeper.engine.training.states import JobStatus
from sweeper.engine.wire import rules

_LOG = logging.getLogger(__name__)
Answer = dict[str, Any]
_RETRY_S = 1.0


class Services:
    """Training and Batch. Lock order: `lock` first, then the object store's or the machine's; never the other way.

    `do`: carries out an effect, some time soon.
    """

    def __init__(self, state: Path, settings: EngineSettings, do: Callable[[Effect], None]) -> None:
        self.lock = threading.Condition(threading.Lock())
        """Whoever reads the services holds it; it is notified of what changed."""
        self.training = Service(settings.service, random.Random(settings.seed))
        self.batch = Batch(self.training, lambda payload: rules.validated("CreateTrainingJob", payload))
        self.store = Store(state / "engine.db")
        self._do = do
        self._closed = False

    def start(self, exit_of: Callable[[Job], float | None]) -> None:
        """Take up what an earlier engine left, then let time pass. `exit_of`: when a job's last container has ended."""
        jobs, pools = self.store.load()
        with self.lock:
            self.training.restore(jobs, pools)
            self.batch.restore(self.store.load_batch())
            for ended_at, name in sorted(self._ended_meanwhile(exit_of)):
                self.training.reports.container_left(name, ended_at)
            self.training.tick(time.time())
            self._flush()
        threading.Thread(target=self._pass_time, name="clock", daemon=True).start()

    def _ended_meanwhile(self, exit_of: Callable[[Job], float | None]) -> Iterator[tuple[float, str]]:
        """When each container ended that nobody saw end."""
        for job in self.training.running:
            ended_at = exit_of(job) if job.container and not job.exited else None
            if ended_at is not None:
                yield ended_at, job.name

    def call(self, operation: str, params: Mapping[str, Any], *, question: bool) -> Answer:
        """Answer a request of training; but for a question, what it changed is on disk when this returns."""
        with self.lock:
            try:
                return self.training.call(operation, params, time.time())
            finally:
                self._flush_if_possible() if question else self._flush()

    def call_batch(self, operation: str, params: Mapping[str, Any]) -> Answer:
        """Answer a request of AWS Batch; what it changed is on disk when this returns."""
        with self.lock:
            try:
                return self.batch.call(operation, params, time.time())
            finally:
                self._flush()

    def report(self, tell: Callable[[float], None]) -> None:
        """Have something told that happened now; what it changed is on disk when this returns."""
        with self.lock:
            tell(time.time())
            self._flush()

    def note_container(self, name: str, facts: Mapping[str, Any]) -> None:
        """The engine's own record of processes."""
        with self.lock:
            if not self._closed:
                self.store.note_container(name, facts)

    def wind_down(self, timeout_s: float) -> bool:
        """Stop every job and release every pool; True when nothing runs and nothing is retained."""
        end = time.monotonic() + timeout_s
        training = self.training
        with self.lock:
            self.batch.terminate_all("The engine was stopped", time.time())
            for job in training.running:
                if job.status is JobStatus.IN_PROGRESS:
                    training.call("StopTrainingJob", {"TrainingJobName": job.name}, time.time())
            self._flush()
            while time.monotonic() < end:
                training.release_all(time.time())
                self._flush()
                if not training.running and not training.idle_pools:
                    return True
                self.lock.wait(min(0.5, end - time.monotonic()))
        return False

    def close(self) -> None:
        """Write nothing any more: whatever happens from here on, the next engine finds out by itself."""
        with self.lock:
            self._closed = True
            self.lock.notify_all()
            self.store.close()

    def _pass_time(self) -> None:
        with self.lock:
            while not self._closed:
                self.lock.wait(self._pause_s())
                self.training.tick(time.time())
                self._flush_if_possible()

    def _pause_s(self) -> float | None:
        """Until there is something to do; None: until somebody says so."""
        ledger = self.training.ledger
        if ledger.changed_jobs or ledger.changed_pools or self.batch.changed:
            return _RETRY_S
        dues = [due for due in (self.training.next_due(), self.batch.next_due()) if due is not None]
        return max(0.0, min(dues) - time.time()) if dues else None

    def _flush_if_possible(self) -> None:
        """On a full disk what changed stays marked, and is written when there is room: nobody was promised it."""
        try:
            self._flush()
        except sqlite3.Error:
            _LOG.exception("cannot write the engine's records")
            self.lock.notify_all()  # the clock tries again

    def _flush(self) -> None:
        """With the lock held: write what changed, hand over the effects in order, wake the clock."""
        if self._closed:
            return
        ledger, batch = self.training.ledger, self.batch
        batch.advance(time.time())
        jobs = {name: ledger.jobs.get(name) for name in ledger.changed_jobs}
        pools = {key: ledger.pools.get(key) for key in ledger.changed_pools}
        queued = {record: batch.dump(record) for record in batch.changed}
        if jobs or pools or queued:
            self.store.save(jobs, pools, queued)
            ledger.changed_jobs.clear()
            ledger.changed_pools.clear()
            batch.changed.clear()
            self.lock.notify_all()
        for effect in self.training.drain():
            self._do(effect)
