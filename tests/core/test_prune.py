"""When a running job is hopeless, from hand-made curves."""

from __future__ import annotations

import math

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain, apply, fold
from sweeper.core.model import Goal, Objective, Sweep
from sweeper.core.outcome import outcome
from sweeper.core.prune import pruning
from sweeper.core.prune.halving import Halving
from sweeper.core.prune.patience import Patience
from sweeper.core.prune.quantile import below, percentile
from sweeper.core.shown import Seen, curve, judge
from sweeper.core.stop import rules
from sweeper.core.watch import News, Watch
from tests.core.test_decide import OPENED, a_sweep, done, intent

NAME = "s-0-a01"
OBJECTIVE = Objective("m", Goal.MAXIMIZE)
TRAINING = [OPENED, intent(0), ev.Created(NAME, "arn"), ev.Observed(NAME, "InProgress", "Training")]


def flat(value: float, steps: int = 9) -> list[tuple[float, float]]:
    """A trial that was always so good."""
    return [(float(step), value) for step in range(1, steps + 1)]


def judged(sweep: Sweep, seen: Seen, others: list[list[tuple[float, float]]] | None = None) -> ev.Judged | None:
    """What is said of a job that has shown this."""
    chain = fold(TRAINING)
    return judge(sweep, chain, chain.jobs[NAME], seen, lambda: others or [])


@pytest.mark.parametrize(("value", "hopeless"), [(1.9, True), (2.0, False), (2.1, False)])
def test_median_and_percentile_compare_at_equal_step(value: float, hopeless: bool) -> None:
    """Worse than the bar is hopeless, equal is not; later steps of the others do not count."""
    others = [[*flat(v, 2), (3.0, 100.0)] for v in (1.0, 2.0, 3.0)]
    assert hopeless == bool(below([(1.0, 0.0), (2.0, value)], others, 50.0, 3))
    assert bool(below([(2.0, 2.9)], others, 1.0, 3))
    assert not below([(2.0, 0.0)], others, 50.0, 4)
    assert not below([(4.0, 0.0)], others, 50.0, 1)  # nobody came so far


@pytest.mark.parametrize(("after_steps", "hopeless"), [(1, True), (2, True), (3, False)])
def test_nothing_is_compared_before_so_many_steps(after_steps: int, hopeless: bool) -> None:
    """At the second step at most two are asked for."""
    rule = {"min_trials": 1, "after_steps": after_steps}
    sweep = a_sweep(prune=pruning({"median": rule}), objective=OBJECTIVE)
    assert hopeless == bool(judged(sweep, Seen([("m", 0.0), ("m", 0.0)]), [flat(1.0)]))


@pytest.mark.parametrize(("since", "hopeless"), [(1, False), (2, True), (3, True)])
def test_patience_counts_the_steps_since_the_best(since: int, hopeless: bool) -> None:
    """At most so many steps without a better value."""
    own = [(1.0, 5.0), *((2.0 + n, 5.05) for n in range(since))]
    assert hopeless == bool(Patience(2, 0.1).lost(own))


@pytest.mark.parametrize(("rank", "hopeless"), [(1, False), (2, False), (3, True)])
def test_halving_keeps_the_best_of_each_rung(rank: int, hopeless: bool) -> None:
    """Of five with factor 2 two go on past the first rung; before a rung nothing is decided."""
    others = [flat(v) for v in (4.0, 3.0, 2.0, 1.0)]
    own = flat({1: 9.0, 2: 3.5, 3: 2.5}[rank], 2)
    assert hopeless == bool(Halving(2, 2).behind(own, others))
    assert not Halving(2, 2).behind(own[:1], others)


def test_percentile_is_linear() -> None:
    """As everywhere."""
    assert [percentile([3.0, 1.0, 2.0], at) for at in (0, 50, 75, 100)] == [1.0, 2.0, 2.5, 3.0]


def test_steps_are_counted_or_told_by_another_metric() -> None:
    """With `step` the value of that metric counts, from its first one on."""
    points = [("m", 1.0), ("epoch", 10.0), ("m", 2.0), ("x", 0.0), ("m", 3.0), ("epoch", 20.0), ("m", 4.0)]
    assert curve(points, "m") == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)]
    assert curve(points, "m", "epoch") == [(10.0, 2.0), (10.0, 3.0), (20.0, 4.0)]


def test_a_loss_is_better_when_it_is_lower() -> None:
    """The same rules for a metric that is to be small."""
    sweep = a_sweep(prune=pruning({"median": {"min_trials": 1}}), objective=Objective("m", Goal.MINIMIZE))
    assert judged(sweep, Seen([("m", 2.0)]), [flat(1.0)])
    assert not judged(sweep, Seen([("m", 0.5)]), [flat(1.0)])


def test_nan_is_hopeless_only_where_it_is_asked() -> None:
    """And is not compared."""
    seen = Seen([("m", 1.0), ("m", math.nan)])
    found = judged(a_sweep(prune=pruning({"nan": True}), objective=OBJECTIVE), seen)
    assert found and (found.rule, found.verdict) == ("prune.nan", "pruned")
    assert judged(a_sweep(prune=pruning({"patience": {"steps": 5}}), objective=OBJECTIVE), seen) is None


