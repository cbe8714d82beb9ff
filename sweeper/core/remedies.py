"""What to do after a failure: `continue`, `stop`, `{retry: N}`, `{patch: ...}` or `{next: ...}`, by its kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sweeper.core.chain import Chain, Job
from sweeper.core.declared import find
from sweeper.core.events import TrialStatus
from sweeper.core.failures import Failure
from sweeper.core.identity import canonical, flatten
from sweeper.core.model import Trial
from sweeper.core.space.rules import RuleError, formula

if TYPE_CHECKING:
    from sweeper.core.model import Sweep

ATTEMPTS = 10
"""How often a trial is patched when the experiment does not say."""
MOST_ATTEMPTS = 99
"""A job's name has two digits for the attempt."""
VALUE = "value"
"""What an expression calls the value that it replaces."""

BACKOFF_S: Mapping[str, tuple[float, float]] = {
    Failure.INTERNAL_ERROR.value: (10.0, 300.0),
    Failure.CAPACITY.value: (60.0, 600.0),
    Failure.QUOTA_BUSY.value: (30.0, 600.0),
    Failure.THROTTLING.value: (60.0, 600.0),
}
"""Seconds before the first attempt again, doubling up to the second number; other failures are not a matter of time."""


@dataclass(frozen=True)
class Remedy:
    """Another attempt at a trial: what is changed for it, why, and not before when (UTC seconds since the epoch)."""

    words: str
    patches: Mapping[str, Any] = field(default_factory=dict)
    not_before: float = 0.0


def action_for(on_failure: Mapping[str, Any], failure: str) -> Any:
    """What the experiment says to do after this failure."""
    return on_failure.get(failure, on_failure.get("default", "continue"))


def may_follow(on_failure: Mapping[str, Any]) -> list[str]:
    """The failures after which a trial may be attempted again: with one of them no job is known to be the last."""
    return [failure for failure, action in on_failure.items() if isinstance(action, Mapping)]


def remedy(sweep: Sweep, chain: Chain) -> tuple[Job, Remedy] | None:
    """The trial that failed last, when its failure has a remedy that is not used up."""
    job = chain.last_ended
    if job is None or job.outcome is None or job.outcome.trial_status != TrialStatus.FAILED.value:
        return None
    history = chain.trials[job.intent.trial]
    if history.last is not job or history.skipped or job.intent.attempt >= MOST_ATTEMPTS:
        return None
    if sweep.only not in ("", history.id):
        return None
    action = action_for(sweep.on_failure, job.outcome.failure)
    if not isinstance(action, Mapping):
        return None
    same = sum(1 for j in history.jobs if j.outcome and j.outcome.failure == job.outcome.failure)
    trial = find(sweep, chain, job.intent.trial, job.intent.index)
    found = _remedy(sweep, job, trial, action, same) if trial else None
    return (job, found) if found else None


def _remedy(sweep: Sweep, job: Job, trial: Trial, action: Mapping[str, Any], same: int) -> Remedy | None:
    if "retry" in action:
        most = int(action["retry"])
        words = f"retry {same} of {most} after {_failure(job)}"
        return Remedy(words, job.intent.patches, _not_before(job, same)) if same <= most else None
    config = resolved(sweep, trial, job)
    if "next" in action:
        changes = _next(action["next"], config)
    elif same <= int(action.get("attempts") or ATTEMPTS):
        changes = _patched(action["patch"], config)
    else:
        return None
    differing = {key: value for key, value in changes.items() if canonical(value) != canonical(config.get(key))}
    if not differing:
        return None
    told = ", ".join(f"{key} {canonical(config.get(key))} -> {canonical(value)}" for key, value in differing.items())
    return Remedy(f"{told} after {_failure(job)}", {**job.intent.patches, **differing})


def _failure(job: Job) -> str:
    return job.outcome.failure if job.outcome else ""


def _not_before(job: Job, same: int) -> float:
    """The service's own end of the job, and a pause that doubles each time."""
    first, most = BACKOFF_S.get(_failure(job), (0.0, 0.0))
    ended = job.outcome.ended_at if job.outcome else None
    return ended + min(first * 2 ** (same - 1), most) if ended is not None and first else 0.0


def resolved(sweep: Sweep, trial: Trial, job: Job) -> dict[str, Any]:
    """Every leaf of the configuration that this attempt ran with, by dotted key."""
    config = config_of(sweep, trial, job.intent.patches, job.intent.taken)
    return {".".join(path): value for path, value in flatten(dict(config))}


def config_of(sweep: Sweep, trial: Trial, patches: Mapping[str, Any], taken: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of an attempt: the trial's, with what remedies changed; its identity stays."""
    values = replace(trial, values={**trial.values, **patches}) if patches else trial
    return sweep.resolve(values, taken) if taken else sweep.resolve(values)


def _patched(expressions: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, Any]:
    """What the expressions come to; one that cannot be worked out changes nothing."""
    changes: dict[str, Any] = {}
    for key, text in expressions.items():
        try:
            expression = formula(str(text), names_in(config, key))
            changes[key] = expression.of(config)
        except RuleError:
            return {}
    return changes


def names_in(config: Mapping[str, Any], key: str) -> Any:
    """What a name in an expression stands for: `value` for the key itself, else a key or the clear end of one."""

    def name(word: str) -> str:
        if word == VALUE and key in config:
            return key
        near = [other for other in config if other == word or other.endswith(f".{word}")]
        if word in config or len(near) == 1:
            return word if word in config else near[0]
        raise RuleError(f"{word!r} is {'more than one parameter' if near else 'not a parameter'}")

    return name


def _next(lists: Mapping[str, list[Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """The value after the present one in each list, the first when the present one is not in it; none past the end."""
    changes: dict[str, Any] = {}
    for key, pins in lists.items():
        texts = [canonical(pin) for pin in pins]
        now = canonical(config.get(key))
        at = texts.index(now) + 1 if now in texts else 0
        if at < len(pins):
            changes[key] = pins[at]
    return changes


def repeated(sweep: Sweep, chain: Chain) -> int:
    """How many declared trials in a row have come to the same failure, the last one included."""
    count, last = 0, None
    for job in reversed(chain.outcomes[chain.outcomes_before :]):
        if chain.trials[job.intent.trial].last is not job:
            continue  # a later attempt followed this one: it is not how its trial ended
        outcome = job.outcome
        if outcome is None or find(sweep, chain, job.intent.trial, job.intent.index) is None:
            continue
        if outcome.trial_status != TrialStatus.FAILED.value:
            break
        if last is not None and (outcome.failure, outcome.message) != last:
            break
        count, last = count + 1, (outcome.failure, outcome.message)
    return count
