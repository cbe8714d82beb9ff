"""SageMaker's training service in process: the engine's own state machine under a virtual clock, with scripted jobs.

What the real service leaves unknown, and what may go wrong on the way to it, is drawn from a seed. Nothing here is
measured: every second is simulated.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sweeper.core.ports import Clock, Description, Page, Request
from sweeper.core.request import listing, searching
from sweeper.engine.batch.service import Batch
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.service import Service
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.faults import Faults, Loss, Wire, WireError
from sweeper.engine.wire.permissions import Permissions
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.testing import draws
from sweeper.testing.answers import kind_of, with_datetimes
from sweeper.testing.clock import VirtualClock
from sweeper.testing.others import READ_TIMEOUT_S
from sweeper.testing.scripts import Behaviour, Script, always
from sweeper.testing.world import TwinWorld

__all__ = ["Behaviour", "Call", "Faults", "Script", "Twin", "VirtualClock", "WireError", "always"]


class Call(NamedTuple):
    """One call as the service saw it, or did not."""

    at: float
    operation: str
    name: str
    result: str  # "ok", an error code, or the name of a fault


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
        self.permissions = Permissions(settings or ServiceSettings())
        self.calls: list[Call] = []
        self._seed = seed
        self._wire = Wire(faults or Faults(), random.Random(f"wire {seed}"))
        self.begin_anew(behaviour)

    def begin_anew(self, behaviour: Behaviour) -> None:
        """Every job and pool is gone: a service without a past answers from here on, on the same wire."""
        self.service = Service(self.permissions.settings, random.Random(f"service {self._seed}"))
        self.batch = Batch(self.service, _as_it_is)
        self.world = TwinWorld(self.service, self.batch, self._wire, behaviour, self._seed)

    @classmethod
    def drawn(cls, seed: int, clock: Clock | None = None, behaviour: Behaviour | None = None) -> Twin:
        """A world of this seed: its service, its faults."""
        rng = random.Random(f"draw {seed}")
        settings, faults = draws.drawn(seed, rng), Faults.draw(rng)
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
        return self.world.others.arriving()

    def printed(self, job: Any) -> list[tuple[str, float]]:
        """(metric, value) in the order in which the script of a job, known by its name, has printed them by now.

        A service job is known by its own name, too.
        """
        made = (queued.training_job for queued in self.batch.jobs.values() if queued.name == job.name)
        return self.world.containers.printed_by(next(made, None) or job.name, self.clock.now())

    # ------------------------------------------------------------------ the port

    def create_training_job(self, request: Request) -> str:
        """CreateTrainingJob."""
        return str(self.ask("CreateTrainingJob", request)["TrainingJobArn"])

    def describe_training_job(self, name: str) -> Description:
        """DescribeTrainingJob."""
        return with_datetimes(self.ask("DescribeTrainingJob", {"TrainingJobName": name}))

    def stop_training_job(self, name: str) -> None:
        """StopTrainingJob."""
        self.ask("StopTrainingJob", {"TrainingJobName": name})

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """UpdateTrainingJob."""
        resources = {"KeepAlivePeriodInSeconds": keep_alive_s}
        self.ask("UpdateTrainingJob", {"TrainingJobName": name, "ResourceConfig": resources})

    def list_training_jobs(self, token: str = "") -> Page:
        """ListTrainingJobs."""
        page = self.ask("ListTrainingJobs", listing(token))
        return Page([with_datetimes(summary) for summary in page["TrainingJobSummaries"]], page.get("NextToken", ""))

    def search_training_jobs(self, mark: str, since: float) -> Iterable[Description]:
        """Search, all pages."""
        token: dict[str, Any] = {}
        while True:
            page = self.ask("Search", {**searching(mark, since), **token})
            yield from (with_datetimes(found["TrainingJob"]) for found in page["Results"])
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def ask(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Any operation as a port calls it; raises ApiError."""
        try:
            return self.request(operation, params)
        except ServiceError as error:
            raise ApiError(kind_of(error), operation, error.code, error.message) from error
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
                self.world.others.delay(operation, params, clock.now())
                clock.sleep(READ_TIMEOUT_S)
            raise

    def apply(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The call as the service does it, now, with no wire in between."""
        return self.world.apply(operation, params, self.clock.now())

    def advance(self, now: float) -> None:
        """Let everything happen that happens by itself until now, in the order of time."""
        self.world.advance(now)


def _as_it_is(payload: object) -> Request:
    """Batch's payloads are judged by botocore's model in the engine alone."""
    assert isinstance(payload, dict)
    return payload