@pytest.mark.parametrize(("seconds", "silent"), [(59.0, False), (60.0, True), (61.0, True)])
def test_silence_is_pruned_and_a_log_that_stalls_has_failed(seconds: float, silent: bool) -> None:
    """No metric for so long: pruned. Nothing at all: it hangs, which is a failure with a remedy of its own."""
    blind = judged(a_sweep(prune=pruning({"no_metric_s": 60})), Seen(blind_s=seconds))
    quiet = judged(a_sweep(prune=pruning({"stalled_log_s": 60})), Seen(quiet_s=seconds))
    assert silent == (blind is not None) == (quiet is not None)
    if blind and quiet:
        assert (blind.verdict, quiet.verdict) == ("pruned", "failed")


@pytest.mark.parametrize(("on_until", "verdict"), [("stop", "completed"), ("finish", "finish")])
def test_until_takes_any_point_of_a_running_job(on_until: str, verdict: str) -> None:
    """Also one that is not the last; the last values are kept with it."""
    sweep = a_sweep(stop=rules({"until": {"metric": "m", "op": ">=", "value": 1}}), on_until=on_until)
    found = judged(sweep, Seen([("m", 0.5), ("m", 1.5), ("m", 0.7)]))
    assert found and (found.verdict, found.value, found.metrics) == (verdict, 1.5, {"m": 0.7})
    assert judged(sweep, Seen([("m", 0.5), ("m", math.nan)])) is None


def test_until_for_two_trials_ends_no_first_one() -> None:
    """Only the trial that makes the row complete may end before it is done."""
    sweep = a_sweep(stop=rules({"until": {"metric": "m", "op": ">=", "value": 1, "for": 2}}))
    assert judged(sweep, Seen([("m", 2.0)])) is None
    chain = fold([*TRAINING, *done(1, metrics={"m": 1.0})])
    assert judge(sweep, chain, chain.jobs[NAME], Seen([("m", 2.0)]), list)


@pytest.mark.parametrize(
    ("verdict", "status", "failure"),
    [("completed", "completed", ""), ("pruned", "pruned", ""), ("failed", "failed", "no_output")],
)
def test_a_stopped_job_is_told_as_it_was_judged(verdict: str, status: str, failure: str) -> None:
    """Whatever SageMaker calls it, and only when it was stopped."""
    chain = fold([*TRAINING, ev.Judged(NAME, "rule", verdict, "why")])
    made = outcome(chain.jobs[NAME], {"TrainingJobStatus": "Stopped"}, {"m": 1.0}, "log", ("m", "other"))
    assert (made.trial_status, made.failure, made.message) == (status, failure, "rule: why")
    ended = outcome(chain.jobs[NAME], {"TrainingJobStatus": "Completed"}, {"m": 1.0}, "log", ("m",))
    assert ended.trial_status == "completed"


def test_the_log_is_read_where_describe_says_nothing_and_not_too_often() -> None:
    """One look a second at most; what Describe shows is enough for `until`."""
    reads: list[str] = []

    def read(name: str) -> News:
        reads.append(name)
        return News(1, (("m", 0.1),))

    sweep = a_sweep(stop=rules({"until": {"metric": "m", "op": ">=", "value": 1}}))
    chain = fold(TRAINING)
    watch, job = Watch(sweep, read, lambda job: ()), chain.jobs[NAME]
    for now in (0.0, 0.5, 1.0, 1.5):
        assert watch.look(chain, job, {}, now) is None
    assert len(reads) == 2
    shown = {"FinalMetricDataList": [{"MetricName": "m", "Value": 3.0}]}
    found = watch.look(chain, job, shown, 1.6)
    assert found and found.value == 3.0
    assert len(reads) == 2


def test_a_log_that_cannot_be_read_is_no_silence() -> None:
    """The watch begins anew with each failure to read."""
    sweep = a_sweep(prune=pruning({"stalled_log_s": 10}))
    chain: Chain = fold(TRAINING)
    watch, job = Watch(sweep, lambda name: None, lambda job: ()), chain.jobs[NAME]
    assert all(watch.look(chain, job, {}, float(now)) is None for now in range(0, 100, 5))
    silent = Watch(sweep, lambda name: News(0), lambda job: ())
    assert [bool(silent.look(chain, job, {}, now)) for now in (0.0, 9.9, 10.0)] == [False, False, True]


def test_waiting_for_another_spot_machine_is_no_silence() -> None:
    """An hour of Interrupted is not an hour without a line; the silence is counted from when it trains again."""
    chain: Chain = fold(TRAINING)
    watch, job = (
        Watch(a_sweep(prune=pruning({"stalled_log_s": 10})), lambda name: News(0), lambda job: ()),
        chain.jobs[NAME],
    )
    assert watch.look(chain, job, {}, 0.0) is None
    apply(chain, ev.Observed(NAME, "InProgress", "Interrupted"))
    assert watch.look(chain, job, {}, 5.0) is None
    apply(chain, ev.Observed(NAME, "InProgress", "Training"))
    assert [bool(watch.look(chain, job, {}, now)) for now in (3600.0, 3609.9, 3610.0)] == [False, False, True]
