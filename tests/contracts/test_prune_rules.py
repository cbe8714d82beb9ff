"""What every rule of `prune` holds to: those that are registered."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import yaml

from sweeper.config.check import findings
from sweeper.config.project import packaged_conf
from sweeper.config.schema import SECTIONS
from sweeper.core import prune
from sweeper.core.chain import fold
from sweeper.core.kinds import rule_default
from sweeper.core.model import Sweep
from sweeper.core.prune import pruning
from sweeper.core.shown import Seen, judge
from sweeper.simulation.drawn import draw_sweep
from sweeper.simulation.simulation import Simulation
from tests.core.test_decide import a_sweep
from tests.core.test_prune import NAME, OBJECTIVE, TRAINING

SEEDS = range(4)


@pytest.fixture(params=prune.KINDS)
def name(request: pytest.FixtureRequest) -> str:
    """Each rule by its name."""
    return str(request.param)


@pytest.fixture
def value(name: str) -> Any:
    """What an experiment may say under that name."""
    return prune.KINDS[name].drawn(random.Random(0))


def with_it(sweep: Sweep, name: str, value: Any) -> Sweep:
    """The sweep with this rule and no other."""
    return replace(sweep, prune=pruning({name: value}))


def test_what_may_be_said_is_what_is_declared(name: str, value: Any) -> None:
    """A value is valid and makes the rule of its name, with words; another value is told at its place."""
    section = SECTIONS["prune"]
    assert findings({name: value}, section) == []
    assert [path for path, _ in findings({name: ["x"]}, section)] == [(name,)]
    (rule,) = pruning({name: value}).rules
    assert rule.name == name and pruning({name: value}).words.startswith(name)
    assert pruning({name: None}).rules == pruning({name: False}).rules == ()


def test_its_default_is_written_where_every_experiment_starts(name: str) -> None:
    """So that a command line may set it."""
    base = yaml.safe_load((packaged_conf() / "config.yaml").read_text(encoding="utf-8"))["prune"]
    assert base[name] == rule_default(prune.KINDS[name])


def test_a_job_that_has_shown_nothing_yet_is_not_hopeless(name: str, value: Any) -> None:
    """Nor is one that shows the first value while no other trial has finished."""
    sweep = with_it(a_sweep(objective=OBJECTIVE), name, value)
    chain = fold(TRAINING)
    for seen in (Seen(), Seen([("m", 1.0)])):
        assert judge(sweep, chain, chain.jobs[NAME], seen, list) is None


def test_a_simulated_sweep_keeps_every_invariant_with_it(name: str, value: Any) -> None:
    """Under faults and deaths; what was judged was judged by it."""
    for seed in SEEDS:
        simulation = Simulation(seed, declared=with_it(draw_sweep(random.Random(seed)), name, value), poll_s=30.0)
        assert simulation.run().violations == [], seed
        judged = [job.judged for job in fold(simulation.hosts[0].journal.events()).jobs.values() if job.judged]
        assert {one.rule for one in judged} <= {f"prune.{name}", *(rule.name for rule in simulation.sweep.stop)}
