"""Questions about what becomes of pools: after a good job, a bad one, a stopped one; by release, and by longer life."""

from __future__ import annotations

from math import ceil

from sweeper.core.events import PoolStatus
from sweeper.core.outcome import retained_seconds
from sweeper.core.smoke.questions import Question
from sweeper.core.smoke.timeline import Timeline, entered
from sweeper.run.smoke.asking import Asking, Gone
from sweeper.run.smoke.bench import NotAnswered

TRAINING = "Training"
PLAIN_S = 2.0
"""Seconds that whole billable seconds tell apart."""
CLOSE = 0.4
"""How near a life must be to what it should be, as a share of what is to be told apart."""


def failed(asking: Asking) -> None:
    """A script that fails."""
    asking.need_pools()
    seen = asking.run(asking.wanted("a script that fails", exit_code=1))
    reason = str(seen.description.get("FailureReason") or "")
    if not reason:
        raise NotAnswered(f"{seen.name} did not fail")
    words = _kept(asking, seen)
    asking.answer(Question.FAILED, words, {"failure_retains_pool": bool(seen.kept)}, seen, reason=reason)


def stopped(asking: Asking) -> None:
    """A job that is stopped while it trains."""
    asking.need_pools()
    wanted = asking.wanted("a job that is stopped", seconds=asking.bench.pace.long_job_s)
    seen = asking.bench.create(wanted)
    if asking.holder:
        asking.taken(asking.holder, seen)
    asking.with_machine(seen)
    asking.bench.watch(seen, lambda: seen.ended or seen.secondary == TRAINING, asking.bench.pace.settles_s)
    said = asking.bench.stop(seen.name)
    asking.to_its_end(seen, wanted)
    if said:
        raise NotAnswered(f"it could not be stopped: {said}")
    _kept(asking, seen)
    asking.stopping["stop_retains_pool"] = bool(seen.kept)
    asking.were_stopped.append(seen)


def timed_out(asking: Asking) -> None:
    """A job that runs for longer than it may."""
    asking.need_pools()
    pace = asking.bench.pace
    limit_s = pace.short_runtime_s
    seen = asking.run(asking.wanted("a job that runs too long", seconds=pace.long_job_s, max_runtime_s=limit_s))
    if seen.secondary != "MaxRuntimeExceeded":
        raise NotAnswered(f"it ended as {seen.secondary}")
    words, begun = _kept(asking, seen), entered(seen, "Stopping") or seen.ended_at
    late_s = max(0.0, round(begun - (seen.started_at or begun) - limit_s, 1))
    settings = {"timeout_retains_pool": bool(seen.kept), "max_runtime_late_s": late_s}
    words += f"; it is stopped {late_s:g} s late"
    asking.answer(Question.TIMED_OUT, words, settings, seen, max_runtime_s=limit_s)


def unkept(asking: Asking) -> None:
    """A job without keep-alive that finds a pool."""
    before, keep_s = asking.pool(), asking.bench.pace.keep_alive_s
    wanted = asking.wanted("a job without keep-alive", keep_alive_s=0, inherits_s=keep_s)
    seen = asking.bench.create(wanted)
    took = _took(asking, before, seen)
    if not took:
        _end(asking, seen)
        asking.answer(
            Question.UNKEPT, "it is not taken: the job starts cold", {"unkept_takes_pool": False}, before, seen
        )
        return
    asking.with_machine(seen)
    asking.to_its_end(seen, wanted)
    ends = not seen.kept
    words = "it is taken, and ends with the job" if ends else "it is taken, and kept as it was before"
    settings = {"unkept_takes_pool": True, "unkept_ends_pool": ends}
    asking.answer(Question.UNKEPT, words, settings, before, seen)


def network(asking: Asking) -> None:
    """The same subnets in another order."""
    if not asking.bench.bed.may_be_reordered:
        raise NotAnswered("it needs an experiment with two or more of locked.subnets or locked.security_group_ids")
    before = asking.pool()
    wanted = asking.wanted("subnets in another order", reordered=True)
    seen = asking.bench.create(wanted)
    took = _took(asking, before, seen)
    if took:
        asking.with_machine(seen)
        asking.to_its_end(seen, wanted)
    else:
        _end(asking, seen)
    words = "no: they are compared as sets" if took else "yes: they are compared as lists"
    asking.answer(Question.NETWORK, words, {"network_order_matters": not took}, before, seen)


