"""`decide(sweep, search, chain, now)`: the next move of a chain, as a value. Pure: the same journal, the same move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Union

from sweeper.core import costs
from sweeper.core.chain import Chain, Job
from sweeper.core.declared import find, finished, pending
from sweeper.core.events import FINISH, HAS_MACHINE, JobStatus, PoolStatus, TrialStatus
from sweeper.core.keepalive import keep_alive_s
from sweeper.core.model import MOST_KEEP_ALIVE_S, Sweep, Trial
from sweeper.core.remedies import SAME_ERROR_LIMIT, Remedy, remedies, remedy, repeated
from sweeper.core.stop import Fired, fired

if TYPE_CHECKING:
    from sweeper.core.ports import Search

LONGEST_PAUSE_S = 3600.0
MARGIN_S = 60
"""Seconds for which a pool is kept past the end of a pause."""
OFFER_S = 60.0
"""Seconds in which a sweep that waits must have taken the pool that it is offered."""
TAKEN_S = 0.2
"""Seconds between two looks whether it has."""
SKIPPED = "skipped by `sweeper skip`"


@dataclass(frozen=True)
class Submit:
    """Send this attempt at this trial, until it is proved to exist. `last`: no job is to follow it.

    `patches` are what remedies changed about it and `remedy` why; it is not sent before `not_before`.

    `most_s`: it may run for so many seconds at most, because `clamped` says so.
    """

    trial: Trial
    attempt: int
    last: bool = False
    patches: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = field(default="", compare=False)
    not_before: float = 0.0
    most_s: int | None = None
    clamped: str = ""


@dataclass(frozen=True)
class StopJob:
    """Stop a running job."""

    name: str
    reason: str


@dataclass(frozen=True)
class Wait:
    """Look at these jobs until something about them changes, or until then (UTC seconds since the epoch)."""

    names: tuple[str, ...]
    until: float | None = None


@dataclass(frozen=True)
class Release:
    """Close these jobs' pools, in this order."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class HandOver:
    """Offer the pool of this ended job to the sweep that waits, until then (UTC seconds since the epoch)."""

    name: str
    until: float


@dataclass(frozen=True)
class PassOver:
    """The sweep that waits has not taken what it was offered: it is offered nothing any more."""

    to: str


@dataclass(frozen=True)
class Extend:
    """Keep an Available pool for so many seconds from now: a long gap is coming. `bound_s`: from its job's end."""

    name: str
    keep_alive_s: int
    bound_s: int


@dataclass(frozen=True)
class Decide:
    """Note that a rule has decided the end of the chain; the release follows. `now`: the running job is stopped."""

    rule: str
    why: str
    now: bool = False


@dataclass(frozen=True)
class Finish:
    """Every pool is closed and there is nothing more to do."""

    why: str


Decision = Union[  # noqa: UP007 - a runtime alias on Python 3.10
    Submit, StopJob, Wait, Release, HandOver, PassOver, Extend, Decide, Finish
]


@dataclass(frozen=True)
class Held:
    """What was tried just now and is not to be tried again before a moment: UTC seconds since the epoch."""

    creates: float = -inf
    """No Create is sent before: the last one was refused or got no answer."""
    stops: Mapping[str, float] = field(default_factory=dict)
    """When each of these jobs may be asked again to stop."""

    def until(self, now: float) -> float | None:
        """When the first of these may be tried again; None when nothing is held."""
        return min((at for at in (self.creates, *self.stops.values()) if at > now), default=None)


