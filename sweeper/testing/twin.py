"""SageMaker's training service in process: the engine's own state machine under a virtual clock, with scripted jobs.

What the real service leaves unknown, and what may go wrong on the way to it, is drawn from a seed. Nothing here is
measured: every second is simulated.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from sweeper.core.failures import refined
from sweeper.core.ports import Clock, Description, Request
from sweeper.engine.batch.service import Batch
from sweeper.engine.errors import ServiceError
from sweeper.engine.training import states
from sweeper.engine.training.effects import SignalContainer, StartContainer, UploadArtifacts, Vacate
from sweeper.engine.training.service import Service
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import Signal
from sweeper.engine.wire.faults import Faults, Loss, Wire, WireError
from sweeper.engine.wire.permissions import Permissions
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.testing.scripts import STARTUP_S, Behaviour, Run, Script, always

_KINDS = {
    "ThrottlingException": ApiErrorKind.THROTTLED,
    "InternalFailure": ApiErrorKind.UNAVAILABLE,
    "ServiceUnavailable": ApiErrorKind.UNAVAILABLE,
    "ResourceInUse": ApiErrorKind.IN_USE,
    "ResourceLimitExceeded": ApiErrorKind.LIMIT,
    "AccessDeniedException": ApiErrorKind.DENIED,
    "ExpiredTokenException": ApiErrorKind.EXPIRED,
    # of AWS Batch
    "TooManyRequestsException": ApiErrorKind.THROTTLED,
    "ClientException": ApiErrorKind.INVALID,
}
_UTC = timezone.utc
READ_TIMEOUT_S = 60.0
"""How long a client waits for an answer."""
SIGNATURE_S = 300.0
"""How long a signature is valid: no request arrives later."""


@dataclass
class VirtualClock:
    """Time that passes only when somebody sleeps."""

    time: float = 1_700_000_000.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def monotonic(self) -> float:
        """The same: virtual time never jumps."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += max(0.0, seconds)


def draw_settings(rng: random.Random) -> ServiceSettings:
    """One of the services that the evidence allows: every unknown is drawn."""
    return ServiceSettings(
        cold_start_s=rng.choice((90.0, 200.0, 400.0)),
        warm_start_s=rng.choice((5.0, 20.0)),
        stopping_s=rng.choice((0.0, 5.0, 60.0)),
        settle_gap_s=rng.choice((0.0, 2.0, 15.0, 15.0, 90.0, 150.0)),  # past 120 s nobody waits any more
        gap_shows_in_use=rng.random() < 0.2,
        cold_shows_in_use=rng.random() < 0.5,
        release_lag_s=rng.choice((0.0, 3.0, 20.0)),
        describe_lag_s=rng.choice((0.0, 0.0, 1.0, 5.0)),
        stop_retains_pool=rng.random() < 0.7,
        timeout_retains_pool=rng.random() < 0.5,
        update_from_now=rng.random() < 0.5,
        network_order_matters=rng.random() < 0.5,
        retained_shown_while_available=rng.random() < 0.3,
        list_order=rng.choice(("Ascending", "Descending")),
        pool_patch_rate=rng.choice((0.0, 0.0, 0.05)),
        warm_pool_quota={"*": 0 if rng.random() < 0.1 else 100},
    )


def draw_spot(settings: ServiceSettings, rng: random.Random) -> ServiceSettings:
    """The same service with its spot machines drawn: how often they are taken, how scarce and how cheap they are."""
    return replace(
        settings,
        spot_interruption_mean_s=rng.choice((0.0, 60.0, 600.0, 3600.0)),
        spot_wait_s=rng.choice((0.0, 30.0, 600.0)),
        spot_discount=rng.choice((0.0, 0.5, 0.7, 0.9)),
    )


def draw_batch(settings: ServiceSettings, rng: random.Random) -> ServiceSettings:
    """The same service with its AWS Batch drawn."""
    return replace(
        settings,
        batch_lag_s=rng.choice((0.0, 5.0)),
        batch_submit_rate=5,
        batch_token_kept_s=rng.choice((0.0, 600.0)),
        batch_list_lag_s=rng.choice((0.0, 5.0)),
        batch_rejects_replay=rng.random() < 0.7,
        batch_reason_space=rng.random() < 0.5,
    )


def draw_waits(settings: ServiceSettings, rng: random.Random) -> ServiceSettings:
    """The same service with its capacity drawn, and how late it notices that a job runs too long."""
    return replace(
        settings,
        pending_s=rng.choice((0.0, 0.0, 120.0, 600.0)),
        max_runtime_late_s=rng.choice((0.0, 120.0, 290.0)),
    )


@dataclass(frozen=True)
class Call:
    """One call as the service saw it, or did not."""

    at: float
    operation: str
    name: str
    result: str  # "ok", an error code, or the name of a fault


