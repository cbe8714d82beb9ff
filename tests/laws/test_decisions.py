"""Killed between a result and the decision about it: the rerun decides the same, by whatever rule or remedy."""

from collections import Counter

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.decide import decide
from sweeper.core.search import search_for
from sweeper.testing.simulation import Simulation

SEEDS = 400
OPENED = ev.Opened("d", "s", "", "sweep", "simulated")


def test_the_rerun_of_a_killed_run_decides_the_same() -> None:
    """For every result and every judgement in every journal, with a rerun after it and without one."""
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        simulation = Simulation(seed, chance=0.0, chaos=seed % 2 == 1)
        simulation.run()
        sweep, journal = simulation.sweep, simulation.journal.events()
        for end, event in enumerate(journal, start=1):
            if not isinstance(event, (ev.Outcome, ev.Judged)):
                continue
            before, after = fold(journal[:end]), fold([*journal[:end], OPENED])
            if before.stopping or before.decided:
                continue  # the end was decided before this result
            now = simulation.clock.now()
            decisions = [decide(sweep, search_for(sweep, chain), chain, now) for chain in (before, after)]
            assert decisions[0] == decisions[1], f"seed {seed}, event {end}"
            met[type(decisions[0]).__name__ + (event.rule if isinstance(event, ev.Judged) else "")] += 1
    assert {"Submit", "Decide", "StopJobuntil", "StopJobprune.median", "StopJobprune.no_metric_s"} <= set(met)
