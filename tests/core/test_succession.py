"""The end of a chain whose pool another sweep waits for, and the beginning of the one that has taken it."""

from dataclasses import replace

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.costs import Rate, cost, spent
from sweeper.core.decide import OFFER_S, TAKEN_S, Finish, HandOver, PassOver, Release, Submit, Wait
from sweeper.core.events import Closed
from sweeper.core.keepalive import keep_alive_s
from sweeper.core.verify import compare, verify
from tests.core.test_decide import OPENED, a_sweep, done, intent, next_move

AWAITED = ev.Awaited("runs/b", "b", "me/b")
LAST = done(0)
NAME = intent(0).name
OFFERED = ev.Offered(NAME, "runs/b", "b", OFFER_S, "me/b")
INHERITED = ev.Inherited(NAME, intent(0).fingerprint, 300, 60, "Completed", "s", "runs/s", 5.0)


def test_the_last_job_keeps_its_pool_for_whoever_waits() -> None:
    """Known to be the last, a job goes out without keep-alive, but with one as long as another sweep waits."""
    sweep = a_sweep(1)
    assert keep_alive_s(sweep, fold([OPENED]), last=True) == 0
    assert keep_alive_s(sweep, fold([OPENED, AWAITED]), last=True) == 300
    assert keep_alive_s(sweep, fold([OPENED, AWAITED, ev.Awaited("")]), last=True) == 0


def test_a_pool_that_is_awaited_is_offered_once_and_waited_with() -> None:
    """Offered when it idles; then it is looked whether it was taken; past the bound it is released."""
    sweep = a_sweep(1)
    assert next_move(sweep, *LAST, AWAITED) == HandOver(NAME, OFFER_S)
    assert next_move(sweep, *LAST, AWAITED, OFFERED) == Wait((NAME,), TAKEN_S)
    late = replace(OFFERED, until=0.0)
    assert next_move(sweep, *LAST, AWAITED, late) == PassOver("runs/b")
    assert next_move(sweep, *LAST, AWAITED, late, ev.Unclaimed("runs/b")) == Release((NAME,))
    another = ev.Awaited("runs/c", "c", "me/c")
    assert next_move(sweep, *LAST, AWAITED, late, ev.Unclaimed("runs/b"), another) == HandOver(NAME, OFFER_S)


def test_a_pool_that_has_not_shown_yet_is_waited_for_before_it_is_offered() -> None:
    """Nothing is offered that may never be there; what does not show, or nobody awaits, is closed as ever."""
    unsettled = [*LAST[:2], ev.Outcome(NAME, "Completed", "completed")]
    sweep = a_sweep(1)
    assert next_move(sweep, *unsettled, AWAITED) == Wait((NAME,))
    assert next_move(sweep, *unsettled, AWAITED, ev.Settled(NAME, "Absent")) == Release((NAME,))
    assert next_move(sweep, *LAST) == Release((NAME,))


def test_whatever_ends_a_chain_but_a_signal_hands_its_pool_over() -> None:
    """A rule, `sweeper stop` and a failure leave the pool to who waits; Ctrl-C is to end soon, and releases it."""
    stopped = ev.Stopping("asked to stop", now=False)
    assert next_move(a_sweep(3), *LAST, AWAITED, stopped) == HandOver(NAME, OFFER_S)
    assert next_move(a_sweep(3), *LAST, AWAITED, ev.Decided("budget", "")) == HandOver(NAME, OFFER_S)
    assert next_move(a_sweep(3), *LAST, AWAITED, replace(stopped, signal=2)) == Release((NAME,))


def test_only_one_pool_is_handed_over() -> None:
    """What else may bill is closed first: whoever takes over owes one pool."""
    assert next_move(a_sweep(2), *LAST, *done(1), AWAITED) == Release((NAME,))


def test_a_pool_that_was_handed_over_is_no_debt_and_is_billed_elsewhere() -> None:
    """The chain ends in order, owes nothing for the idle pool, and does not mind that it idles at the service."""
    handed = ev.PoolClosed(NAME, Closed.HANDED_OVER.value, "b", 0.0)
    events = [OPENED, *LAST, AWAITED, OFFERED, handed]
    chain = fold(events)
    assert (next_move(a_sweep(1), *events[1:]), verify([*events, ev.Finished("")])) == (
        Finish("every trial is done"),
        [],
    )
    assert (chain.jobs[NAME].closed, chain.jobs[NAME].retained_s) == (Closed.HANDED_OVER, 0.0)
    available = {
        "TrainingJobStatus": "Completed",
        "WarmPoolStatus": {"Status": "Available"},
        "Environment": {"SWEEPER_FINGERPRINT": intent(0).fingerprint},
    }
    assert compare(chain.jobs[NAME], available) == []
    used = fold([OPENED, *LAST, AWAITED, OFFERED, ev.PoolClosed(NAME, Closed.REUSED_BY_OWN.value, "b-1", 70.0)])
    assert (used.jobs[NAME].closed, used.jobs[NAME].retained_s) == (Closed.HANDED_OVER, 0.0), "seen used by its heir"


def test_a_pool_that_was_taken_over_is_a_debt_and_no_trial() -> None:
    """The first job goes out onto it; its idle seconds are billed once, here; with nothing to do it is released."""
    rate = Rate(1.0)
    sweep, first = a_sweep(1), [ev.Created(intent(0).name, ""), ev.Observed(intent(0).name, "InProgress", "Training")]
    inherited = replace(INHERITED, name="theirs")
    chain = fold([OPENED, inherited])
    assert (chain.jobs, chain.trials, [*chain.debts], spent(chain, rate)) == ({}, {}, ["theirs"], 300.0)
    assert isinstance(next_move(sweep, inherited), Submit)
    assert next_move(a_sweep(0), inherited) == Release(("theirs",))
    reused = ev.PoolClosed("theirs", Closed.REUSED_BY_OWN.value, NAME, 7.0)
    chain = fold([OPENED, inherited, intent(0), *first, reused])
    assert (chain.jobs[NAME].pool_word, chain.jobs[NAME].in_debt) == ("reused", True)
    assert cost(chain.inherited.values(), rate) == 7.0


def test_who_takes_over_and_ends_hands_on() -> None:
    """A sweep in the middle of the line that has nothing to do passes the pool on as it got it."""
    assert next_move(a_sweep(0), replace(INHERITED, name="theirs"), AWAITED) == HandOver("theirs", OFFER_S)
