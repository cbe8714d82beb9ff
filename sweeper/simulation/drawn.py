"""Sweeps by seed: what an experiment file may ask for, drawn, and what their simulated containers do."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from sweeper.backends.warm_pool import WarmPool
from sweeper.core import prune, stop
from sweeper.core.chain import Chain
from sweeper.core.costs import LATE_S, OVERRUN_S, Rate
from sweeper.core.model import Goal, MetricDefinition, Objective, PoolSettings, Sweep, Trial
from sweeper.core.ports import Request, StopRule
from sweeper.core.remedies import on_failure
from sweeper.core.request import digest
from sweeper.core.scope import EngineKind, Scope
from sweeper.core.search import Proposal
from sweeper.core.space.draws import draw
from sweeper.core.waits import Waits
from sweeper.testing.twin import Script, VirtualClock

NAME = "sweep"
SCOPE = Scope(EngineKind.LOCAL, "123456789012", "us-east-1")
LOCKED = {
    "role_arn": "arn:aws:iam::123456789012:role/sweeper",
    "instance_type": "ml.m5.large",
    "instance_count": 1,
    "volume_size_in_gb": 30,
}
JOB = {
    "launch": "image",
    "image_uri": "repo/train:1",
    "max_runtime_s": 3600,
    "checkpoint_s3_uri": "s3://simulated/checkpoints",
}
SECRET = "planted-secret-value"
KEY, BATCH = "hyperparameters.x", "hyperparameters.batch"
FITS = 16
"""The largest batch that fits into a simulated machine."""
THROTTLED = 0.93
"""A job whose metric would be above this is throttled by what it reads from: a failure that is a matter of time."""
USD_PER_HOUR = 3.6


def made(values: Mapping[str, Any], index: int) -> Trial:
    """A trial of these values."""
    told = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in values.items())
    return Trial(index, digest(sorted(values.items()))[:16], told, dict(values))


class ListedTrials:
    """Trials that are known from the beginning."""

    keys: tuple[str, ...] = (KEY,)

    def __init__(self, rows: int | Sequence[Mapping[str, Any]]) -> None:
        listed = [{KEY: i} for i in range(rows)] if isinstance(rows, int) else rows
        self.known = [made(row, i) for i, row in enumerate(listed)]

    def __len__(self) -> int:
        return len(self.known)

    def __getitem__(self, index: int) -> Trial:
        return self.known[index]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.known)

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002
        """The trial with this id."""
        return next((trial for trial in self.known if trial.id == id), None)


class ProposedTrials(ListedTrials):
    """Trials that a search proposes one by one: those to come have a place, but no values yet."""

    def __init__(self, count: int) -> None:
        super().__init__(0)
        self._count = count

    def __len__(self) -> int:
        return max(self._count, len(self.known))

    def __getitem__(self, index: int) -> Trial:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.known[index] if index < len(self.known) else Trial(index, "", f"proposal {index + 1}", {})

    def __iter__(self) -> Iterator[Trial]:
        return (self[index] for index in range(len(self)))


class SeededSearch:
    """Proposes at random by its seed and by what has come out so far: another past, another proposal."""

    def __init__(self, seed: int, count: int, trials: ProposedTrials, chain: Chain) -> None:
        self._seed, self._count, self._trials = seed, count, trials
        for history in chain.trials.values():
            if history.jobs and trials.find(history.id, 0) is None and history.id not in chain.added:
                trials.known.append(made(history.jobs[0].intent.values, len(trials.known)))

    def propose(self, chain: Chain) -> Proposal | None:
        """A trial that was proposed and has not finished, else a new one."""
        pending = {job.intent.trial for job in chain.unfinished.values()}
        known = self._trials.known
        waiting = [t for t in known if not chain.is_finished(t.id) and t.id not in pending]
        if not waiting and len(known) < self._count:
            past = [(job.name, job.outcome.metrics) for job in chain.outcomes if job.outcome]
            rng = random.Random(digest([self._seed, len(known), past]))
            known.append(made({KEY: rng.random()}, len(known)))
            waiting = known[-1:]
        return Proposal(waiting[0], last=len(waiting) == 1 and len(known) >= self._count) if waiting else None


def metric_of(name: str) -> float:
    """The value that the job of this name prints: its own, so that a mixed-up result is noticed."""
    return int(digest(name)[:8], 16) / 2**32


def behaviour(request: Request, rng: random.Random) -> Script:
    """What a simulated container does."""
    last = metric_of(str(request["TrainingJobName"]))
    metrics = {"m": last}
    seconds = rng.choice((30.0, 120.0, 900.0))
    stops_in = rng.choice((1.0, 30.0, 200.0))
    if float(request.get("HyperParameters", {}).get("batch", 1)) > FITS:
        return Script(seconds / 10, 1, "RuntimeError: CUDA out of memory.\nexit code 1", stops_in=stops_in)
    if last > THROTTLED:
        return Script(seconds / 10, 1, "SomeError: (SlowDown): Please reduce your request rate\nexit code 1")
    if rng.random() < 0.1:
        return Script(seconds, 1, "ValueError: no\nexit code 1", stops_in=stops_in)
    # Ten values on the way to the last one; some jobs are better for a while than they are in the end.
    high = rng.choice((1.0, 1.0, 1.3))
    points = [(seconds * n / 10, {"m": last * high * n / 9}) for n in range(10)] if rng.random() < 0.5 else []
    return Script(seconds, 0, "", metrics, points, stops_in=stops_in)


def apart(rng: random.Random) -> random.Random:
    """Numbers of its own for what there may be more kinds of one day: then the rest of a seed stays as it is."""
    return random.Random(rng.getrandbits(64))


def stops(rng: random.Random, kinds: Mapping[str, type[StopRule]] = stop.KINDS) -> Mapping[str, Any]:
    """A `stop` section: of these kinds none, one, two at once, either of two, or two that have to agree."""
    said = {name: kind.drawn(rng, VirtualClock.time) for name, kind in kinds.items()}
    names = [name for name, value in said.items() if value is not None]
    chosen = {name: said[name] for name in rng.sample(names, min(len(names), rng.choice((0, 1, 1, 1, 2))))}
    groups = [{name: value} for name, value in chosen.items()]
    agree = len(groups) > 1 and not any(stop.made(name, value).most_usd is not None for name, value in chosen.items())
    ways = [chosen, *([{"any": groups}] if len(groups) > 1 else []), *([{"all": groups}] if agree else [])]
    return rng.choice(ways)


def remedies(rng: random.Random) -> Mapping[str, Any]:
    """An `on_failure` section."""
    return rng.choice(
        [
            {},
            {"internal_error": {"retry": 2}, "capacity": {"retry": 1}, "throttling": {"retry": 3}},
            {"algorithm_error": "stop", "default": {"retry": 1}},
            {"same_error_limit": 2},
            {"out_of_memory": {"patch": {BATCH: "max(1, value // 2)"}}, "algorithm_error": {"retry": 1}},
            {"out_of_memory": {"next": {BATCH: [32, 8]}}, "internal_error": {"retry": 1}, "same_error_limit": 2},
        ]
    )


def prunes(rng: random.Random) -> Mapping[str, Any]:
    """A `prune` section: none of its rules, one, or two."""
    said = {name: kind.drawn(rng) for name, kind in prune.KINDS.items()}
    return {name: said[name] for name in rng.sample(list(said), rng.choice((0, 0, 1, 1, 2)))}


def searched(rng: random.Random) -> dict[str, Any]:
    """The trials of a sweep: declared one by one, drawn beforehand (`sweep.random`), or proposed as it goes."""
    count, seed, form = rng.choice((1, 2, 3, 5)), rng.getrandbits(32), rng.random()
    if form < 0.6:
        return {"trials": ListedTrials(count)}
    if form < 0.8:
        return {"trials": ListedTrials(draw(count, seed, {KEY: ("uniform", (0.0, 1.0))}))}

    def search(chain: Chain) -> SeededSearch:
        trials.known.clear()  # another process
        return SeededSearch(seed, count, trials, chain)

    trials = ProposedTrials(count)
    return {"trials": trials, "search": search}


def draw_sweep(rng: random.Random) -> Sweep:
    """A sweep of one to five trials with some of what an experiment file may ask for."""
    base = {
        "locked": LOCKED,
        "job": JOB,
        "environment": {"TOKEN": SECRET},
    }
    batch = rng.choice((1, 1, 1, 64))
    chosen = stop.rules(stops(apart(rng)))
    keeps: Sequence[int | Literal["auto"]] = (60, 300, 900, 3600, "auto")
    if any(rule.most_usd is not None for rule in chosen):
        keeps = (60, 60, 120, 300, "auto")  # what an idle pool may cost is not left for a job to run too long
    return Sweep(
        name=NAME,
        locked=LOCKED,
        locked_digest=digest(LOCKED),
        digest="d",
        source_digest="s",
        **searched(rng),
        make=made,
        resolve=lambda trial: {
            **base,
            "hyperparameters": {"x": trial.values[KEY], "batch": trial.values.get(BATCH, batch)},
        },
        backend=WarmPool(),
        waits=Waits(poll_s=rng.choice((None, 20.0, 30.0))),
        metrics=(MetricDefinition("m", "m=(.*)"),),
        objective=Objective("m", Goal.MAXIMIZE),
        stop=chosen,
        on_until=rng.choice(("stop", "stop", "finish")),
        prune=prune.pruning(prunes(apart(rng))),
        rate=Rate(USD_PER_HOUR / 3600, overrun_s=OVERRUN_S + LATE_S),
        max_runtime_s=3600,
        pool=PoolSettings(keep_alive_s=rng.choice(keeps), last_job_releases=rng.random() < 0.5),
        on_failure=on_failure(remedies(apart(rng))),
    )
