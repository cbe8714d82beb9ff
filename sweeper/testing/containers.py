"""The containers of the twin: each job runs a script, and the service is told what a machine would have reported."""

from __future__ import annotations

import random
from dataclasses import replace

from sweeper.engine.training import states
from sweeper.engine.training.effects import Effect, SignalContainer, StartContainer, UploadArtifacts, Vacate
from sweeper.engine.training.service import Service
from sweeper.engine.training.states import Signal
from sweeper.engine.wire.faults import Wire
from sweeper.testing.agenda import Agenda, Happening, What
from sweeper.testing.scripts import STARTUP_S, Behaviour, Run

_LEAVING_S = 1.0
"""Virtual seconds until a machine is left, and until what a container without a script left is in S3."""


class ScriptedContainers:
    """Carries out what the service asks for, by noting when it has happened. The faults of `wire` decide who fails.

    `behaviour` may be changed at any time: each job asks it once, at its first start.
    """

    def __init__(self, service: Service, agenda: Agenda, wire: Wire, behaviour: Behaviour, seed: int) -> None:
        self.behaviour = behaviour
        self._service, self._agenda, self._wire, self._seed = service, agenda, wire, seed
        self._runs: dict[str, Run] = {}
        self._saved: dict[str, float] = {}  # what the checkpoints below an S3 prefix hold, in seconds of a script

    def do(self, effect: Effect, now: float) -> None:
        """Carry out an effect."""
        if isinstance(effect, StartContainer):
            self._start(effect.name, now)
        elif isinstance(effect, SignalContainer):
            self._send(effect.signal, effect.name, now)
        elif isinstance(effect, Vacate):
            self._note(now + _LEAVING_S, What.VACATED, effect.name)
        elif isinstance(effect, UploadArtifacts):
            run = self._runs.get(effect.name)
            self._note(now + (run.script.uploads_in if run else _LEAVING_S), What.UPLOADED, effect.name)

    def happen(self, happening: Happening) -> bool:
        """Tell the service what has happened to a container; False when it is of a machine that was taken away."""
        name, at, reports = happening.name, happening.at, self._service.reports
        run = self._runs.get(name)
        if run is None or happening.attempt != run.attempt:
            return False
        if happening.what is What.STARTED:
            reports.container_started(name, at)
        elif happening.what is What.UPLOADED:
            reports.artifacts_uploaded(name, at)
        elif happening.what is What.VACATED:
            reports.vacated(name, at)
        elif happening.what is What.GAVE_UP:
            reports.platform_failed(name, run.script.platform_failure or states.INTERNAL, at)
        else:
            self._exit(happening.what, name, run, at)
        return True

    def print_points(self, name: str, now: float) -> None:
        """Metrics of a running job: what its script has printed by now."""
        run, job = self._runs.get(name), self._service.jobs.get(name)
        if run is None or not run.script.points or job is None or job.exited:
            return
        self._service.reports.metrics_seen(name, {metric: (value, when) for when, metric, value in run.printed(now)})

    def printed_by(self, name: str, now: float) -> list[tuple[str, float]]:
        """(metric, value) in the order in which a job's script has printed them by now."""
        run, job = self._runs.get(name), self._service.jobs.get(name)
        if run is None or job is None:
            return []
        return [(metric, value) for _, metric, value in run.printed(now if job.ended is None else job.ended)]

    def _start(self, name: str, now: float) -> None:
        run = self._runs.get(name) or self._first(name, now)
        left = run.start(now, self._saved.get(run.checkpoints, 0.0))
        self._note(now + STARTUP_S, What.STARTED, name)
        ends = What.EXITED if run.script.platform_failure is None else What.GAVE_UP
        self._note(now + STARTUP_S + left, ends, name)

    def _first(self, name: str, now: float) -> Run:
        """What this job's container does, however often it is started."""
        rng, faults = random.Random(f"{self._seed} {name}"), self._wire.faults
        request = self._service.jobs[name].request
        script = self.behaviour({**request, "TrainingJobName": name}, rng)
        drawn = rng.random()
        if drawn < faults.capacity:
            script = replace(script, seconds=0.0, platform_failure=states.CAPACITY)
        elif drawn < faults.capacity + faults.internal:
            script = replace(script, seconds=rng.random() * script.seconds, platform_failure=states.INTERNAL)
        if rng.random() < faults.human_stops:
            self._note(now + rng.random() * script.seconds, What.HUMAN_STOPS, name)
        made = self._runs[name] = Run(script, str(request.get("CheckpointConfig", {}).get("S3Uri", "")))
        return made

    def _send(self, signal: Signal, name: str, now: float) -> None:
        run = self._runs[name]
        if signal is Signal.KILL:
            self._note(now, What.KILLED, name)
            return
        run.stretches[-1].asked_at = now
        self._note(now + run.script.stops_in, What.TERMINATED, name)

    def _exit(self, what: What, name: str, run: Run, at: float) -> None:
        """The container ends: by itself, terminated or killed."""
        if run.stretches[-1].ended is not None:
            return
        script, reports = run.script, self._service.reports
        self.print_points(name, at)
        saved = run.end(at, killed=what is What.KILLED)
        if run.checkpoints:
            self._saved[run.checkpoints] = saved
        if what is What.EXITED:
            reports.metrics_seen(name, {k: (v, at) for k, v in script.metrics.items()})
            reports.container_exited(name, script.exit_code, script.failure, at)
        else:
            reports.container_exited(name, 143 if what is What.TERMINATED else 137, "", at)

    def _note(self, at: float, what: What, name: str) -> None:
        run = self._runs.get(name)
        self._agenda.note(at, what, name, run.attempt if run else 0)
