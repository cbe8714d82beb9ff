"""The receipt: what a sweep was billed, what its pool saved, and what the same jobs had cost elsewhere."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.costs import Rate
from sweeper.core.model import OnFailure, PoolSettings
from sweeper.core.ports import Request
from sweeper.core.receipt import Receipt
from sweeper.engine.training.settings import ServiceSettings
from sweeper.run.runner import Runner
from sweeper.run.world import World
from sweeper.show.receipt import of_sweep
from sweeper.simulation.drawn import LOCKED, SCOPE, ListedTrials, draw_sweep
from sweeper.simulation.heard import Listener, staged
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Script, Twin, VirtualClock, always
from tests.core.test_decide import OPENED, intent
from tests.core.test_phases import PAST
from tests.core.test_ways import interrupted

TURNAROUND_S = 90.0
CONFIG: Mapping[str, Any] = {
    "locked": LOCKED,
    "backend": {"kind": "warm_pool"},
    "engine": {"kind": "local", "cold_start_s": 330.0},
}


TOLD = [replace(event, billable_seconds=53.0) if isinstance(event, ev.Outcome) else event for event in PAST]


class Deliberate(Twin):
    """The service, behind somebody who thinks for so long after a job has ended until the next one is sent."""

    def create_training_job(self, request: Request) -> str:
        """CreateTrainingJob, not before its time."""
        ended = [job.ended for job in self.service.jobs.values() if job.ended is not None]
        if ended:
            self.clock.sleep(max(ended) + TURNAROUND_S - self.clock.now())
        return super().create_training_job(request)


class Seven(ListedTrials):
    """Seven iterations."""

    keys = ("hyperparameters.x",)


def chain_of_the_skill() -> Chain:
    """Seven jobs of 90 s with 90 s between them, by the real runner: 330 s to start cold, 30 s to start warm."""
    sweep = replace(
        draw_sweep(random.Random(0)),
        trials=Seven([{"hyperparameters.x": number} for number in range(7)]),
        composed=CONFIG,
        stop=(),
        on_failure=OnFailure(),
        pool=PoolSettings(keep_alive_s=600),
    )
    clock = VirtualClock()
    settings = ServiceSettings(cold_start_s=330.0, warm_start_s=30.0)
    # a container needs a second to begin, and another one to leave what it has made
    twin = Deliberate(clock, settings=settings, behaviour=always(Script(88.0)))
    journal = MemoryJournal()
    Runner(sweep, SCOPE, "me", World(twin, journal, clock, Listener(), staged)).run()
    return fold(journal.events())


def bill(chain: Chain, rate: Rate | None = None, *, simulated: bool = True, **sections: Any) -> Receipt:
    """The receipt of a chain."""
    return of_sweep({**CONFIG, **sections}, chain, rate, simulated=simulated)


def test_the_receipt_is_the_arithmetic_of_the_skill() -> None:
    """Seven iterations, 90 s apart, at $2.80 an hour: 28 minutes and $1.31 instead of 58 and $2.29, which is 43 %."""
    found = bill(chain_of_the_skill(), Rate(2.80 / 3600))
    assert found.comparison and found.saved
    pool, cold = found.comparison.pool, found.comparison.cold
    assert pool and cold and pool.all_jobs and cold.all_jobs
    assert (pool.all_jobs.wall_s, cold.all_jobs.wall_s) == pytest.approx((28 * 60, 58 * 60), abs=1)
    assert (round(pool.usd or 0, 2), round(cold.usd or 0, 2)) == (1.31, 2.29)
    assert (round(found.saved.billed.percent or 0), found.saved.seconds) == (43, pytest.approx(30 * 60, abs=1))
    assert (found.cold, found.reused, found.provisional) == (1, 6, ())
    assert found.saved.unbilled.pool_usd == pytest.approx(found.usd, abs=1e-4), "what was billed"
    assert [*found.lines][:2] == [
        "receipt (simulated: nobody is billed): 0.91 USD for 10:30 min of jobs and 9:00 min of idle pools (0.42 USD)",
        "against cold starts the pool saved 30:00 min: for 1.31 USD instead of 2.29 USD (43 % less) if the start of a "
        "machine is billed, 0.91 USD instead of 0.49 USD (86 % more) if not",
    ]


def test_what_is_not_known_yet_or_at_all_is_said() -> None:
    """Provisional until every second is told; a price that is unknown; spot and queues by what nobody knows of them."""
    open_ = bill(fold([OPENED, *TOLD[:-1]]), Rate(0.001), simulated=False)
    assert open_.provisional == ("how long 1 pool idled is not told",)
    assert "provisional: how long" in next(open_.lines)
    closed = bill(fold([OPENED, *TOLD]), Rate(0.001), simulated=False)
    assert closed.provisional == () and "simulated" not in "".join(closed.lines)
    spot, batch = [*closed.lines][-1].split("; ")[1:]
    assert "(savings unknown, waits unknown)" in spot and "waits unknown" in batch
    free = [*bill(fold([OPENED, *TOLD])).lines]
    assert "of unknown price" in free[0] and "USD" not in free[1]
    begun = bill(fold([OPENED, intent(0), ev.Created(intent(0).name, "arn")]), Rate(1.0))
    assert next(begun.lines).endswith(
        "no seconds yet; provisional: the seconds of 1 job are not told, how long 1 pool idled is not told"
    )


def test_a_sweep_on_spot_machines_is_compared_by_what_it_was_billed() -> None:
    """Two jobs on three machines, billed for 30 % of their seconds: 1200 s of starts and 1500 s of training."""
    chain = fold([OPENED, *interrupted(0, 1), *interrupted(1, 0)])
    found = bill(chain, Rate(0.001), simulated=False, backend={"kind": "spot"})
    assert found.saved is None and (found.usd, found.billable_s) == (0.45, 450)
    spot, pool, cold, _ = found.row["ways"]
    assert (spot["usd"], spot["wall_s"], spot["wait_s"]) == (pytest.approx(0.3 * 2.7), 1890, 90)
    assert (pool["backend"], pool["usd"]) == ("warm_pool", pytest.approx((400 + 20 + 1500 + 5) / 1000))
    assert (cold["usd"], cold["wall_s"]) == (2.3, 2 * 400 + 1500 + 5)


def test_nothing_is_compared_with_what_was_not_measured() -> None:
    """Machines that start at once, jobs without transitions and a backend that is gone say nothing of cold starts."""
    at_once = bill(fold([OPENED, *TOLD]), Rate(0.001), engine={"kind": "local"})
    assert "engine.cold_start_s" in at_once.nothing_because
    assert len([*at_once.lines]) == 1 and at_once.row["ways"] == []
    assert "not known here" in bill(fold([OPENED, *TOLD]), backend={"kind": "gone"}).nothing_because
    assert "no start of a machine" in bill(Chain()).nothing_because