def decide(sweep: Sweep, search: Search, chain: Chain, now: float, held: Held = Held()) -> Decision:
    """The next move.

    The order of the questions is the protocol: what runs is looked after first; a job goes out only while fewer than
    `sweep.in_flight` have not ended (R5), and when the pool of every one that has ended has settled (R4); pools are
    closed, newest first, before the end (R7).
    """
    running = [job for job in chain.unfinished.values() if job.acknowledged]
    unsent = [job for job in chain.unfinished.values() if not job.acknowledged]
    wait = Wait(_watched(chain, running), held.until(now))
    if chain.stopping:
        if chain.stopping.now:
            return _end_now(chain, running, now, held)
        if running:
            return _end_of_running(sweep, chain, running, [], now, held) or wait
        return _end(chain, chain.stopping.reason, now)
    if chain.unfinished and (ending := _end_of_running(sweep, chain, running, unsent, now, held)):
        return ending
    # While one job runs alone nothing new is known that a rule could end the chain by.
    several = max(sweep.in_flight, len(chain.unfinished)) > 1
    if several and chain.unfinished and (rule := _rule(sweep, chain, running, now)):
        return rule
    if len(running) >= sweep.in_flight:
        return stray_pool(chain) or wait
    if unsent:
        return _until_free(wait, running) if held.creates > now else _unsent(sweep, chain, unsent)
    if not running and (rule := _rule(sweep, chain, running, now)):
        return rule
    if chain.decided is None and (following := _following(sweep, search, chain, running, now, held)):
        return following
    if not running and chain.decided is None and (left := _left_warm(sweep, chain)):
        return left
    return wait if running else _end(chain, chain.decided.why if chain.decided else "every trial is done", now)


def _until_free(wait: Wait, running: list[Job]) -> Wait:
    """Nothing may be sent yet. A pool that is there is left alone: whoever is to have it is only late."""
    return wait if running else replace(wait, names=())


def _rule(sweep: Sweep, chain: Chain, running: list[Job], now: float) -> Decide | None:
    """The end of the chain by a rule. What runs beside a goal that is reached is stopped, unless it may finish."""
    if chain.decided is not None or (running and chain.unruled[0] == chain.turn and chain.unruled[1] is sweep):
        return None  # nothing has come of anything since they were asked
    asked = tuple(rule for rule in sweep.stop if rule.most_usd is None)
    found = fired(asked, sweep, chain, now) or _failure_rule(sweep, chain)
    if found is None:
        chain.unruled = chain.turn, sweep
        return None
    needless = found.reached and sweep.on_until != FINISH and bool(running)
    return Decide(found.rule, found.why, found.now or needless)


def _following(
    sweep: Sweep, search: Search, chain: Chain, running: list[Job], now: float, held: Held
) -> Decision | None:
    """The next job, or what keeps it from being sent now; None when none is left, or only those that run."""
    wait = Wait(_watched(chain, running), held.until(now))
    if held.creates > now or (running and _counts_on_running(sweep, chain)):
        return _until_free(wait, running)
    proposed = _next_trial(sweep, search, chain, now)
    if proposed is None:
        return None
    following = _within_budget(sweep, chain, proposed, now)
    if isinstance(following, Decide):
        return following
    unsettled = tuple(j.name for j in chain.debts.values() if j.ended and not j.settled)
    if unsettled and not chain.pool_never_retained:
        return Wait((*(job.name for job in running), *unsettled))
    return _pause(sweep, chain, running, following, now) or following


def _counts_on_running(sweep: Sweep, chain: Chain) -> bool:
    """Must what runs end before it is known whether another job may go out?

    By a budget, of which a job in flight holds its worst case back; by `max_trials`, which at most so many may reach.
    """
    for usd in (rule.most_usd for rule in sweep.stop):
        if usd is not None and sweep.rate is not None:
            most_s = costs.allowed_s(sweep, chain, usd, costs.keeps(sweep))
            if most_s < (sweep.max_runtime_s or costs.shortest(sweep)):
                return True
    most = sweep.most_trials
    return most is not None and len(finished(sweep, chain)) + len(pending(sweep, chain)) >= most


def _end_of_running(
    sweep: Sweep, chain: Chain, running: list[Job], unsent: list[Job], now: float, held: Held
) -> Decision | None:
    """What ends a job before it is done: a rule of time, what it showed, or a person who skips its trial."""
    if timed := time_is_up(sweep, chain, now):
        return timed
    if unsent and chain.decided:
        return Release(tuple(job.name for job in unsent))
    for job in _waiting_first(running):
        if _may_be_asked(job, now, held) and (reason := _why_stop(chain, job)):
            return StopJob(job.name, reason)
    return None


def _waiting_first(running: list[Job]) -> list[Job]:
    """In the order in which they are stopped: else one that waits would start on the machine of one that has ended."""
    return sorted(running, key=lambda job: job.secondary in HAS_MACHINE)


def _may_be_asked(job: Job, now: float, held: Held) -> bool:
    """May it be asked to stop: does it not do so already, and was it not asked just now?"""
    return job.status is not JobStatus.STOPPING and held.stops.get(job.name, now) <= now


