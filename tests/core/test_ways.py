"""What an experiment takes and costs on each backend, by hand: the arithmetic of `plan` and of `plan --compare`."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from sweeper.backends.batch import Batch
from sweeper.backends.on_demand import OnDemand
from sweeper.backends.spot import Spot
from sweeper.backends.warm_pool import WarmPool
from sweeper.core import events as ev
from sweeper.core import paces
from sweeper.core.chain import Chain, fold
from sweeper.core.comparison import Candidate, Compared, Comparison, compared
from sweeper.core.costs import Rate
from sweeper.core.model import Sweep
from sweeper.core.ports import Backend
from sweeper.core.scope import EngineKind
from sweeper.core.ways import Pace, Taken, Way, expected, taken
from tests.core.test_decide import OPENED, a_sweep, done, intent
from tests.core.test_phases import PAST

PACE = Pace(cold_start_s=300, warm_start_s=20, train_s=600, idle_s=5)
HERE = "ml.a.large"
PER = Rate(0.001)


@dataclass(frozen=True)
class Many(Batch):
    """A queue with twenty jobs of a sweep in it at once."""

    capacity: ClassVar[int] = 20


QUEUE = Many("q")


def a_job(checkpoints: str | None = "s3://b/c", **more: Any) -> Sweep:
    """A sweep of forty trials on one machine each."""
    composed = {"job": {"checkpoint_s3_uri": checkpoints}, "assume": more.pop("assume", {})}
    return a_sweep(40, locked={"instance_type": HERE, "instance_count": 1}, composed=composed, **more)


def of(*backends: Backend, jobs: int = 40, sweep: Sweep | None = None, **more: Any) -> Comparison:
    """These backends compared."""
    made = sweep or a_job()
    given = paces.assumed(made, Chain())
    return Comparison([compared(made, jobs, Candidate(one, HERE, given, PER, **more)) for one in backends])


# -- one way ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "pace", "all_jobs"),
    [
        (Way(keeps_pool=True), PACE, Taken(360, 2400, 15, 0, 2775, 2775)),
        (Way(), PACE, Taken(1200, 2400, 0, 0, 3600 + 3 * 5, 3600)),
        (Way(in_flight=3), replace(PACE, wait_s=60), Taken(1200, 2400, 0, 240, 2 * 960 + 5, 3600)),
        (
            Way(interrupts=True),
            replace(PACE, wait_s=60, interrupted_every_s=1200, savings_percent=60),
            Taken(1800, 2400, 0, 360, 4560 + 3 * 5, 1680),
        ),
        (
            Way(interrupts=True, restarts=True),
            replace(PACE, interrupted_every_s=600 / math.log(2)),  # every second machine is taken before the end
            Taken(2400, 4 * 600 / math.log(2), 0, 0, 2415 + 2400 / math.log(2), 2400 + 2400 / math.log(2)),
        ),
    ],
    ids=["pool", "cold", "three at a time", "spot", "spot without checkpoints"],
)
def test_four_jobs_take_what_a_hand_computes(way: Way, pace: Pace, all_jobs: Taken) -> None:
    """Starts, training, idling and waits of all jobs; the wall by rounds and pauses; what is billed without waits."""
    found = taken(way, 4, pace)
    assert found is not None
    for name in ("start_s", "run_s", "idle_s", "wait_s", "wall_s", "billed_s"):
        assert getattr(found, name) == pytest.approx(getattr(all_jobs, name)), name
    assert found.usd(PER) == pytest.approx(all_jobs.billed_s / 1000, abs=1e-4)
    assert found.usd(None) is None


def test_what_begins_anew_takes_as_long_as_machines_that_are_taken_by_chance_let_it() -> None:
    """The expected machines and seconds are the means of drawn ones; of trials that hardly ever end there are none."""
    way, pace, chance = Way(interrupts=True, restarts=True), replace(PACE, interrupted_every_s=500.0), random.Random(1)
    machines, seconds, trials = 0, 0.0, 20_000
    for _ in range(trials):
        done_s = 0.0
        while done_s < pace.train_s:
            done_s = min(chance.expovariate(1 / 500.0), pace.train_s)
            machines, seconds = machines + 1, seconds + done_s
    found = expected(way, pace)
    assert found is not None
    assert (found.machines, found.train_s) == pytest.approx((machines / trials, seconds / trials), rel=0.03)
    assert expected(way, replace(pace, interrupted_every_s=60)) is None
    assert expected(replace(way, restarts=False), replace(pace, interrupted_every_s=60)) == (11, 600)


# -- several ------------------------------------------------------------------------------------------------------


def test_the_sentence_is_what_a_hand_computes() -> None:
    """Forty trials of ten minutes: 25275 s on one pool; 36195 cold ones, ten rounds of 900 s on a queue of four."""
    found = of(WarmPool(), OnDemand(), Spot(), QUEUE, machines=4)
    pool, cold, _, queue = found.every
    assert [one.all_jobs and one.all_jobs.wall_s for one in (pool, cold, queue)] == [25275, 36195, 9045]
    assert [one.usd for one in (pool, cold, queue)] == [25.275, 36, 36]
    assert queue.row["at_once"] == 4
    assert found.sentence == (
        "trials up to 10:00 min: the pool saves at least 29 %; spot is cheaper from 30 % saved on; "
        "with 40 trials and 4 at a time, batch ends 4 h 30 min earlier for 10.72 USD more, "
        "while a job waits for less than 27:03 min for its machine"
    )


def test_at_a_break_even_both_cost_or_take_the_same() -> None:
    """Computed anew with the training time, the savings or the wait that it names, nothing is left between the two."""
    unknown = of(WarmPool(), Spot(), QUEUE, machines=4).break_even
    assumed = {"spot_savings_percent": unknown.spot_from_percent, "queue_wait_s": unknown.earlier.most_wait_s}  # type: ignore[union-attr]
    pool, spot, queue = of(WarmPool(), Spot(), QUEUE, machines=4, sweep=a_job(assume=assumed)).every
    assert spot.usd == pytest.approx(pool.usd, abs=0.01)
    assert queue.all_jobs and pool.all_jobs
    assert queue.all_jobs.wall_s == pytest.approx(pool.all_jobs.wall_s)
    told = {"spot_savings_percent": 40, "spot_interruption_mean_s": 4000}
    from_s = of(WarmPool(), Spot(), sweep=a_job(assume=told)).break_even.spot_from_s
    assert from_s
    pool, spot = of(WarmPool(), Spot(), sweep=a_job(assume={**told, "train_s": from_s})).every
    assert spot.usd == pytest.approx(pool.usd, abs=0.001)


@pytest.mark.parametrize(
    ("assume", "checkpoints", "says"),
    [
        ({"spot_savings_percent": 60}, "s3://b/c", "spot is cheaper for trials over 2:"),
        ({"spot_savings_percent": 95}, "s3://b/c", "spot is cheaper; "),
        ({"spot_savings_percent": 0}, "s3://b/c", "spot is never cheaper; "),
        ({"spot_savings_percent": 95, "spot_interruption_mean_s": 10}, "s3://b/c", "spot is cheaper for trials under"),
        ({"spot_savings_percent": 60, "spot_interruption_mean_s": 6000}, None, "spot is cheaper; "),
        ({"spot_savings_percent": 60, "spot_interruption_mean_s": 300}, None, "spot is never cheaper; "),
        ({"cold_start_s": 10, "spot_savings_percent": 60}, "s3://b/c", "the pool costs 3 % more: "),
    ],
)
def test_each_case_has_its_words(assume: dict[str, Any], checkpoints: str | None, says: str) -> None:
    """Cheaper from, up to, always, never; and a pool that does not pay."""
    assert says in of(WarmPool(), OnDemand(), Spot(), QUEUE, sweep=a_job(checkpoints, assume=assume)).sentence


def test_one_trial_needs_no_pool() -> None:
    """Nothing is compared that is the same everywhere."""
    assert of(WarmPool(), OnDemand(), jobs=1).sentence.startswith("one trial starts cold on every backend")


def test_what_keeps_a_row_from_being_a_plan_is_told_in_it() -> None:
    """No price, no room, trials that hardly ever end or run out of their time: a reason each."""
    made = a_job(None, assume={"spot_interruption_mean_s": 60, "spot_savings_percent": 60})
    given = paces.assumed(made, Chain())

    def row(backend: Backend, sweep: Sweep = made, **more: Any) -> dict[str, Any]:
        candidate = Candidate(backend, HERE, paces.assumed(sweep, Chain()), more.pop("rate", PER), **more)
        return compared(sweep, 40, candidate).row

    assert given.train_s == 600
    priceless = row(OnDemand(), rate=None)
    assert (priceless["usd"], priceless["wall_s"]) == (None, 36195)
    assert "price of ml.a.large is unknown: set prices.usd_per_hour.ml.a.large" in priceless["reasons"][0]
    assert (
        "in eu-west-1 is unknown: set prices.region=eu-west-1 and"
        in row(OnDemand(), rate=None, region="eu-west-1")["reasons"][0]
    )
    full = row(QUEUE, replace(made, locked={**made.locked, "instance_count": 5}), machines=4)
    assert (full["usd"], full["reasons"]) == (None, ["its queue has room for 4 machines, and a job needs 5"])
    assert "more than 1000 machines" in row(Spot())["reasons"][0]
    slow = a_job(None, assume={"spot_interruption_mean_s": 600, "spot_savings_percent": 60}, max_runtime_s=900)
    assert row(Spot(), slow)["reasons"] == [
        "begun anew at each interruption, a trial is expected to train for 17:11 min; job.max_runtime_s is 15:00 min"
    ]
    assert row(QUEUE)["wait_s"] is None  # nobody knows
    assert row(QUEUE, replace(made, prev=("model",)))["at_once"] == 1


def test_another_machine_is_worth_it_up_to_a_training_time() -> None:
    """At twice the price, with the same starts: a trial there may take as long as makes both pools cost the same."""
    made = a_job()
    given = paces.assumed(made, Chain())
    own, dear = (Candidate(WarmPool(), kind, given, Rate(usd)) for kind, usd in ((HERE, 0.001), ("ml.b.large", 0.002)))
    found = Comparison([compared(made, 40, own), compared(made, 40, dear)])
    until = found.break_even.types["ml.b.large"]
    assert until == pytest.approx((25275 / 2 - 1275) / 40)
    there: Compared = compared(made, 40, replace(dear, given=replace(given, train_s=until)))
    assert there.usd == pytest.approx(found.every[0].usd, abs=0.001)
    assert "a pool of ml.b.large is cheaper while a trial takes under 4:44 min there" in found.sentence


# -- what the numbers stand on ------------------------------------------------------------------------------------


def interrupted(i: int, times: int) -> list[ev.Event]:
    """A spot job that had its machine after 400 s and trained 500 s on each of several, 90 s apart."""
    at, told = 1000.0, []
    for number in range(times + 1):
        told += [["Starting", at, at + 400], ["Training", at + 400, at + 900]]
        told += [["Interrupted", at + 900, at + 990]] if number < times else []
        at += 990
    seconds = 500.0 * (times + 1)
    return done(i, transitions=told, train_seconds=seconds, billable_seconds=seconds * 0.3, ended_at=at - 90)


def test_what_was_measured_goes_before_what_is_guessed_and_says_whence() -> None:
    """The sweep's own jobs, then those of others on the same machines, then `assume`; spot machines apart."""
    made = replace(a_job(), engine=EngineKind.AWS)
    spot = paces.Seen(fold([OPENED, *interrupted(0, 1), *interrupted(1, 0)]), HERE, interrupts=True)
    pools, elsewhere = paces.Seen(fold([OPENED, *PAST]), HERE), paces.Seen(fold([OPENED, *interrupted(0, 9)]), "ml.b.x")
    queued = fold([OPENED, *PAST])
    others = [spot, elsewhere, replace(pools, chain=queued, sent_at={intent(0).name: 970.0, intent(1).name: 1115.0})]
    given = paces.assumed(made, Chain(), others)
    assert (given.cold_start_s, given.warm_start_s, given.idle_s, given.queue_wait_s) == (100, 20, 12, 40)
    assert given.sources["cold_start_s"] == "the median of 1 job of other sweeps"
    assert (given.spot_interruption_mean_s, given.savings_percent) == (1500, 70)
    assert given.spot_wait_s == 300  # twice the start of 400 s beyond a cold one's, once 90 s for another
    assert (given.train_s, given.sources["train_s"]) == (600, "assume.train_s: a guess")
    own = paces.assumed(made, fold([OPENED, *PAST]), [replace(pools, own=True), spot])
    assert own.sources["cold_start_s"] == "the median of 1 job"
    never = paces.assumed(made, Chain(), [replace(spot, chain=fold([OPENED, *interrupted(0, 0)]))])
    assert (never.spot_interruption_mean_s, never.sources["spot_interruption_mean_s"]) == (
        None,
        "none in 8:20 min of spot jobs of other sweeps",
    )
    assert paces.assumed(made, Chain(), others, "ml.c.x").cold_start_s == 300
