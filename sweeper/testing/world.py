"""The world around the twin's services: what happens by itself, in one order of time with what they have due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.engine.batch.service import Batch
from sweeper.engine.training.service import Service, only_reads
from sweeper.engine.wire.faults import Wire
from sweeper.testing.agenda import Agenda, What
from sweeper.testing.containers import ScriptedContainers
from sweeper.testing.others import Others
from sweeper.testing.scripts import Behaviour

_OF_OTHERS = (What.HUMAN_STOPS, What.STRANGER, What.ARRIVES)


class TwinWorld:
    """Containers and other people, who act on the services as time passes."""

    def __init__(self, service: Service, batch: Batch, wire: Wire, behaviour: Behaviour, seed: int) -> None:
        self._service, self._batch = service, batch
        self._agenda = Agenda()
        self.containers = ScriptedContainers(service, self._agenda, wire, behaviour, seed)
        self.others = Others(service, self._agenda, wire, self._call, seed)

    def apply(self, operation: str, params: Mapping[str, Any], now: float) -> dict[str, Any]:
        """A call as the service does it, after everything that happened before; raises ServiceError."""
        self.advance(now)
        if operation == "DescribeTrainingJob":
            self.containers.print_points(str(params["TrainingJobName"]), now)
        try:
            return self._call(operation, params, now)
        finally:
            if not only_reads(operation):
                self._take_effects(now)

    def advance(self, now: float) -> None:
        """Let everything happen that happens by itself until now, in the order of time."""
        service, batch, agenda = self._service, self._batch, self._agenda
        while True:
            due, other = service.next_due(), batch.next_due()
            if due is None or (other is not None and other < due):
                due = other
            at = agenda.next_at()
            if at is not None and at <= now and (due is None or at <= due):
                self._happen()
            elif due is not None and due <= now:
                at = due
                service.tick(at)
            else:
                return
            self._take_effects(at)

    def _happen(self) -> None:
        happening = self._agenda.pop()
        if happening.what in _OF_OTHERS:
            self.others.happen(happening)
        elif self.containers.happen(happening) and happening.what is What.UPLOADED:
            self.others.tempt(happening.name, happening.at)

    def _take_effects(self, now: float) -> None:
        self._batch.advance(now)
        for effect in self._service.drain():
            self.containers.do(effect, now)

    def _call(self, operation: str, params: Mapping[str, Any], now: float) -> dict[str, Any]:
        answers = self._batch if operation in self._batch.operations else self._service
        return answers.call(operation, params, now)