def time_is_up(sweep: Sweep, chain: Chain, now: float) -> Decide | None:
    """The end, when a rule of time says so and nothing has said so before."""
    timed = tuple(rule for rule in sweep.stop if rule.stops_running)
    found = None if chain.decided else fired(timed, sweep, chain, now)
    return Decide(found.rule, found.why, found.now) if found else None


def _why_stop(chain: Chain, job: Job) -> str:
    if chain.decided and chain.decided.now:
        return f"{chain.decided.rule}: {chain.decided.why}"
    if job.judged and job.judged.stops:
        return f"{job.judged.rule}: {job.judged.why}"
    return SKIPPED if chain.trials[job.intent.trial].skipped else ""


def _end_now(chain: Chain, running: list[Job], now: float, held: Held) -> Decision:
    assert chain.stopping is not None
    for job in _waiting_first(running):
        if _may_be_asked(job, now, held):
            return StopJob(job.name, chain.stopping.reason)
    return Wait(tuple(j.name for j in running), held.until(now)) if running else _end(chain, chain.stopping.reason, now)


def _end(chain: Chain, why: str, now: float) -> Decision:
    if handing := _to_heir(chain, now):
        return handing
    debts = tuple(job.name for job in chain.debts_newest_first)
    return Release(debts) if debts else Finish(why)


def _left_warm(sweep: Sweep, chain: Chain) -> Decision | None:
    """The end of a chain whose newest pool is left idle, and no other; None: there is none to be left."""
    found = _kept_alone(chain) if sweep.leaves_warm and chain.awaited is None else None
    return Finish("its pool is left warm") if isinstance(found, Job) else found


def _to_heir(chain: Chain, now: float) -> Decision | None:
    """What brings the pool to the sweep that waits for it; None: it is released, as it is where a signal ends all."""
    awaited, offered = chain.awaited, chain.offered
    if awaited is None or (chain.stopping and chain.stopping.signal):
        return None
    found = _kept_alone(chain)
    if not isinstance(found, Job):
        return found
    if offered is None or (offered.name, offered.to) != (found.name, awaited.by):
        return HandOver(found.name, now + OFFER_S)
    if now < offered.until:
        return Wait((found.name,), min(offered.until, now + TAKEN_S))
    return PassOver(awaited.by)


def _kept_alone(chain: Chain) -> Job | Wait | Release | None:
    """The job whose pool idles when no other may; what has to be done before that; None: there is no such pool."""
    kept = [job for job in chain.debts_newest_first if job.ended and job.keep_alive_s]
    if not kept:
        return None
    newest, others = kept[0], tuple(job.name for job in chain.debts_newest_first if job is not kept[0])
    if not newest.settled:
        return Wait((newest.name,))
    if newest.pool is not PoolStatus.AVAILABLE:
        return None
    return Release(others) if others else newest


def _watched(chain: Chain, running: list[Job]) -> tuple[str, ...]:
    """The running jobs, and the ended ones whose pool is still to be seen moving on to a successor."""
    return tuple(j.name for j in running) + tuple(j.name for j in chain.debts.values() if j.ended)


def stray_pool(chain: Chain) -> Release | None:
    """An ended job's pool that no successor took: it only costs. Known once the successor has a machine."""
    if not any(job.secondary in HAS_MACHINE for job in chain.unfinished.values()):
        return None
    stray = tuple(j.name for j in chain.debts.values() if j.ended and j.pool is PoolStatus.AVAILABLE)
    return Release(stray) if stray else None


def _unsent(sweep: Sweep, chain: Chain, unsent: list[Job]) -> Decision:
    """An intent without an acknowledgement: send the same job again (R3). A dropped trial's is closed instead."""
    job = unsent[0]
    trial = find(sweep, chain, job.intent.trial, job.intent.index)
    if trial is None:
        return Release((job.name,))
    return Submit(trial, job.intent.attempt, last=job.intent.keep_alive_s == 0)


