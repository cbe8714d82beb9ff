"""What the stop rules see of trials that are repeated: those that differ in their seed alone end as one. Pure.

A mean over some of the seeds would let the lucky ones decide: so a group is judged once none of its trials is left to
run. With `over: best` one of them is enough, and each is judged by itself, as it is without `repeat`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.declared import Declaration, ended, find, says_something
from sweeper.core.identity import canonical
from sweeper.core.model import Objective, Over, Trial
from sweeper.core.repeats import Group, best_group, groups


class Repeating(Declaration, Protocol):
    """A declaration that may repeat its trials: a Sweep, or what a live table knows of one."""

    @property
    def seed(self) -> str:
        """The parameter that counts the repeats; empty when nothing is repeated."""

    @property
    def objective(self) -> Objective | None:
        """What it is after."""

    @property
    def siblings(self) -> dict[str, tuple[str, ...]]:
        """Room for what is found of trials that differ in their seed alone, by trial."""


Round = Sequence[Job]
"""The last jobs of the trials of a group, in the order in which they ended."""


def together(sweep: Repeating) -> bool:
    """Are trials judged together, that differ in their seed alone?"""
    return bool(sweep.seed) and (sweep.objective is None or sweep.objective.over is not Over.BEST)


def rounds(sweep: Repeating, chain: Chain) -> list[Round]:
    """Every group that has ended whole, in the order in which their last trials ended."""
    jobs = ended(sweep, chain)
    if not together(sweep):
        return [[job] for job in jobs]
    found: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        family = siblings(sweep, chain, job)
        found[family] = [*found.pop(family, ()), job]  # moved to the end: the last one to end gives the group its place
    return [found[family] for family in found if all(map(chain.is_finished, family))]


def siblings(sweep: Repeating, chain: Chain, job: Job) -> tuple[str, ...]:
    """The declared trials that differ from a job's in their seed alone, and its own. The seed turns fastest of all."""
    known = sweep.siblings.get(job.intent.trial)
    if known is None:
        trial = find(sweep, chain, job.intent.trial, job.intent.index)
        known = tuple(_family(sweep, trial)) if trial else (job.intent.trial,)
        sweep.siblings.update(dict.fromkeys(known, known))
    return known


def says(round_: Round) -> bool:
    """Does a group say something about its trials? A failure or an interruption does not."""
    return any(map(says_something, round_))


def value_of(sweep: Repeating, round_: Round, metric: str) -> float | None:
    """What a group has come to; None when a trial of it has no value, though it says something.

    The mean of seeds of which some came to nothing would be that of the lucky ones. A failure is none of them.
    """
    said = [job for job in round_ if says_something(job)]
    if len(said) == 1 and not together(sweep):
        return metric_of(said[0], metric)
    group = Group(tuple(said), tuple(value for job in said if (value := _completed(job, metric)) is not None))
    over = sweep.objective.over if sweep.objective else Over.MEAN
    return None if group.n < len(said) else group.median if over is Over.MEDIAN else group.mean


def named(sweep: Repeating, round_: Round) -> str:
    """A group in words."""
    if len(round_) == 1:
        return round_[0].intent.label
    over = sweep.objective.over if sweep.objective else Over.MEAN
    return f"{over.value} of {', '.join(job.intent.label for job in round_)}"


def best_job(sweep: Repeating, chain: Chain) -> tuple[Job, Group[Job]] | None:
    """The best trial's job of the best group so far, and that group; NaN is never best, the first of equals wins."""
    if (objective := sweep.objective) is None:
        return None
    done = [job for job in ended(sweep, chain) if job.completed]
    alone = not sweep.seed
    found = groups(
        done,
        lambda job: job.intent.trial if alone else siblings(sweep, chain, job),
        lambda job: _completed(job, objective.metric),
    )
    group = best_group(found, objective)
    job = objective.best(group.members, lambda job: metric_of(job, objective.metric)) if group else None
    return (job, group) if group and job else None


def _completed(job: Job, metric: str) -> float | None:
    value = metric_of(job, metric) if job.completed else None
    return None if value is None or math.isnan(value) else value


def _family(sweep: Repeating, trial: Trial) -> Iterator[str]:
    trials, own = sweep.trials, _others(sweep, trial)
    if trial.index >= len(trials) or trials[trial.index].id != trial.id:
        yield trial.id  # it was queued by someone
        return
    first = last = trial.index
    while first > 0 and _others(sweep, trials[first - 1]) == own:
        first -= 1
    while last + 1 < len(trials) and _others(sweep, trials[last + 1]) == own:
        last += 1
    yield from (trials[index].id for index in range(first, last + 1))


def _others(sweep: Repeating, trial: Trial) -> str:
    return canonical({key: value for key, value in trial.values.items() if key != sweep.seed})
