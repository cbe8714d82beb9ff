"""What a search by Optuna loses when trials are proposed while others are pending, against one at a time.

Functions whose best value is known and 0; the same seeds, the same number of trials; jobs end in the order in which
they were sent, as jobs of the same length do. Told is the median distance from the best value.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterator

from sweeper.core import events as ev
from sweeper.core.chain import Chain, apply
from sweeper.core.identity import Base
from sweeper.core.model import Goal, Objective
from sweeper.core.ports import Domains
from sweeper.core.space.optuna_search import OptunaSearch, OptunaTrials, Settings

PENDING = (1, 4, 8)
COUNT, SEEDS = 48, 40


def sphere(x: float, y: float) -> float:
    """A bowl."""
    return (x - 0.3) ** 2 + (y + 0.2) ** 2


def branin(x: float, y: float) -> float:
    """Three valleys; x and y from -1 to 1."""
    a, b = 7.5 * x + 2.5, 7.5 * y + 7.5
    valley = b - 5.1 / (4 * math.pi**2) * a**2 + 5 / math.pi * a - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10 - 0.397887


def learning_rate(x: float, y: float) -> float:
    """A narrow optimum, as of a learning rate, beside a parameter that matters little."""
    return 1 - math.exp(-((x - 0.4) ** 2) / 0.02) + 0.05 * y**2


FUNCTIONS: tuple[Callable[[float, float], float], ...] = (sphere, branin, learning_rate)
OF: Domains = {"hyperparameters.x": ("uniform", [-1.0, 1.0]), "hyperparameters.y": ("uniform", [-1.0, 1.0])}


def distances(function: Callable[[float, float], float], pending: int, seed: int) -> Iterator[float]:
    """How far the best so far is from the best there is, after each trial."""
    trials = OptunaTrials(COUNT, tuple(OF), Base({}, tuple(OF)))
    search = OptunaSearch(Settings(COUNT, "tpe", seed, None, OF), trials, Objective("loss", Goal.MINIMIZE))
    chain, running, best = Chain(), deque[str](), math.inf
    while True:
        while len(running) < pending and (found := search.propose(chain)):
            trial = found.trial
            apply(chain, ev.Intent(trial.id, trial.id, trial.index, trial.name, trial.values, 1, "m", 0, 1, ""))
            running.append(trial.id)
        if not running:
            return
        job = chain.jobs[running.popleft()]
        value = function(*(job.intent.values[key] for key in OF))
        apply(chain, ev.Outcome(job.name, "Completed", "completed", {"loss": value}))
        best = min(best, value)
        yield best


def main() -> None:
    """Measure and print: the distance after all trials, and after how many trials as far as one at a time has come."""
    print(f"\nOptuna (tpe), {COUNT} trials, {SEEDS} seeds: median distance from the best value, of so many pending")
    for function in FUNCTIONS:
        told = []
        alone = _median(function, 1)
        for pending in PENDING:
            course = alone if pending == 1 else _median(function, pending)
            as_good = next((n for n, one in enumerate(alone, start=1) if one <= course[-1]), COUNT)
            told.append(f"{pending}: {course[-1]:.4g} (one at a time after {as_good})")
        print(f"  {function.__name__:14} {'   '.join(told)}")


def _median(function: Callable[[float, float], float], pending: int) -> list[float]:
    every = zip(*(distances(function, pending, seed) for seed in range(SEEDS)), strict=True)
    return [statistics.median(after) for after in every]


if __name__ == "__main__":
    main()