def _next_trial(sweep: Sweep, search: Search, chain: Chain, now: float) -> Submit | None:
    """The next attempt: at a trial that failed, else at the one that the search proposes.

    Where several may run, others go before a trial whose next attempt has to wait.
    """
    again = remedies(sweep, chain)
    due = [one for one in again if one[1].not_before <= now] if sweep.in_flight > 1 else again
    if due:
        return _tried_again(sweep, chain, *due[0])
    proposal = search.propose(chain)
    if proposal is None:
        soonest = min(again, key=lambda one: one[1].not_before, default=None)
        return _tried_again(sweep, chain, *soonest) if soonest else None
    most = sweep.most_trials
    last = proposal.last or (most is not None and len(finished(sweep, chain)) + 1 >= most)
    trial, history = proposal.trial, chain.trials.get(proposal.trial.id)
    kept = history.last.intent.patches if history and history.jobs and not history.last_failed else {}
    return Submit(trial, chain.next_attempt(trial.id), last and not sweep.on_failure.tries_again, kept)


def _tried_again(sweep: Sweep, chain: Chain, job: Job, found: Remedy) -> Submit:
    trial = find(sweep, chain, job.intent.trial, job.intent.index)
    assert trial is not None
    attempt = chain.next_attempt(job.intent.trial)
    return Submit(trial, attempt, patches=found.patches, remedy=found.words, not_before=found.not_before)


def _pause(sweep: Sweep, chain: Chain, running: list[Job], submit: Submit, now: float) -> Decision | None:
    """What to do while the next attempt has to wait: keep the pool for it when it can be had for that long."""
    left = submit.not_before - now
    if not 0 < left <= LONGEST_PAUSE_S:  # a clock that is far off must not hold the chain up
        return None
    for job in chain.debts.values():
        ended = job.outcome.ended_at if job.outcome else None
        if ended is None or job.pool is not PoolStatus.AVAILABLE or not job.keep_alive_s:
            continue
        needed = ceil(left) + MARGIN_S
        if now + needed > ended + job.keep_alive_s and _can_extend(sweep, chain, needed):
            return Extend(job.name, needed, ceil(max(0.0, now - ended)) + needed)
    return Wait(tuple(job.name for job in running), submit.not_before)


def _can_extend(sweep: Sweep, chain: Chain, needed: int) -> bool:
    """Keeping a pool longer costs: not past what the service allows, and never past a budget."""
    keep_s = costs.keeps(sweep) + needed + MARGIN_S
    if needed > MOST_KEEP_ALIVE_S:
        return False
    rate, most_usd = sweep.rate, sweep.most_usd
    return rate is None or most_usd is None or costs.affordable(rate, most_usd, chain, keep_s) >= costs.shortest(sweep)


def _within_budget(sweep: Sweep, chain: Chain, submit: Submit, now: float) -> Submit | Decide:
    """The same job, but no longer than what is left of a budget lets it run; the end when that is too short."""
    for rule in sweep.stop:
        if rule.most_usd is None or sweep.rate is None:
            continue
        keep_s = keep_alive_s(sweep, chain, last=submit.last) if costs.keeps(sweep) else 0
        most = costs.allowed_s(sweep, chain, rule.most_usd, keep_s)
        if most < costs.shortest(sweep):
            return Decide(rule.name, rule.why(sweep, chain, now) or rule.meaning)
        if sweep.max_runtime_s is None or most < sweep.max_runtime_s:
            submit = replace(submit, most_s=int(most), clamped=rule.name)
    return submit


# -- what to do after a failure ---------------------------------------------------------------------------------


def _failure_rule(sweep: Sweep, chain: Chain) -> Fired | None:
    """The rule of `on_failure` that ends the chain, looking only at what this invocation has run.

    A failure that has a remedy left is none yet.
    """
    last = chain.outcomes[-1] if len(chain.outcomes) > chain.outcomes_before else None
    outcome = last.outcome if last else None
    if last is None or outcome is None or outcome.trial_status != TrialStatus.FAILED.value:
        return None
    if remedy(sweep, chain, last):
        return None
    if find(sweep, chain, last.intent.trial, last.intent.index) is None:
        return None
    action = sweep.on_failure.after(outcome.failure)
    if action and action.ends:
        return Fired(f"on_failure.{outcome.failure}", f"{last.intent.label} failed: {outcome.message}")
    limit = sweep.on_failure.same_error_limit
    if limit and repeated(sweep, chain) >= limit:
        return Fired(SAME_ERROR_LIMIT, f"{limit} trials in a row failed the same way: {outcome.message}")
    return None
