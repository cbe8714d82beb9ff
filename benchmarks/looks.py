"""How long a pool idles until we see that its job has ended, and how many looks that takes: drawn sweeps, virtual time.

Nothing is measured by a clock: the whole chain runs on the twin, each sweep once with a look every 10 s and once with
looks that are learnt from its jobs. Idle is what passes from the moment at which the next job could have had the pool
to the Create of it: for how long the service shows no pool after a job nobody can change.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from sweeper.core.model import EngineKind, OnFailure, PoolSettings, Pruning, Trial
from sweeper.core.ports import Request
from sweeper.core.request import Staged
from sweeper.core.scope import Scope
from sweeper.core.waits import USUAL_S, Waits
from sweeper.engine.training.settings import ServiceSettings
from sweeper.run.runner import Runner
from sweeper.run.world import World
from sweeper.simulation.drawn import ListedTrials, draw_sweep
from sweeper.simulation.host import Listener
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Script, Twin, VirtualClock

SWEEPS = 2000
MOST_MEDIAN_S, MOST_P95_S = 1.5, 4.0
"""What an idle pool is to come to at most."""
LONGEST_S = 86400

RECORDED: Mapping[str, Sequence[float]] = {
    "learning_rates": (11, 6, 1, 1, 1, 1, 1, 1, 1),
    "batch_sizes": (5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    "lora_ranks": (4, 4, 1, 1, 1, 1),
    "until_accuracy": (4, 3, 1, 1),
}
"""The training seconds of the jobs of shipped experiments, as `results.csv` told them of runs on the local engine."""


@dataclass(frozen=True)
class Drawn:
    """A sweep that is drawn: for how long each of its jobs trains and its model goes up, and the service's lags."""

    trains_s: Sequence[float]
    uploads_s: Sequence[float]
    service: ServiceSettings


@dataclass
class Told:
    """What sweeps came to: the idle seconds between two jobs, and the Describe calls of each sweep."""

    idle: list[float]
    calls: list[int]

    @property
    def median_s(self) -> float:
        """Half of the pools idle for no longer."""
        return statistics.median(self.idle)

    @property
    def p95_s(self) -> float:
        """Of twenty, nineteen idle for no longer."""
        return statistics.quantiles(self.idle, n=20)[-1]


def constant(rng: random.Random, base: float, jobs: int) -> list[float]:
    """Every job takes as long, but for half a percent."""
    return [base * rng.gauss(1, 0.005) for _ in range(jobs)]


def noisy(rng: random.Random, base: float, jobs: int) -> list[float]:
    """Each takes as long as chance will have it, by 3 to 12 %."""
    spread = rng.uniform(0.03, 0.12)
    return [base * max(0.3, rng.gauss(1, spread)) for _ in range(jobs)]


def growing(rng: random.Random, base: float, jobs: int) -> list[float]:
    """Each takes longer than the one before it, by 3 to 15 % of the first."""
    step = rng.uniform(0.03, 0.15)
    return [base * (1 + step * number) * rng.gauss(1, 0.01) for number in range(jobs)]


def bimodal(rng: random.Random, base: float, jobs: int) -> list[float]:
    """Of two kinds, by chance: one takes two to five times as long."""
    longer = rng.uniform(2, 5)
    return [base * rng.choice((1, longer)) * rng.gauss(1, 0.01) for _ in range(jobs)]


KINDS: Sequence[Callable[[random.Random, float, int], list[float]]] = (constant, noisy, growing, bimodal)


def drawn(seed: int, kind: Callable[[random.Random, float, int], list[float]]) -> Drawn:
    """The sweep of this seed: 8 to 30 jobs of half a minute to an hour or so."""
    rng = random.Random(f"looks {kind.__name__} {seed}")
    jobs, upload_s = rng.randint(8, 30), rng.choice((1.0, 5.0, 8.0, 15.0, 30.0))
    base = rng.choice((40.0, 120.0, 300.0, 900.0)) * rng.uniform(0.7, 1.4)
    uploads_s = [upload_s * rng.uniform(0.9, 1.1) for _ in range(jobs)]
    return Drawn(kind(rng, base, jobs), uploads_s, service(rng))


