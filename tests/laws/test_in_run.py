"""A job that is stopped for what it shows, against the service both ways: a stop keeps the pool, or ends it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain
from sweeper.core.model import PoolSettings, Sweep
from sweeper.core.ports import Request
from sweeper.core.prune import pruning
from sweeper.core.remedies import on_failure
from sweeper.core.request import Staged
from sweeper.core.stop import rules
from sweeper.core.waits import Waits
from sweeper.engine.training.settings import ServiceSettings
from sweeper.run.runner import Runner
from sweeper.run.world import Logs, World
from sweeper.simulation.drawn import SCOPE, ListedTrials, draw_sweep
from sweeper.simulation.heard import Listener, LogPosition
from sweeper.simulation.simulation import OWNER
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Script, Twin

POLL_S = 10.0
POINTS = [(30.0 * n, {"m": 1.0 if n == 3 else 0.5}) for n in range(1, 21)]
"""A value every 30 s; the third is better than all others. It would go on for ten minutes."""


def behaviour(request: Request, rng: Random) -> Script:
    """Ten minutes of training."""
    return Script(seconds=600.0, metrics={"m": 0.5}, points=POINTS, stops_in=1.0)


def run(*, keeps: bool, **changes: Any) -> tuple[Twin, Chain, list[ev.Event]]:
    """A sweep of three trials on a service that keeps the pool of a stopped job, or does not."""
    settings = ServiceSettings(stop_retains_pool=keeps, cold_start_s=90.0, warm_start_s=5.0, stopping_s=0.0)
    twin = Twin(settings=settings, behaviour=behaviour)
    base = replace(
        draw_sweep(Random(1)),
        trials=ListedTrials(3),
        waits=Waits(poll_s=POLL_S),
        pool=PoolSettings(keep_alive_s=300),
        stop=(),
        prune=pruning({}),
        on_until="stop",
        on_failure=on_failure({}),
    )
    sweep: Sweep = replace(base, **changes)
    journal = MemoryJournal()
    world = World(
        api=twin,
        journal=journal,
        clock=twin.clock,
        progress=Listener(),
        stage=lambda config: Staged("", {}, "s3://bucket/out"),
        logs=Logs(news=LogPosition(twin).news, curve=twin.printed),
    )
    ending = Runner(sweep, SCOPE, OWNER, world).run()
    assert not ending.unreleased
    return twin, ending.chain, journal.durable


@pytest.mark.parametrize("keeps", [True, False])
def test_an_in_run_stop_comes_within_one_look_of_the_line(keeps: bool) -> None:
    """The stop is asked for before the next look would have been due; the chain ends, and every pool is closed."""
    twin, chain, journal = run(keeps=keeps, stop=rules({"until": {"metric": "m", "op": ">=", "value": 1}}))
    (job,) = twin.service.jobs.values()
    assert job.training_from is not None
    shown = job.training_from + 90.0
    asked = next(call.at for call in twin.calls if call.operation == "StopTrainingJob")
    assert shown <= asked <= shown + POLL_S + 1.0
    (outcome,) = [event for event in journal if isinstance(event, ev.Outcome)]
    assert (outcome.status, outcome.trial_status, outcome.metrics["m"]) == ("Stopped", "completed", 1.0)
    assert [event.rule for event in journal if isinstance(event, ev.Decided)] == ["until"]
    assert not chain.debts


@pytest.mark.parametrize(("keeps", "pools"), [(True, ["cold", "reused", "reused"]), (False, ["cold", "cold", "cold"])])
def test_after_a_pruned_job_the_next_starts_warm_where_the_pool_lives(keeps: bool, pools: list[str]) -> None:
    """The pool of a stopped job is looked at, and used or given up as it is seen; never assumed."""
    _, chain, journal = run(keeps=keeps, prune=pruning({"patience": {"steps": 2}}))
    jobs = list(chain.jobs.values())
    assert [job.outcome.trial_status for job in jobs if job.outcome] == ["pruned"] * 3
    assert [job.pool_word for job in jobs] == pools
    seen = [event.pool for event in journal if isinstance(event, ev.Observed) and event.name == jobs[0].name]
    assert ("Available" in seen) is keeps
    assert not chain.debts
