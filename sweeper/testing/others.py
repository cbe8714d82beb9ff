"""Who else calls the twin's service: people, strangers with the same pool key, and our own requests that come late."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.service import Service
from sweeper.engine.wire.faults import Wire
from sweeper.testing.agenda import Agenda, Happening, What

READ_TIMEOUT_S = 60.0
"""How long a client waits for an answer."""
SIGNATURE_S = 300.0
"""How long a signature is valid: no request arrives later."""


class Others:
    """Notes when they call, and calls. `call`: an operation, its parameters and the time; raises ServiceError."""

    def __init__(
        self,
        service: Service,
        agenda: Agenda,
        wire: Wire,
        call: Callable[[str, Mapping[str, Any], float], object],
        seed: int,
    ) -> None:
        self._service, self._agenda, self._wire, self._call = service, agenda, wire, call
        self._world = random.Random(f"world {seed}")
        self._delays = random.Random(f"delays {seed}")
        self._late: dict[str, tuple[str, Mapping[str, Any]]] = {}  # requests that are still on their way
        self._foreign = 0

    def delay(self, operation: str, params: Mapping[str, Any], now: float) -> None:
        """A request that its client has given up may arrive all the same, for as long as its signature is valid."""
        if operation.startswith(("Describe", "List")) or self._delays.random() >= self._wire.faults.late:
            return
        number = f"late-{len(self._late)}"
        self._late[number] = (operation, dict(params))
        self._agenda.note(now + self._delays.uniform(READ_TIMEOUT_S, SIGNATURE_S), What.ARRIVES, number)

    def arriving(self) -> list[Mapping[str, Any]]:
        """The requests for jobs that do not exist yet, and that are still on their way."""
        coming = (self._late[name] for name in self._agenda.coming(What.ARRIVES))
        creates = (_created(operation, params) for operation, params in coming)
        return [params for params in creates if params and params["TrainingJobName"] not in self._service.jobs]

    def tempt(self, name: str, at: float) -> None:
        """A pool stands idle now, which a stranger may take."""
        job, faults = self._service.jobs.get(name), self._wire.faults
        if not faults.foreign_takes or job is None or not job.keep_alive_s or name.startswith("foreign-"):
            return
        if self._world.random() < faults.foreign_takes:
            wait = self._service.settings.settle_gap_s + self._world.random() * job.keep_alive_s / 2
            self._agenda.note(at + wait, What.STRANGER, name)

    def happen(self, happening: Happening) -> None:
        """One of them calls; it may be refused."""
        name, at = happening.name, happening.at
        if happening.what is What.HUMAN_STOPS:
            self._try("StopTrainingJob", {"TrainingJobName": name}, at)
        elif happening.what is What.STRANGER:
            self._take(name, at)
        elif happening.what is What.ARRIVES:
            self._try(*self._late[name], at)

    def _take(self, name: str, at: float) -> None:
        """Somebody else's job with the same key; it takes the pool if that is still idle."""
        job = self._service.jobs.get(name)
        if job is None or self._service.pools.get(job.pool_id or "") not in self._service.idle_pools:
            return
        self._foreign += 1
        request = {**job.request, "TrainingJobName": f"foreign-{self._foreign}", "Environment": {"OWNER": "stranger"}}
        request["ResourceConfig"] = {**request["ResourceConfig"], "KeepAlivePeriodInSeconds": 0}
        self._try("CreateTrainingJob", request, at)

    def _try(self, operation: str, params: Mapping[str, Any], at: float) -> None:
        try:
            self._call(operation, params, at)
        except ServiceError:
            return


def _created(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The job that a request asks for, also one that a queue is to carry; None: it asks for none."""
    if operation == "SubmitServiceJob":
        made: Mapping[str, Any] = json.loads(params["serviceRequestPayload"])
        return made
    return params if operation == "CreateTrainingJob" else None
