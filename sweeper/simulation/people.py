"""What people do beside a simulated run: they ask the running chain for something, or have a job of its name."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from sweeper.core.chain import Chain
from sweeper.core.model import Sweep
from sweeper.core.request import build, job_name
from sweeper.core.search import search_for
from sweeper.simulation.danger import Requests
from sweeper.simulation.drawn import SCOPE
from sweeper.simulation.heard import staged
from sweeper.testing.twin import Twin


def ask(inbox: Requests, sweep: Sweep, chain: Chain, rng: random.Random, now: float) -> None:
    """A person types one of the commands that leave a request for the running chain."""
    trials = [trial for trial in sweep.trials if trial.id]
    kind = rng.choice(("stop", "skip", "skip", "add", "add", "retry"))
    if kind == "stop":
        inbox.ask(now, kind, now=rng.random() < 0.5)
    elif trials and kind == "skip":
        inbox.ask(now, kind, trial=rng.choice(trials).id)
    elif trials and kind == "retry":
        inbox.ask(now, kind, trials=[t.id for t in trials if chain.is_finished(t.id)][:1])
    elif trials:
        inbox.ask(now, kind, values=another(rng.choice(trials).values, rng))


def another(values: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """These values with one number changed: what somebody might add. Sometimes they are there already."""
    numbers = [key for key, value in values.items() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not numbers or rng.random() < 0.2:
        return dict(values)
    key = rng.choice(numbers)
    return {**values, key: values[key] + 1}


def squat(twin: Twin, sweep: Sweep, owner: str) -> None:
    """Someone else has a job of the name that ours would get."""
    first = search_for(sweep).propose(Chain())
    assert first is not None
    trial = first.trial
    config = {**sweep.resolve(trial), "environment": {}}
    request = build(
        config,
        name=job_name(owner, SCOPE, sweep.name, trial.id, 1),
        mark="someone/else/entirely/1",
        sweep="theirs",
        max_runtime_s=3600,
        staged=staged(config),
        region=SCOPE.region,
    )
    twin.apply("CreateTrainingJob", request)
