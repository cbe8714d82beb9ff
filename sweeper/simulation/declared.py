"""A declared experiment as the simulation runs it: its own trials, rules and remedies; scripts and times are drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sweeper.core.failures import Failure
from sweeper.core.identity import canonical
from sweeper.core.model import Sweep, Trial
from sweeper.core.ports import Request
from sweeper.core.request import digest
from sweeper.core.stop import every
from sweeper.core.waits import Waits
from sweeper.errors import UsageError
from sweeper.simulation.drawn import SECRET
from sweeper.testing.scripts import Behaviour, Script

MOST_TRIALS = 2000
"""More are not simulated: a single seed would take minutes."""
POLLS_S = (None, 20.0, 30.0)
FAILS = 0.15
"""How often a job fails by itself, for each kind of failure at most."""
OVERRUNS = 0.03
TOLD_BY_A_SCRIPT = [failure for failure in Failure if failure.row.cause or failure is Failure.ALGORITHM_ERROR]
"""What the scripts of a simulated experiment may end with; capacity and internal errors are the service's own."""


def as_simulated(sweep: Sweep) -> Sweep:
    """This sweep with the polling of a real service and a planted secret. Raises UsageError for what is too much."""
    most = [rule.most_trials for rule in every(sweep.stop) if rule.most_trials is not None]
    if min([len(sweep.trials), *most]) > MOST_TRIALS:
        raise UsageError(
            f"sweeper simulate: the sweep has {len(sweep.trials)} trials, and at most {MOST_TRIALS} are simulated; "
            "pin an axis (KEY=VALUE) or set stop.max_trials"
        )

    known: dict[str, Mapping[str, Any]] = {}

    def resolve(trial: Trial, *taken: Any) -> Mapping[str, Any]:
        key = canonical([trial.values, *taken])
        if key not in known:
            config = sweep.resolve(trial, *taken)
            known[key] = {**config, "environment": {**config["environment"], "PLANTED": SECRET}}
        return known[key]

    own = sweep.waits if sweep.engine.on_aws else Waits()
    return replace(sweep, resolve=resolve, waits=own)


def behaviour_of(sweep: Sweep) -> Behaviour:
    """What the containers of this sweep do: every declared metric, near the values that its rules ask for."""
    thresholds = {metric: asked for rule in every(sweep.stop) for metric, asked in rule.asks.items()}
    names = dict.fromkeys([*(m.name for m in sweep.metrics), *thresholds])
    if sweep.objective:
        names[sweep.objective.metric] = None
    most_s = float(sweep.max_runtime_s or 3600)
    kinds = [f for f in TOLD_BY_A_SCRIPT if f is Failure.ALGORITHM_ERROR or f.value in sweep.on_failure.actions]

    def value(job: str, metric: str) -> float:
        u = int(digest([job, metric])[:8], 16) / 2**32
        asked = thresholds.get(metric)
        if asked is None:
            return u
        # About one job in three reaches what the rule asks for.
        return asked.value + asked.sign * (u - 0.7) * max(abs(asked.value), 1.0)

    def behave(request: Request, rng: random.Random) -> Script:
        job = str(request["TrainingJobName"])
        seconds = min(rng.choice((30.0, 120.0, 900.0)), 0.8 * most_s)
        stops_in = rng.choice((1.0, 30.0, 200.0))
        for kind in kinds:
            if rng.random() < FAILS:
                return Script(seconds / 10, 1, f"{kind.row.example}\nexit code 1", stops_in=stops_in)
        if rng.random() < OVERRUNS:
            seconds = 2 * most_s
        last = {name: value(job, name) for name in names}
        printed = rng.random() < 0.7
        points = [(seconds * n / 10, {k: v * n / 9 for k, v in last.items()}) for n in range(10)] if printed else []
        return Script(seconds, 0, "", last, points, stops_in=stops_in)

    return behave


def polled(sweep: Sweep, rng: random.Random) -> Sweep:
    """Looked at as often as somebody may choose; on AWS as the experiment says."""
    if sweep.engine.on_aws:
        return sweep
    return replace(sweep, waits=replace(sweep.waits, poll_s=rng.choice(POLLS_S)))
