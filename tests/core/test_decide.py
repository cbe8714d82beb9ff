"""The next move, from hand-made pasts."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sweeper.backends.warm_pool import WarmPool
from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.decide import Decide, Decision, Finish, Release, StopJob, Submit, Wait, decide
from sweeper.core.model import Sweep, Trial
from sweeper.core.remedies import on_failure
from sweeper.core.scope import EngineKind, Scope
from sweeper.core.search import search_for
from sweeper.core.stop import rules


class Listed:
    """Trials from a list."""

    keys = ("x",)

    def __init__(self, n: int) -> None:
        self.all = [Trial(i, f"{i:016x}", f"x={i}", {"x": i}) for i in range(n)]

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Trial:
        return self.all[index]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.all)

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002
        return next((t for t in self.all if t.id == id), None)


def a_sweep(n: int = 3, **changes: object) -> Sweep:
    """A sweep of n trials."""
    made = Sweep("s", {}, "", "", "", Listed(n), lambda trial: {}, WarmPool())
    return replace(made, **changes)  # type: ignore[arg-type]


OPENED = ev.Opened("d", "s", "l", Scope(EngineKind.LOCAL, "1", "r").folder("s"), "me")


def intent(i: int, attempt: int = 1, keep_alive_s: int = 300) -> ev.Intent:
    """The intent of trial i."""
    name = f"s-{i}-a{attempt:02d}"
    return ev.Intent(name, f"{i:016x}", i, f"x={i}", {"x": i}, attempt, f"me/s/{i}/{attempt}", keep_alive_s, 60, "")


def done(i: int, status: str = "completed", attempt: int = 1, **more: object) -> list[ev.Event]:
    """A whole life of trial i, its pool Available at the end."""
    it = intent(i, attempt)
    service = {"completed": "Completed", "failed": "Failed"}.get(status, "Stopped")
    return [
        it,
        ev.Created(it.name, "arn"),
        ev.Observed(it.name, service, service, "Available"),
        ev.Outcome(it.name, service, status, **more),  # type: ignore[arg-type]
    ]


def next_move(sweep: Sweep, *events: ev.Event) -> Decision:
    """The decision after these events."""
    return decide(sweep, search_for(sweep), fold([OPENED, *events]), 0.0)


def test_trials_are_submitted_in_order_and_only_once_each() -> None:
    """The first trial that is not finished is next; none is proposed twice."""
    sweep = a_sweep()
    assert Submit(sweep.trials[0], 1) == next_move(sweep)
    assert Submit(sweep.trials[1], 1) == next_move(sweep, *done(0))
    assert Submit(sweep.trials[2], 1, last=True) == next_move(sweep, *done(0), *done(1))


def test_a_running_job_is_waited_for() -> None:
    """On one pool nothing is submitted while a job is not ended."""
    assert Wait(("s-0-a01",)) == next_move(a_sweep(), intent(0), ev.Created("s-0-a01", "arn"))


def test_a_successor_waits_until_the_pool_has_settled() -> None:
    """A successor that is sent inside the gap would start cold (R4)."""
    unsettled = [e for e in done(0) if not isinstance(e, ev.Observed)]
    assert Wait(("s-0-a01",)) == next_move(a_sweep(), *unsettled)
    given_up = ev.Settled("s-0-a01", "Absent")
    assert isinstance(next_move(a_sweep(), *unsettled, given_up), Submit)


@pytest.mark.parametrize("shown", ["Available", "Reused", "Terminated"])
def test_a_pool_that_was_late_once_is_waited_for_again(shown: str) -> None:
    """Where a pool did not show in time none is waited for, until one has shown after all."""
    late = [*(e for e in done(0) if not isinstance(e, ev.Observed)), ev.Settled("s-0-a01", "Absent")]
    following = [e for e in done(1) if not isinstance(e, ev.Observed)]
    assert isinstance(next_move(a_sweep(), *late, *following), Submit)
    seen = ev.Observed("s-0-a01", "Completed", "Completed", shown)
    assert Wait(("s-1-a01",)) == next_move(a_sweep(), *late, seen, *following)


@pytest.mark.parametrize(("said", "counts"), [((0, 7), (0, 7)), ((600, None), (600, 60)), ((None, None), (300, 60))])
def test_an_adopted_job_counts_as_it_was_created(said: tuple[int | None, int | None], counts: tuple[int, int]) -> None:
    """Another run of the sweep may have created it otherwise than we would have; where nothing is said, ours counts."""
    job = fold([OPENED, intent(0), ev.Adopted("s-0-a01", "arn", *said)]).jobs["s-0-a01"]
    assert (job.keep_alive_s, job.intent.max_runtime_s) == counts


def test_an_intent_without_an_acknowledgement_is_sent_again_with_its_own_values() -> None:
    """After a crash between intent and answer the same attempt goes out again (R3)."""
    sweep = a_sweep()
    assert Submit(sweep.trials[0], 1) == next_move(sweep, intent(0))
    assert Submit(sweep.trials[0], 1, last=True) == next_move(sweep, intent(0, keep_alive_s=0))


def test_an_open_intent_of_a_dropped_trial_is_closed() -> None:
    """What is not declared any more is not sent; whatever it may have started is closed."""
    assert Release(("s-7-a01",)) == next_move(a_sweep(), intent(7))


def test_every_debt_is_closed_newest_first_before_the_end() -> None:
    """All jobs that may hold a pool are closed, the newest first, and only then is the chain finished (R7)."""
    past = [*done(0), *done(1), *done(2)]
    assert Release(("s-2-a01", "s-1-a01", "s-0-a01")) == next_move(a_sweep(), *past)
    closed = [ev.PoolClosed(f"s-{i}-a01", "terminated") for i in (2, 1, 0)]
    assert Finish("every trial is done") == next_move(a_sweep(), *past, *closed)


@pytest.mark.parametrize(("finished", "ends"), [(1, False), (2, True), (3, True)])
def test_max_trials_means_at_most(finished: int, ends: bool) -> None:
    """With n - 1 finished trials the chain goes on, with n it ends."""
    past = [event for i in range(finished) for event in done(i)]
    move = next_move(a_sweep(5, stop=rules({"max_trials": 2})), *past)
    assert ends == isinstance(move, Decide)


def test_the_job_that_reaches_max_trials_is_known_to_be_the_last() -> None:
    """Nothing follows it, so it may release the pool by itself."""
    sweep = a_sweep(5, stop=rules({"max_trials": 2}))
    assert Submit(sweep.trials[1], 1, last=True) == next_move(sweep, *done(0))


@pytest.mark.parametrize(
    ("op", "value", "got", "ends"),
    [(">=", 0.5, 0.5, True), (">", 0.5, 0.5, False), ("<=", 0.5, 0.4, True), ("<", 0.5, float("nan"), False)],
)
def test_until_compares_the_last_value_and_nan_never_satisfies(op: str, value: float, got: float, ends: bool) -> None:
    """`until` ends the chain exactly when `metric op value` is true."""
    sweep = a_sweep(stop=rules({"until": {"metric": "m", "op": op, "value": value}}))
    assert ends == isinstance(next_move(sweep, *done(0, metrics={"m": got})), Decide)


def test_a_decided_chain_submits_nothing_more() -> None:
    """After the decision only the release and the end follow, whatever a replay may show."""
    move = next_move(a_sweep(), *done(0), ev.Decided("until", "m = 1"))
    assert Release(("s-0-a01",)) == move


def test_a_signal_stops_the_running_job_first() -> None:
    """Stop, wait for the end, release, finish."""
    running = [intent(0), ev.Created("s-0-a01", "arn"), ev.Stopping("SIGINT", True, 2)]
    assert StopJob("s-0-a01", "SIGINT") == next_move(a_sweep(), *running)
    stopping = [*running, ev.Observed("s-0-a01", "Stopping")]
    assert Wait(("s-0-a01",)) == next_move(a_sweep(), *stopping)
    ended = [*stopping, ev.Outcome("s-0-a01", "Stopped", "interrupted")]
    assert Release(("s-0-a01",)) == next_move(a_sweep(), *ended)


def test_an_interrupted_trial_runs_again_as_the_next_attempt() -> None:
    """A rerun takes up an interrupted trial under a new name."""
    sweep = a_sweep()
    past = [*done(0, "interrupted"), ev.PoolClosed("s-0-a01", "terminated"), OPENED]
    assert Submit(sweep.trials[0], 2) == next_move(sweep, *past)


def test_a_failed_trial_is_finished_and_the_chain_goes_on() -> None:
    """By default a failure neither stops the chain nor is repeated."""
    sweep = a_sweep()
    assert Submit(sweep.trials[1], 1) == next_move(sweep, *done(0, "failed", failure="algorithm_error"))


def test_retry_repeats_a_failure_so_often_and_no_more() -> None:
    """`{retry: 2}` allows two more attempts, then the chain goes on."""
    sweep = a_sweep(on_failure=on_failure({"internal_error": {"retry": 2}}))
    failed = [done(0, "failed", attempt=n, failure="internal_error") for n in (1, 2, 3)]
    assert Submit(sweep.trials[0], 2) == next_move(sweep, *failed[0])
    assert Submit(sweep.trials[0], 3) == next_move(sweep, *failed[0], *failed[1])
    assert Submit(sweep.trials[1], 1) == next_move(sweep, *failed[0], *failed[1], *failed[2])


def test_stop_on_failure_ends_the_chain() -> None:
    """`stop` ends it at the first failure of its kind."""
    sweep = a_sweep(on_failure=on_failure({"dependency": "stop"}))
    assert isinstance(next_move(sweep, *done(0, "failed", failure="dependency")), Decide)


@pytest.mark.parametrize(("failures", "ends"), [(1, False), (2, True), (3, True)])
def test_same_error_limit_counts_equal_failures_in_a_row(failures: int, ends: bool) -> None:
    """So many equal failures one after the other end the chain."""
    sweep = a_sweep(on_failure=on_failure({"same_error_limit": 2}))
    past = [e for i in range(failures) for e in done(i, "failed", failure="algorithm_error", message="boom")]
    assert ends == isinstance(next_move(sweep, *past), Decide)


def test_a_pool_that_no_successor_took_is_closed() -> None:
    """When the successor trains and the old pool is still Available, it started cold and the old one only costs."""
    running = [intent(1), ev.Created("s-1-a01", "arn"), ev.Observed("s-1-a01", "InProgress", "Training", "InUse")]
    assert Release(("s-0-a01",)) == next_move(a_sweep(), *done(0), *running)


def test_a_pool_is_left_warm_only_when_the_chain_ends_by_itself() -> None:
    """The newest alone, once it is seen Available; where it is not, or a person or a rule ends the chain, all close."""
    warm, last = a_sweep(1, leaves_warm=True), done(0)
    assert next_move(warm, *last) == Finish("its pool is left warm")
    assert next_move(a_sweep(1), *last) == Release(("s-0-a01",))
    assert next_move(a_sweep(2, leaves_warm=True), *last, *done(1)) == Release(("s-0-a01",))
    unsettled = [event for event in last if not isinstance(event, ev.Observed)]
    assert next_move(warm, *unsettled) == Wait(("s-0-a01",))
    assert next_move(warm, *unsettled, ev.Settled("s-0-a01", "")) == Release(("s-0-a01",))
    for end in (ev.Stopping("Ctrl-C", signal=2), ev.Decided("budget", "spent")):
        assert next_move(warm, *last, end) == Release(("s-0-a01",))
