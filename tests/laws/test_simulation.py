"""The ten invariants under faults and crashes, and the proof that they can be broken."""

from itertools import count

import pytest

from sweeper.testing.hook import Wire
from sweeper.testing.simulation import Simulation
from tests.laws.mutants import MUTANTS

SEEDS = 2000
BLOCK = 250


@pytest.mark.parametrize("start", range(0, SEEDS, BLOCK))
def test_every_seed_keeps_every_invariant(start: int) -> None:
    """Whatever fails, whenever the runner dies: one job an attempt, no lost result, no forgotten pool, and an end."""
    broken = {seed: found for seed in range(start, start + BLOCK) if (found := Simulation(seed).run().violations)}
    assert not broken, f"replay with: sweeper simulate --seed {next(iter(broken))} --trace"


@pytest.mark.parametrize("seed", [5276, 5976, 12141, 15633, 95580])
def test_a_seed_that_once_broke_an_invariant_keeps_them_all(seed: int) -> None:
    """Found by a long run: what was seen was not durable, a job was left to run, a pool was not waited for."""
    assert Simulation(seed).run().violations == []


REAL = 200
WIRE = Wire()


@pytest.mark.parametrize("start", range(0, REAL, 50))
def test_every_seed_keeps_every_invariant_through_real_botocore(start: int) -> None:
    """The same worlds behind botocore's own serialising, parsing and exceptions."""
    for seed in range(start, start + 50):
        assert Simulation(seed, api_of=WIRE.to).run().violations == [], f"seed {seed}"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_protocol_without_one_rule_breaks_a_law(name: str) -> None:
    """Each broken variant is caught within the seeds that the unbroken protocol passes."""
    caught = next((seed for seed in range(SEEDS) if Simulation(seed, runner=MUTANTS[name]).run().violations), None)
    assert caught is not None, f"no law noticed: {name}"


@pytest.mark.parametrize("seed", [1, 4, 9])
def test_a_runner_that_dies_at_every_touch_of_the_outside_loses_nothing(seed: int) -> None:
    """For every n: die at the n-th call, append or sleep, start again, and all is as if nothing had happened."""
    for n in count(1):
        died = Simulation(seed, chance=0.0, chaos=False, die_at=n).run()
        assert died.violations == [], f"seed {seed}, death at touch {n}"
        if died.deaths == 0:
            break


def test_the_same_seed_tells_the_same_story() -> None:
    """A seed is an exact replay, call by call."""
    assert Simulation(7).run() == Simulation(7).run()
