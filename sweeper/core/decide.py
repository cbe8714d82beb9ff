"""`decide(sweep, search, chain, now)`: the next move of a chain, as a value. Pure: the same journal, the same move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Union

from sweeper.core import costs
from sweeper.core.chain import Chain, Job
from sweeper.core.events import JobStatus, PoolStatus, TrialStatus
from sweeper.core.keepalive import keep_alive_s
from sweeper.core.model import Sweep, Trial
from sweeper.core.stop import TIMED, Budget, Fired, MaxTrials, fired

if TYPE_CHECKING:
    from sweeper.ports import Search

SKIPPED = "skipped by `sweeper skip`"


@dataclass(frozen=True)
class Submit:
    """Send this attempt at this trial, until it is proved to exist. `last`: no job is to follow it.

    `most_s`: it may run for so many seconds at most, because `clamped` says so.
    """

    trial: Trial
    attempt: int
    last: bool = False
    patches: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""
    most_s: int | None = None
    clamped: str = ""


@dataclass(frozen=True)
class StopJob:
    """Stop a running job."""

    name: str
    reason: str


@dataclass(frozen=True)
class Wait:
    """Look at these jobs until something about them changes."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """Close these jobs' pools, in this order."""

    names: tuple[str, ...]


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


Decision = Union[Submit, StopJob, Wait, Release, Decide, Finish]  # noqa: UP007 - a runtime alias on Python 3.10


def decide(sweep: Sweep, search: Search, chain: Chain, now: float, capacity: int = 1) -> Decision:
    """The next move.

    The order of the questions is the protocol: an unfinished job is looked after first; a successor goes out only
    when every job has ended and its pool has settled (R4); pools are closed, newest first, before the end (R7).
    """
    running = [job for job in chain.unfinished.values() if job.acknowledged]
    unsent = [job for job in chain.unfinished.values() if not job.acknowledged]
    if chain.stopping:
        if chain.stopping.now:
            return _end_now(chain, running)
        if running:
            return Wait(_watched(chain, running))
        return _end(chain, chain.stopping.reason)
    if running and (ending := _end_of_running(sweep, chain, running, now)):
        return ending
    if len(running) >= capacity:
        return stray_pool(chain) or Wait(_watched(chain, running))
    again = _unsent(sweep, unsent)
    if again:
        return again
    if chain.decided is None:
        asked = tuple(rule for rule in sweep.stop if not isinstance(rule, Budget))
        rule = fired(asked, sweep, chain, now) or _failure_rule(sweep.on_failure, chain)
        if rule:
            return Decide(rule.rule, rule.why, rule.now)
        proposed = _next_trial(sweep, search, chain)
        if proposed:
            following = _within_budget(sweep, chain, proposed)
            if isinstance(following, Decide):
                return following
            unsettled = tuple(j.name for j in chain.debts.values() if j.ended and not j.settled)
            return Wait(unsettled) if unsettled and not chain.pool_never_retained else following
    if running:
        return Wait(_watched(chain, running))
    return _end(chain, chain.decided.why if chain.decided else "every trial is done")


def _end_of_running(sweep: Sweep, chain: Chain, running: list[Job], now: float) -> Decision | None:
    """What ends a job before it is done: a rule of time, what it showed, or a person who skips its trial."""
    if chain.decided is None:
        timed = fired(tuple(rule for rule in sweep.stop if isinstance(rule, TIMED)), sweep, chain, now)
        if timed:
            return Decide(timed.rule, timed.why, timed.now)
    for job in running:
        if job.status is not JobStatus.STOPPING and (reason := _why_stop(chain, job)):
            return StopJob(job.name, reason)
    return None


def _why_stop(chain: Chain, job: Job) -> str:
    if chain.decided and chain.decided.now:
        return chain.decided.why
    if job.judged and job.judged.stops:
        return f"{job.judged.rule}: {job.judged.why}"
    return SKIPPED if chain.trials[job.intent.trial].skipped else ""


def _end_now(chain: Chain, running: list[Job]) -> Decision:
    assert chain.stopping is not None
    for job in running:
        if job.status is not JobStatus.STOPPING:
            return StopJob(job.name, chain.stopping.reason)
    return Wait(tuple(j.name for j in running)) if running else _end(chain, chain.stopping.reason)


def _end(chain: Chain, why: str) -> Decision:
    debts = tuple(job.name for job in chain.debts_newest_first)
    return Release(debts) if debts else Finish(why)