__all__ = ["Behaviour", "Call", "Faults", "Script", "Twin", "VirtualClock", "WireError", "always", "draw_settings"]


class Twin:
    """Implements TrainingApi. Everything it does is a function of the seed and of the calls it gets."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        seed: int = 0,
        settings: ServiceSettings | None = None,
        faults: Faults | None = None,
        behaviour: Behaviour = always(Script()),  # noqa: B008 - a constant
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.service = Service(settings, random.Random(f"service {seed}"))
        self.batch = Batch(self.service, _as_it_is)
        self.permissions = Permissions(self.service.settings)
        self.calls: list[Call] = []
        self._behaviour = behaviour
        self._seed = seed
        self._wire = Wire(faults or Faults(), random.Random(f"wire {seed}"))
        self._world = random.Random(f"world {seed}")
        self._delays = random.Random(f"delays {seed}")
        self._late: dict[str, tuple[str, Mapping[str, Any]]] = {}  # requests that are still on their way
        self._runs: dict[str, Run] = {}
        self._saved: dict[str, float] = {}  # what the checkpoints below an S3 prefix hold, in seconds of a script
        self._events: list[tuple[float, int, str, str, int]] = []  # due, number, what, job name, attempt
        self._number = 0
        self._foreign = 0

    @classmethod
    def drawn(cls, seed: int, clock: Clock | None = None, behaviour: Behaviour | None = None) -> Twin:
        """A world of this seed: its service, its faults."""
        rng = random.Random(f"draw {seed}")
        settings, faults = draw_settings(rng), Faults.draw(rng)
        settings = draw_spot(settings, random.Random(f"spot {seed}"))
        settings = draw_batch(settings, random.Random(f"batch {seed}"))
        settings = draw_waits(settings, random.Random(f"waits {seed}"))
        return cls(clock, seed=seed, settings=settings, faults=faults, behaviour=behaviour or always(Script()))

    @property
    def faults(self) -> Faults:
        """What goes wrong; may be changed at any time."""
        return self._wire.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._wire.faults = faults

    def quiet(self) -> None:
        """Nothing goes wrong from here on; what the service is like stays."""
        self._wire.calm()

    def idle_pools(self) -> list[str]:
        """The jobs whose pool is retained and bills now, oldest first."""
        self.advance(self.clock.now())
        return [pool.holder for pool in self.service.idle_pools]

    def arriving(self) -> list[Mapping[str, Any]]:
        """The requests for jobs that do not exist yet, and that are still on their way."""
        coming = (self._late[name] for _, _, what, name, _ in self._events if what == "arrives")
        creates = (params for operation, params in coming if operation == "CreateTrainingJob")
        return [params for params in creates if params["TrainingJobName"] not in self.service.jobs]

    # ------------------------------------------------------------------ the port

    def create_training_job(self, request: Request) -> str:
        """CreateTrainingJob."""
        return str(self.ask("CreateTrainingJob", request)["TrainingJobArn"])

    def describe_training_job(self, name: str) -> Description:
        """DescribeTrainingJob."""
        return _with_datetimes(self.ask("DescribeTrainingJob", {"TrainingJobName": name}))

    def stop_training_job(self, name: str) -> None:
        """StopTrainingJob."""
        self.ask("StopTrainingJob", {"TrainingJobName": name})

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """UpdateTrainingJob."""
        resources = {"KeepAlivePeriodInSeconds": keep_alive_s}
        self.ask("UpdateTrainingJob", {"TrainingJobName": name, "ResourceConfig": resources})

    def list_training_jobs(self, **filters: Any) -> Iterable[Description]:
        """ListTrainingJobs, all pages."""
        token: dict[str, Any] = {}
        while True:
            page = self.ask("ListTrainingJobs", {"MaxResults": 100, **filters, **token})
            yield from (_with_datetimes(summary) for summary in page["TrainingJobSummaries"])
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def ask(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Any operation as a port calls it; raises ApiError."""
        try:
            return self.request(operation, params)
        except ServiceError as error:
            raise ApiError(_kind(error), operation, error.code, error.message) from error
        except WireError as error:
            raise ApiError(ApiErrorKind.LOST, operation, error.loss.value, "simulated") from error

    # ------------------------------------------------------------------ the wire

    def request(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One call with everything that may happen to it; raises ServiceError or WireError."""
        name = str(params.get("TrainingJobName", params.get("jobName", "")))
        try:
            answer = self._through_faults(operation, params, name)
        except ServiceError as error:
            self.calls.append(Call(self.clock.now(), operation, name, error.code))
            raise
        except WireError as error:
            self.calls.append(Call(self.clock.now(), operation, name, error.loss.value))
            raise
        self.calls.append(Call(self.clock.now(), operation, name, "ok"))
        return answer

    def _through_faults(self, operation: str, params: Mapping[str, Any], name: str) -> dict[str, Any]:
        wire, clock = self._wire, self.clock
        clock.sleep(wire.latency())
        settings = self.permissions.settings
        if (settings.deny or settings.keep_alive_below_s is not None) and operation in self.service.operations:
            self.permissions.check_training(operation, params)
        job = self.service.jobs.get(name)
        created = None if job is None else job.created
        try:
            return wire.carry(operation, clock.now(), created, clock.sleep, lambda: self.apply(operation, params))
        except WireError as error:
            if error.loss is Loss.REQUEST:
                self._delay(operation, params)
                clock.sleep(READ_TIMEOUT_S)
            raise

    def _delay(self, operation: str, params: Mapping[str, Any]) -> None:
        """A request that its client has given up may arrive all the same, for as long as its signature is valid."""
        if operation.startswith(("Describe", "List")) or self._delays.random() >= self.faults.late:
            return
        number = f"late-{len(self._late)}"
        self._late[number] = (operation, dict(params))
        self._schedule(self.clock.now() + self._delays.uniform(READ_TIMEOUT_S, SIGNATURE_S), "arrives", number)

    def apply(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The call as the service does it, now, with no wire in between."""
        now = self.clock.now()
        self.advance(now)
        if operation == "DescribeTrainingJob":
            self._print_points(str(params["TrainingJobName"]), now)
        answers = self.batch if operation in self.batch.operations else self.service
        try:
            return answers.call(operation, params, now)
        finally:
            self._take_effects(now)

    # ------------------------------------------------------------------ the world

    def advance(self, now: float) -> None:
        """Let everything happen that happens by itself until now, in the order of time."""
        service, batch, events = self.service, self.batch, self._events
        while True:
            due, other = service.next_due(), batch.next_due()
            if due is None or (other is not None and other < due):
                due = other
            if events and events[0][0] <= now and (due is None or events[0][0] <= due):
                at, _, what, name, attempt = heapq.heappop(events)
                self._happen(what, name, attempt, at)
            elif due is not None and due <= now:
                at = due
                service.tick(at)
            else:
                return
            self._take_effects(at)

    def _schedule(self, due: float, what: str, name: str) -> None:
        self._number += 1
        run = self._runs.get(name)
        heapq.heappush(self._events, (due, self._number, what, name, run.attempt if run else 0))

    def _take_effects(self, now: float) -> None:
        self.batch.advance(now)
        for effect in self.service.drain():
            if isinstance(effect, StartContainer):
                self._start(effect.name, now)
            elif isinstance(effect, SignalContainer):
                self._send(effect.signal, effect.name, now)
            elif isinstance(effect, Vacate):
                self._schedule(now + 1.0, "vacated", effect.name)
            elif isinstance(effect, UploadArtifacts):
                self._schedule(now + 1.0, "uploaded", effect.name)

    def _send(self, signal: Signal, name: str, now: float) -> None:
        run = self._runs[name]
        if signal is Signal.KILL:
            self._schedule(now, "killed", name)
            return
        run.stretches[-1].asked_at = now
        self._schedule(now + run.script.stops_in, "terminated", name)

    def _start(self, name: str, now: float) -> None:
        run = self._runs.get(name) or self._first(name, now)
        left = run.start(now, self._saved.get(run.checkpoints, 0.0))
        self._schedule(now + STARTUP_S, "started", name)
        self._schedule(now + STARTUP_S + left, "exited" if run.script.platform_failure is None else "gave up", name)

    def _first(self, name: str, now: float) -> Run:
        """What this job's container does, however often it is started."""
        rng = random.Random(f"{self._seed} {name}")
        request = self.service.jobs[name].request
        script = self._behaviour({**request, "TrainingJobName": name}, rng)
        drawn = rng.random()
        if drawn < self.faults.capacity:
            script = replace(script, seconds=0.0, platform_failure=states.CAPACITY)
        elif drawn < self.faults.capacity + self.faults.internal:
            script = replace(script, seconds=rng.random() * script.seconds, platform_failure=states.INTERNAL)
        if rng.random() < self.faults.human_stops:
            self._schedule(now + rng.random() * script.seconds, "human stops", name)
        made = self._runs[name] = Run(script, str(request.get("CheckpointConfig", {}).get("S3Uri", "")))
        return made

    def _happen(self, what: str, name: str, attempt: int, at: float) -> None:
        service, run = self.service, self._runs.get(name)
        if what == "human stops":
            self._someone("StopTrainingJob", {"TrainingJobName": name}, at)
        elif what == "stranger":
            self._stranger(name, at)
        elif what == "arrives":
            self._someone(*self._late[name], at)
        elif run is None or attempt != run.attempt:
            return  # of a machine that was taken away
        elif what == "started":
            service.reports.container_started(name, at)
        elif what == "uploaded":
            service.reports.artifacts_uploaded(name, at)
            self._tempt_a_stranger(name, at)
        elif what == "vacated":
            service.reports.vacated(name, at)
        elif what == "gave up":
            service.reports.platform_failed(name, run.script.platform_failure or states.INTERNAL, at)
        else:
            self._exit(what, name, run, at)

    def _exit(self, what: str, name: str, run: Run, at: float) -> None:
        """The container ends: by itself, terminated or killed."""
        if run.stretches[-1].ended is not None:
            return
        script = run.script
        self._print_points(name, at)
        saved = run.end(at, killed=what == "killed")
        if run.checkpoints:
            self._saved[run.checkpoints] = saved
        if what == "exited":
            self.service.reports.metrics_seen(name, {k: (v, at) for k, v in script.metrics.items()})
            self.service.reports.container_exited(name, script.exit_code, script.failure, at)
        else:
            self.service.reports.container_exited(name, 143 if what == "terminated" else 137, "", at)

    def _print_points(self, name: str, now: float) -> None:
        """Metrics of a running job: what its script has printed by now."""
        run, job = self._runs.get(name), self.service.jobs.get(name)
        if run is None or not run.script.points or job is None or job.exited:
            return
        self.service.reports.metrics_seen(name, {metric: (value, when) for when, metric, value in run.printed(now)})

    def printed_by(self, name: str) -> list[tuple[str, float]]:
        """(metric, value) in the order in which a job's script has printed them by now."""
        run, job = self._runs.get(name), self.service.jobs.get(name)
        if run is None or job is None:
            return []
        now = self.clock.now() if job.ended is None else job.ended
        return [(metric, value) for _, metric, value in run.printed(now)]

    def printed(self, job: Any) -> list[tuple[str, float]]:
        """The same of an ended job."""
        return self.printed_by(job.name)

    def _tempt_a_stranger(self, name: str, at: float) -> None:
        job = self.service.jobs.get(name)
        if not self.faults.foreign_takes or job is None or not job.keep_alive_s or name.startswith("foreign-"):
            return
        if self._world.random() < self.faults.foreign_takes:
            wait = self.service.settings.settle_gap_s + self._world.random() * job.keep_alive_s / 2
            self._schedule(at + wait, "stranger", name)

    def _stranger(self, name: str, at: float) -> None:
        """Somebody else's job with the same key; it takes the pool if that is still idle."""
        job = self.service.jobs.get(name)
        if job is None or self.service.pools.get(job.pool_id or "") not in self.service.idle_pools:
            return
        self._foreign += 1
        request = {**job.request, "TrainingJobName": f"foreign-{self._foreign}", "Environment": {"OWNER": "stranger"}}
        request["ResourceConfig"] = {**request["ResourceConfig"], "KeepAlivePeriodInSeconds": 0}
        self._someone("CreateTrainingJob", request, at)

    def _someone(self, operation: str, params: Mapping[str, Any], at: float) -> None:
        """A call of somebody else, or one of ours that nobody waits for any more; it may be refused."""
        answers = self.batch if operation in self.batch.operations else self.service
        try:
            answers.call(operation, params, at)
        except ServiceError:
            return


def _as_it_is(payload: object) -> Request:
    """Batch's payloads are judged by botocore's model in the engine alone."""
    assert isinstance(payload, dict)
    return payload


def _kind(error: ServiceError) -> ApiErrorKind:
    return refined(_by_code(error), error.message)


def _by_code(error: ServiceError) -> ApiErrorKind:
    if error.code == "ValidationException":
        missing = "Requested resource not found" in error.message
        return ApiErrorKind.NOT_FOUND if missing else ApiErrorKind.INVALID
    return _KINDS.get(error.code, ApiErrorKind.UNKNOWN)


_TIMES = ("CreationTime", "LastModifiedTime", "TrainingStartTime", "TrainingEndTime")


@lru_cache(maxsize=1024)
def _moment(at: float) -> datetime:
    """The same few moments are told at every look."""
    return datetime.fromtimestamp(at, _UTC)


def _with_datetimes(answer: dict[str, Any]) -> Description:
    """Epoch seconds as boto3 gives them: aware datetimes."""
    moment = _moment
    for key in _TIMES:
        if key in answer:
            answer[key] = moment(answer[key])
    for transition in answer.get("SecondaryStatusTransitions", ()):
        for key in ("StartTime", "EndTime"):
            if key in transition:
                transition[key] = moment(transition[key])
    for metric in answer.get("FinalMetricDataList", ()):
        metric["Timestamp"] = moment(metric["Timestamp"])
    return answer
