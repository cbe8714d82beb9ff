"""Every stop rule at n - 1, n and n + 1: at most means at most."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sweeper.core import costs
from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.decide import Decide, Release, StopJob, Submit, Wait, decide
from sweeper.core.model import Goal, Objective, Over, PoolSettings, Sweep, Trial
from sweeper.core.search import search_for
from sweeper.core.shown import Seen, judge
from sweeper.core.stop import rules
from sweeper.core.stop.budget import Budget
from sweeper.core.stop.deadline import moment
from tests.core.test_decide import OPENED, Listed, a_sweep, done, intent, next_move

BEGUN = replace(OPENED, at=1000.0)
OBJECTIVE = Objective("m", Goal.MAXIMIZE)
RATE = costs.Rate(0.01)


def reason(declared: dict[str, object], *past: list[ev.Event], now: float = 0.0, **more: object) -> str | None:
    """What the only rule of this section says after that past."""
    sweep = a_sweep(10, stop=rules(declared), **more)
    (rule,) = sweep.stop
    return rule.why(sweep, fold([BEGUN, *(event for events in past for event in events)]), now)


def ran(i: int, value: float | None = None, **more: object) -> list[ev.Event]:
    """A trial that completed with this value of `m`."""
    return done(i, metrics={} if value is None else {"m": value}, **more)


@pytest.mark.parametrize(("trials", "ends"), [(1, False), (2, True), (3, True)])
def test_until_for_so_many_trials_in_a_row(trials: int, ends: bool) -> None:
    """`for: 2` needs two in a row; one below the line begins the row anew."""
    until = {"until": {"metric": "m", "op": ">=", "value": 1, "for": 2}}
    assert ends == bool(reason(until, *(ran(i, 1.0) for i in range(trials))))
    assert not reason(until, ran(0, 1.0), ran(1, 0.5), ran(2, 1.0))
    assert reason(until, ran(0, 1.0), done(1, "failed", failure="x"), ran(2, 1.0))  # a failure says nothing


@pytest.mark.parametrize(("seconds", "ends"), [(59, False), (60, True), (61, True)])
def test_max_seconds_stops_the_running_job_too(seconds: int, ends: bool) -> None:
    """At the last second the chain ends and the job with it; before it nothing happens."""
    sweep = a_sweep(stop=rules({"max_seconds": 60}))
    running = [BEGUN, intent(0), ev.Created("s-0-a01", "arn")]
    chain = fold(running)
    move = decide(sweep, search_for(sweep), chain, 1000.0 + seconds)
    assert move == (Decide("max_seconds", "60 s are over", now=True) if ends else Wait(("s-0-a01",)))
    decided = fold([*running, ev.Decided("max_seconds", "60 s are over", now=True)])
    assert decide(sweep, search_for(sweep), decided, 0.0) == StopJob("s-0-a01", "max_seconds: 60 s are over")


def test_the_clock_of_a_killed_run_goes_on_and_that_of_an_ended_one_begins_anew() -> None:
    """A rerun after a crash is the same run; after an end it is another."""
    again = replace(OPENED, at=5000.0)
    assert fold([BEGUN, again]).begun_at == 1000.0
    assert fold([BEGUN, ev.Finished("done"), again]).begun_at == 5000.0


@pytest.mark.parametrize(("now", "ends"), [(1893456000 - 1, False), (1893456000, True), (1893456001, True)])
def test_deadline(now: float, ends: bool) -> None:
    """From that moment on."""
    assert ends == bool(reason({"deadline": "2030-01-01T00:00:00Z"}, now=now))


@pytest.mark.parametrize("text", ["tomorrow", "2030-01-01T00:00:00"])
def test_a_deadline_must_be_a_moment(text: str) -> None:
    """No words, and no time without a time zone."""
    with pytest.raises(ValueError, match="time"):
        moment(text)


@pytest.mark.parametrize(
    ("most", "failed", "ends"),
    [(2, 1, False), (2, 2, True), (2, 3, True), (0.2, 1, False), (0.2, 2, True), (0.2, 3, True)],
)
def test_max_failures_is_a_number_or_a_share_of_the_declared_trials(most: float, failed: int, ends: bool) -> None:
    """Of ten trials a share of 0.2 is two."""
    assert ends == bool(reason({"max_failures": most}, *(done(i, "failed", failure="x") for i in range(failed))))


@pytest.mark.parametrize(("since", "ends"), [(1, False), (2, True), (3, True)])
def test_no_improvement_counts_the_trials_since_the_best(since: int, ends: bool) -> None:
    """Equal is no better, by less than min_delta is no better, NaN is no better."""
    rule = {"no_improvement": {"trials": 2, "min_delta": 0.1}}
    after = [ran(2, 5.05), ran(3, 5.0), ran(4, math.nan)][:since]
    assert ends == bool(reason(rule, ran(0, 4.0), ran(1, 5.0), *after, objective=OBJECTIVE))
    worse = [ran(2, 5.0), ran(3, 6.0)]
    minimal = Objective("m", Goal.MINIMIZE)
    assert reason(rule, ran(0, 4.0), *worse, objective=minimal)
    assert not reason(rule, *reversed(worse), objective=minimal)


def test_any_and_all() -> None:
    """One is enough under `any`; `all` names every rule of it, and none alone ends the chain."""
    both = [{"max_trials": 1}, {"max_failures": 1}]
    trial, failure = ran(0, 1.0), done(1, "failed", failure="x")
    end = next_move(a_sweep(stop=rules({"any": both})), *trial)
    assert isinstance(end, Decide) and end.rule == "max_trials"
    together = a_sweep(stop=rules({"all": both}))
    assert isinstance(next_move(together, *trial), Submit)
    end = next_move(together, *trial, *failure)
    assert isinstance(end, Decide) and end.rule == "max_trials+max_failures"


# -- money ------------------------------------------------------------------------------------------------------


def paid(i: int, billable: float | None = 100.0, retained: float | None = 50.0) -> list[ev.Event]:
    """A trial of which the service told what it bills."""
    more = {"billable_seconds": billable, "started_at": 0.0, "ended_at": 400.0}
    closed = ev.PoolClosed(f"s-{i}-a01", "reused_by_own", "x", retained)
    return [*done(i, metrics={"m": 1.0}, **more), closed]


def frugal(usd: float, **more: object) -> Sweep:
    """A sweep with a budget, at a cent a second."""
    pool = PoolSettings(keep_alive_s=60, last_job_releases=False)
    return a_sweep(5, stop=rules({"budget_usd": usd}), rate=RATE, max_runtime_s=600, pool=pool, **more)


WORST = (60 + costs.OVERRUN_S + 60) * 0.01
"""The shortest run, its overrun and its pool."""


@pytest.mark.parametrize(("left", "goes"), [(-0.01, False), (0.0, True), (0.01, True)])
def test_a_budget_pays_for_the_worst_case_of_one_more_job(left: float, goes: bool) -> None:
    """What was billed is gone; the shortest job with its pool must fit into the rest."""
    past = paid(0)
    move = next_move(frugal(1.5 + WORST + left), *past)
    assert goes == isinstance(move, Submit), move
    assert goes or (isinstance(move, Decide) and move.rule == "budget_usd")


def test_the_longest_run_is_cut_to_what_is_left() -> None:
    """Less than declared is left: so long it may run, and the journal says who shortened it."""
    move = next_move(frugal(1.5 + WORST + 1.0), *paid(0))
    assert isinstance(move, Submit) and (move.most_s, move.clamped) == (160, "budget_usd")
    plenty = next_move(frugal(100.0), *paid(0))
    assert isinstance(plenty, Submit) and plenty.clamped == ""


def test_a_job_that_ran_out_of_budget_is_no_failure_and_the_last() -> None:
    """It is interrupted, and the chain ends with the budget."""
    cut = [
        replace(intent(0), clamped="budget_usd"),
        ev.Created("s-0-a01", "arn"),
        ev.Outcome("s-0-a01", "Stopped", "interrupted", message="budget_usd: ran out after 60 s"),
        ev.PoolClosed("s-0-a01", "terminated"),
    ]
    move = next_move(frugal(1000.0), *cut)
    assert isinstance(move, Decide) and move.rule == "budget_usd"


def test_what_is_not_known_counts_at_its_worst() -> None:
    """Without billable seconds: the time from start to end; without anything: the longest run and the pool."""
    assert costs.spent(fold([OPENED, *paid(0)]), RATE) == pytest.approx(1.5)
    assert costs.spent(fold([OPENED, *paid(0, None, None)]), RATE) == pytest.approx((60 + 300 + 300) * 0.01)
    running = fold([OPENED, intent(0)])
    assert costs.spent(running, RATE) == pytest.approx((60 + costs.OVERRUN_S + 300) * 0.01)
    never = fold([OPENED, intent(0), ev.PoolClosed("s-0-a01", "never_had_pool")])
    assert costs.spent(never, RATE) == 0.0
    assert costs.spent(Chain(), RATE) == 0.0


def test_a_budget_is_not_asked_when_nothing_is_left_to_send() -> None:
    """Every trial is done: the budget did not end this chain."""
    move = next_move(replace(frugal(0.01), trials=a_sweep(1).trials), *paid(0))
    assert not isinstance(move, Decide)


def test_cost_is_unknown_without_a_price_or_seconds() -> None:
    """Unknown is not zero."""
    jobs = list(fold([OPENED, *paid(0), *paid(1, None, None)]).jobs.values())
    assert costs.cost(jobs, RATE) == pytest.approx(1.5)
    assert costs.cost(jobs, None) is None
    assert costs.cost(jobs[1:], RATE) is None


def test_a_price_is_found_however_its_key_was_written_and_counts_every_machine() -> None:
    """On the command line the dots of an instance type make nested keys."""
    locked = {"instance_type": "ml.m5.large", "instance_count": 2}
    for prices in ({"ml.m5.large": 36}, {"ml": {"m5": {"large": 36}}}):
        found = costs.rate({"usd_per_hour": prices, "as_of": "2030"}, locked)
        assert found == costs.Rate(0.02, "2030")
    assert costs.rate({"usd_per_hour": {}}, locked) is None


def test_of_several_types_the_dearest_counts_until_it_is_known_which_one_it_was() -> None:
    """A budget is kept whatever the service chooses; what a job has cost is by the type that it got."""
    locked = {"instance_preferences": [{"instance_type": "ml.a"}, {"instance_type": "ml.b", "instance_count": 3}]}
    found = costs.rate({"usd_per_hour": {"ml.a": 36, "ml.b": 24}}, locked | {"instance_count": 1})
    assert found and found.usd_per_second == pytest.approx(0.02)
    (job,) = fold([OPENED, *paid(0)]).jobs.values()
    assert job.outcome
    cheap = replace(job, outcome=replace(job.outcome, instance_type="ml.a"))
    assert costs.cost([job], found) == pytest.approx(2 * costs.cost([cheap], found))
    assert costs.rate({"usd_per_hour": {"ml.a": 36}}, locked) is None
    assert costs.unpriced({"usd_per_hour": {"ml.a": 36}}, locked) == "ml.b"


def test_a_budget_counts_every_run_that_a_queue_may_make_of_a_job() -> None:
    """Until it has ended a job may bill for each of them; what it then billed is what it cost."""
    often = replace(RATE, runs=3)
    running = fold([OPENED, *paid(0)[:1]])
    once, thrice = (costs.spent(running, per) for per in (RATE, often))
    assert thrice - once == pytest.approx(2 * (60 + costs.OVERRUN_S) * 0.01)
    assert costs.spent(fold([OPENED, *paid(0)]), often) == costs.spent(fold([OPENED, *paid(0)]), RATE)
    seconds = costs.affordable(often, thrice + 10.0, running, 0)
    assert 3 * (seconds + often.overrun_s) * 0.01 == pytest.approx(10.0)
    assert costs.least_seconds(often, 600, 0) == 3 * costs.least_seconds(RATE, 600, 0)


def test_on_the_real_service_a_job_may_bill_past_its_end_for_longer() -> None:
    """It was seen to end jobs up to 290 s late, before the 120 s that a stop takes and the upload."""
    prices = {"usd_per_hour": {"ml.x": 36.0}}
    local, real = (costs.rate(prices, {"instance_type": "ml.x"}, region) for region in (None, "us-east-1"))
    assert local and real
    assert real.overrun_s >= local.overrun_s + 290
    left = (60 + real.overrun_s + 60) * 0.01
    for per, usd, fits in ((local, left, True), (real, left, True), (real, left - 0.01, False)):
        assert (costs.affordable(per, usd, Chain(), 60) >= 60 - 1e-9) is fits
    assert costs.least_seconds(real, 600, 60) == pytest.approx(left / 0.01)
    running = fold([OPENED, *paid(0)[:2]])
    assert costs.spent(running, real) == pytest.approx(costs.spent(running, local) + 3.0)


def test_the_rule_alone_agrees() -> None:
    """Asked as any other rule, a budget gives the same answer with the longest keep-alive."""
    sweep = frugal(1.5 + WORST - 0.01)
    assert Budget(1.5 + WORST - 0.01).why(sweep, fold([OPENED, *paid(0)]), 0.0)
    assert not Budget(1.5 + WORST).why(sweep, fold([OPENED, *paid(0)]), 0.0)


def test_a_job_that_nobody_has_seen_is_closed_when_the_time_is_up() -> None:
    """It is not sent again; whatever its Create may have started is found and closed."""
    sweep = a_sweep(stop=rules({"max_seconds": 60}))
    sent = [BEGUN, intent(0)]
    assert isinstance(decide(sweep, search_for(sweep), fold(sent), 1059.0), Submit)
    assert isinstance(decide(sweep, search_for(sweep), fold(sent), 1060.0), Decide)
    decided = fold([*sent, ev.Decided("max_seconds", "60 s are over", now=True)])
    assert decide(sweep, search_for(sweep), decided, 1060.0) == Release(("s-0-a01",))


def test_a_chain_that_ends_after_its_job_still_stops_it_for_what_it_shows() -> None:
    """`sweeper stop` lets the running job finish, and a hopeless one be pruned."""
    past = [BEGUN, intent(0), ev.Created("s-0-a01", "arn"), ev.Stopping("asked", now=False)]
    sweep = a_sweep()
    assert decide(sweep, search_for(sweep), fold(past), 0.0) == Wait(("s-0-a01",))
    judged = ev.Judged("s-0-a01", "prune.nan", "pruned", "m is nan")
    assert decide(sweep, search_for(sweep), fold([*past, judged]), 0.0) == StopJob("s-0-a01", "prune.nan: m is nan")


# -- trials that are repeated -----------------------------------------------------------------------------------


class Seeded(Listed):
    """Two values under three seeds each, the seed turning fastest."""

    keys = ("x", "seed")

    def __init__(self) -> None:
        self.all = [Trial(i, f"{i:016x}", f"x={i // 3},seed={i % 3}", {"x": i // 3, "seed": i % 3}) for i in range(6)]


def repeated(declared: dict[str, object], *past: list[ev.Event], over: Over = Over.MEAN) -> str | None:
    """What the only rule says after that past of a sweep with `repeat: 3`."""
    objective = replace(OBJECTIVE, over=over)
    return reason(declared, *past, trials=Seeded(), seed="seed", objective=objective)


def test_a_group_is_judged_by_its_mean_once_all_its_seeds_have_ended() -> None:
    """One lucky seed ends nothing, nor do two good ones before the third; a seed without a value spoils it."""
    until: dict[str, object] = {"until": {"metric": "m", "op": ">=", "value": 0.6}}
    assert not repeated(until, ran(0, 0.9), ran(1, 0.9))
    assert not repeated(until, ran(0, 0.9), ran(1, 0.3), ran(2, 0.3), ran(3, 0.9))
    assert (
        repeated(until, ran(0, 0.9), ran(2, 0.3), ran(3, 0.1), ran(1, 0.75))
        == "m = 0.65 >= 0.6 (mean of x=0, x=2, x=1)"
    )
    assert repeated(until, ran(0, 0.9), ran(1, 0.9), done(2, "failed", failure="x"))  # a failure says nothing
    for spoilt in (ran(2, math.nan), done(2, "metric_missing"), done(2, "pruned", metrics={"m": 0.9})):
        assert not repeated(until, ran(0, 0.9), ran(1, 0.9), spoilt)


@pytest.mark.parametrize(("over", "ends"), [(Over.MEAN, True), (Over.MEDIAN, False), (Over.BEST, True)])
def test_the_objective_says_by_what_a_group_is_judged(over: Over, ends: bool) -> None:
    """Mean 0.5, median 0.3, best 0.9; with `best` the first that is good enough ends the chain at once."""
    until: dict[str, object] = {"until": {"metric": "m", "op": ">=", "value": 0.45}}
    past = [ran(0, 0.9), ran(1, 0.3), ran(2, 0.3)]
    assert ends == bool(repeated(until, *past, over=over))
    assert bool(repeated(until, past[0], over=over)) == (over is Over.BEST)


def test_groups_in_a_row_count_for_no_improvement() -> None:
    """The second group is one step without a better mean, however many seeds it has."""
    first = [ran(0, 0.5), ran(1, 0.5), ran(2, 0.5)]
    rule: dict[str, object] = {"no_improvement": {"trials": 1}}
    assert not repeated(rule, *first, ran(3, 0.1), ran(4, 0.1))
    assert repeated(rule, *first, ran(3, 0.1), ran(4, 0.9), ran(5, 0.1))


def test_no_running_seed_is_stopped_for_what_only_its_group_can_show() -> None:
    """A mean is of the values that jobs have ended with; with `best` a running job is done once it is good enough."""
    until = rules({"until": {"metric": "m", "op": ">=", "value": 0.5}})
    chain = fold([BEGUN, intent(0)])
    for over in Over:
        sweep = a_sweep(6, stop=until, trials=Seeded(), seed="seed", objective=replace(OBJECTIVE, over=over))
        judged = judge(sweep, chain, chain.jobs["s-0-a01"], Seen([("m", 0.7)]), tuple)
        assert bool(judged) == (over is Over.BEST)