def recorded(seed: int) -> list[Drawn]:
    """The shipped experiments as they ran here, on a drawn service and with drawn uploads."""
    rng = random.Random(f"recorded {seed}")
    lags, upload_s = service(rng), rng.choice((1.0, 5.0, 8.0, 15.0, 30.0))
    return [Drawn(lasted, [upload_s] * len(lasted), lags) for lasted in RECORDED.values()]


def service(rng: random.Random) -> ServiceSettings:
    """Its lags, as they are known of it."""
    return ServiceSettings(
        cold_start_s=rng.choice((90.0, 200.0, 400.0)),
        warm_start_s=rng.choice((5.0, 12.0, 20.0)),
        settle_gap_s=rng.choice((0.0, 0.5, 2.0, 15.0)),
    )


def run(given: Drawn, poll_s: float | None) -> Told:
    """The whole chain of a drawn sweep on the twin."""
    clock, jobs = VirtualClock(), iter(zip(given.trains_s, given.uploads_s, strict=True))

    def behave(_request: Request, _rng: random.Random) -> Script:
        trains_s, uploads_s = next(jobs)
        return Script(trains_s, metrics={"m": 0.5}, uploads_in=uploads_s)

    twin = Twin(clock, settings=given.service, behaviour=behave)
    plain = draw_sweep(random.Random(0))

    def resolve(trial: Trial) -> Mapping[str, Any]:
        config = plain.resolve(trial)
        return {**config, "job": {**config["job"], "max_runtime_s": LONGEST_S}}

    sweep = replace(
        plain,
        resolve=resolve,
        trials=ListedTrials(len(given.trains_s)),
        engine=EngineKind.AWS,
        waits=Waits(poll_s=poll_s),
        max_runtime_s=LONGEST_S,
        stop=(),
        pool=PoolSettings(keep_alive_s=600),
        on_failure=OnFailure(),
        prune=Pruning(),
    )
    world = World(twin, MemoryJournal(), clock, Listener(), lambda _: Staged("", {}, "s3://b/out"))
    Runner(sweep, Scope(EngineKind.AWS, "123456789012", "us-east-1"), "bench", world).run()
    made = sorted(twin.service.jobs.values(), key=lambda job: job.created)
    assert len(made) == len(given.trains_s) and all(job.ended for job in made)
    gap_s = given.service.settle_gap_s
    idle = [after.created - (before.ended or 0) - gap_s for before, after in pairwise(made)]
    return Told(idle, [sum(call.operation == "DescribeTrainingJob" for call in twin.calls)])


def all_of(sweeps: Iterable[Drawn], poll_s: float | None) -> Told:
    """What these come to together."""
    found = [run(one, poll_s) for one in sweeps]
    return Told([gap for told in found for gap in told.idle], [calls for told in found for calls in told.calls])


def main(sweeps: int = SWEEPS) -> None:
    """Run them and print what they came to."""
    print(f"\nidle pool between two jobs of {sweeps} drawn sweeps, beyond the service's own gap, and calls of Describe")
    together: dict[float | None, Told] = {USUAL_S: Told([], []), None: Told([], [])}
    for kind in KINDS:
        those = [drawn(seed, kind) for seed in range(sweeps // len(KINDS))]
        for poll_s, so_far in together.items():
            told = all_of(those, poll_s)
            so_far.idle += told.idle
            so_far.calls += told.calls
            say(f"{kind.__name__} lengths", poll_s, told)
    for poll_s, so_far in together.items():
        say("all", poll_s, so_far)
    shipped = [one for seed in range(sweeps // len(RECORDED)) for one in recorded(seed)]
    for poll_s in together:
        say("as recorded", poll_s, all_of(shipped, poll_s))


def say(what: str, poll_s: float | None, told: Told) -> None:
    """A line."""
    how = "learnt" if poll_s is None else f"every {poll_s:g} s"
    figures = f"median {told.median_s:5.2f} s, 95 % within {told.p95_s:5.2f} s, {sum(told.calls):8d} calls"
    print(f"  {what:18} {how:10}  {figures}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