def _watched(chain: Chain, running: list[Job]) -> tuple[str, ...]:
    """The running jobs, and the ended ones whose pool is still to be seen moving on to a successor."""
    return tuple(j.name for j in running) + tuple(j.name for j in chain.debts.values() if j.ended)


def stray_pool(chain: Chain) -> Release | None:
    """An ended job's pool that no successor took: it only costs. Known once the successor has a machine."""
    at_work = {"Downloading", "Training", "Uploading"}
    if not any(job.secondary in at_work for job in chain.unfinished.values()):
        return None
    stray = tuple(j.name for j in chain.debts.values() if j.ended and j.pool is PoolStatus.AVAILABLE)
    return Release(stray) if stray else None


def _unsent(sweep: Sweep, unsent: list[Job]) -> Decision | None:
    """An intent without an acknowledgement: send the same job again (R3). A dropped trial's is closed instead."""
    for job in unsent:
        trial = sweep.trials.find(job.intent.trial, job.intent.index)
        if trial is None:
            return Release((job.name,))
        return Submit(trial, job.intent.attempt, last=job.intent.keep_alive_s == 0)
    return None


def _next_trial(sweep: Sweep, search: Search, chain: Chain) -> Submit | None:
    retry = _retry(sweep, chain)
    if retry:
        return retry
    proposal = search.propose(chain)
    if proposal is None:
        return None
    most = min((r.n for r in sweep.stop if isinstance(r, MaxTrials)), default=None)
    last = proposal.last or (most is not None and chain.finished_count + 1 >= most)
    return Submit(proposal.trial, chain.next_attempt(proposal.trial.id), last and not _may_retry(sweep.on_failure))


def _within_budget(sweep: Sweep, chain: Chain, submit: Submit) -> Submit | Decide:
    """The same job, but no longer than what is left of a budget lets it run; the end when that is too short."""
    for rule in sweep.stop:
        if not isinstance(rule, Budget) or sweep.rate is None:
            continue
        most = rule.runtime(sweep, chain, keep_alive_s(sweep, chain, last=submit.last) if costs.keeps(sweep) else 0)
        if rule.cut_short(chain) or most < costs.shortest(sweep):
            return Decide(rule.name, rule.words(sweep, chain))
        if sweep.max_runtime_s is None or most < sweep.max_runtime_s:
            submit = replace(submit, most_s=int(most), clamped=rule.name)
    return submit


# -- what to do after a failure ---------------------------------------------------------------------------------


def action_for(on_failure: Mapping[str, Any], failure: str) -> Any:
    """What the experiment says to do after this failure: `continue`, `stop` or `{retry: N}`."""
    return on_failure.get(failure, on_failure.get("default", "continue"))


def _retries(action: Any) -> int:
    return int(action.get("retry", 0)) if isinstance(action, Mapping) else 0


def _may_retry(on_failure: Mapping[str, Any]) -> bool:
    return any(_retries(action) for action in on_failure.values())


def _retry(sweep: Sweep, chain: Chain) -> Submit | None:
    """The trial that failed last, once more, when its failure has retries left."""
    job = chain.last_ended
    if job is None or job.outcome is None or job.outcome.trial_status != TrialStatus.FAILED.value:
        return None
    history = chain.trials[job.intent.trial]
    if history.last is not job:
        return None
    same = sum(1 for j in history.jobs if j.outcome and j.outcome.failure == job.outcome.failure)
    if same > _retries(action_for(sweep.on_failure, job.outcome.failure)):
        return None
    trial = sweep.trials.find(job.intent.trial, job.intent.index)
    return Submit(trial, chain.next_attempt(job.intent.trial)) if trial else None


def _failure_rule(on_failure: Mapping[str, Any], chain: Chain) -> Fired | None:
    """The rule of `on_failure` that ends the chain, looking only at what this invocation has run."""
    recent = [job for job in chain.outcomes[chain.outcomes_before :] if job.outcome]
    if not recent or recent[-1].outcome is None or recent[-1].outcome.trial_status != TrialStatus.FAILED.value:
        return None
    last = recent[-1].outcome
    if action_for(on_failure, last.failure) == "stop":
        return Fired(f"on_failure.{last.failure}", f"{recent[-1].intent.label} failed: {last.message}")
    limit = on_failure.get("same_error_limit")
    tail = [job.outcome for job in recent[-int(limit) :]] if limit else []
    if limit and len(tail) == limit and all(o and (o.failure, o.message) == (last.failure, last.message) for o in tail):
        return Fired("same_error_limit", f"{limit} jobs in a row failed the same way: {last.message}")
    return None