def extended(asking: Asking) -> None:
    """A keep-alive that is made longer."""
    asking.need_pools()
    bench, wait_s = asking.bench, asking.bench.pace.extended_after_s
    first_s = ceil(3 * wait_s + 2 * (asking.gap_s or 0.0))
    longer_s = first_s + ceil(wait_s)
    seen = asking.run(asking.wanted("a pool whose life is made longer", keep_alive_s=first_s))
    if not seen.idles:
        raise Gone(f"the pool of {seen.name} was not kept")
    bench.watch(seen, lambda: bench.clock.now() >= seen.ended_at + wait_s, first_s)
    at, said = bench.clock.now(), bench.update(seen.name, longer_s)
    if said:
        raise NotAnswered(f"it was refused: {said}")
    after_s = at - seen.ended_at
    bench.watch(seen, lambda: not seen.idles, longer_s + after_s + bench.pace.settles_s)
    lived_s = _lived_s(seen)
    if lived_s is None:
        raise NotAnswered(f"the pool of {seen.name} did not end")
    asking.late("update_terminated", seen)
    far = {True: abs(lived_s - longer_s - after_s), False: abs(lived_s - longer_s)}
    from_now = far[True] < far[False]
    if far[from_now] > CLOSE * after_s:
        raise Gone(f"the pool of {seen.name} lived for {lived_s:.0f} s, which is neither")
    words = "from the update" if from_now else "from the end of the job"
    evidence = {"updated_after_s": round(after_s, 1), "keep_alive_s": longer_s, "lived_s": lived_s}
    asking.answer(Question.EXTENSION, words, {"update_from_now": from_now}, seen, **evidence)


def released(asking: Asking) -> None:
    """A pool that is released."""
    bench, seen = asking.bench, asking.pool()
    at, said = bench.clock.now(), bench.update(seen.name, 0)
    if said:
        raise Gone(f"the release was refused: {said}")
    bench.watch(seen, lambda: not seen.idles, bench.pace.settles_s)
    gone = seen.first(PoolStatus.TERMINATED)
    if gone is None:
        raise NotAnswered(f"the pool of {seen.name} was not seen terminated within {bench.pace.settles_s:.0f} s")
    asking.late("update_terminated", seen)
    lag_s, billed_s = round(gone.at - at, 1), retained_seconds(seen.description)
    settings: dict[str, object] = {"release_lag_s": lag_s}
    words = f"it is terminated after {lag_s:g} s"
    if billed_s is not None and lag_s >= PLAIN_S:
        to_the_end = abs(billed_s - (gone.at - seen.ended_at)) < abs(billed_s - (at - seen.ended_at))
        settings["release_bills_lag"] = to_the_end
        words += ", and billed until it is terminated" if to_the_end else ", and billed until the release"
    if (early := seen.shows_bill_while_idle) is not None:
        settings["retained_shown_while_available"] = early
        words += f"; billable seconds are {'' if early else 'not '}shown while it idles"
    evidence = {"idle_before_s": round(at - seen.ended_at, 1), "billed_s": billed_s}
    asking.answer(Question.RELEASE, words, settings, seen, **evidence)


def _took(asking: Asking, before: Timeline, seen: Timeline) -> bool:
    """Did it take the pool that idled? Raises NotAnswered where that cannot be told."""
    took = asking.taken(before, seen)
    if seen.name in asking.bench.no_room:
        raise NotAnswered("the quota has no room for a machine beside the pool that idles")
    if took is None:
        raise Gone(f"the pool of {before.name} went")
    return took


def _kept(asking: Asking, seen: Timeline) -> str:
    """In words; raises NotAnswered where it is not shown."""
    if seen.kept is None:
        raise NotAnswered(f"{seen.name} showed no pool within {asking.bench.pace.settles_s:.0f} s")
    return "it is kept" if seen.kept else "it is not kept"


def _end(asking: Asking, seen: Timeline) -> None:
    """It has told what it was to tell."""
    asking.bench.close([asking.bench.chain.jobs[seen.name]])


def _lived_s(seen: Timeline) -> float | None:
    """From the end of its job, as it is billed, else as it was seen; None while it lives."""
    gone = seen.first(PoolStatus.TERMINATED)
    if gone is None:
        return None
    billed = retained_seconds(seen.description)
    return gone.at - seen.ended_at if billed is None else billed
