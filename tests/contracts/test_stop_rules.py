"""What every stop rule holds to, whoever wrote it: those that are registered, and one that somebody has installed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.config.check import findings
from sweeper.config.project import packaged_conf
from sweeper.config.schema import stop_schema
from sweeper.core import stop
from sweeper.core.chain import Chain, fold
from sweeper.core.kinds import rule_default, rule_words
from sweeper.core.model import PoolSettings, Sweep
from sweeper.core.ports import StopRule
from sweeper.core.stop import All
from sweeper.simulation.drawn import draw_sweep, stops
from sweeper.simulation.simulation import Simulation
from sweeper.testing.twin import VirtualClock
from tests import own_stop_rule

DRAWS = 8
SEEDS = range(8)


@pytest.fixture(params=[*stop.KINDS, own_stop_rule.NAME])
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each rule by its name."""
    if request.param == own_stop_rule.NAME:
        own_stop_rule.install(monkeypatch, tmp_path / "installed")
    return str(request.param)


@pytest.fixture
def drawn(name: str) -> list[Any]:
    """What experiments may say under that name."""
    kind, rng = stop.RULES.of(name), random.Random(0)
    return [kind.drawn(rng, VirtualClock.time) for _ in range(DRAWS)]


def made(name: str, value: Any) -> StopRule:
    """The only rule of a section with this value."""
    (rule,) = stop.rules({name: value})
    return rule


def a_sweep(seed: int, *rules: StopRule) -> Sweep:
    """A drawn sweep with these rules."""
    return replace(draw_sweep(random.Random(seed)), stop=rules, pool=PoolSettings(keep_alive_s=60))


def test_what_may_be_said_is_what_is_declared(name: str, drawn: list[Any]) -> None:
    """A value is valid, alone and in a group; no value is no rule; another value or key is told at its place."""
    for value in drawn:
        for section in ({name: value}, {"any": [{name: value}]}, {"all": [{name: value}]}):
            assert findings(section, stop_schema(section)) == []
        assert stop.rules({name: None}) == stop.rules({name: False}) == ()
        assert [path for path, _ in findings({name: ["x"]}, stop_schema({name: ["x"]}))] == [(name,)]
        if isinstance(value, dict):
            odd = {name: {**value, "nope": 1}}
            assert [path for path, _ in findings(odd, stop_schema(odd))] == [(name, "nope")]


def test_it_says_what_it_is(name: str, drawn: list[Any]) -> None:
    """Its name is its key; it tells in words when it ends a chain, and somebody could write it down again."""
    for value in drawn:
        rule = made(name, value)
        assert (rule.name, rule) == (name, made(name, value))
        assert rule.meaning and rule.meaning == rule.meaning.strip() and "\n" not in rule.meaning
        assert rule_words(rule).startswith(name)
        assert not rule.asks.keys() - {"m"}


def told(schema: Any) -> bool:
    """Does a schema say what it means, and everything in it?"""
    inside = [*schema.get("properties", {}).values()]
    others = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return bool(schema.get("description") or others) and all(map(told, (*inside, *others)))


def test_every_option_has_words(name: str) -> None:
    """The schema that an editor reads, and the reference, say what the rule means and what each of its options does."""
    assert told(stop_schema({name: None})["properties"][name])


def test_its_default_is_written_where_every_experiment_starts(name: str) -> None:
    """So that a command line may set it; a user's own is added with a +."""
    base = yaml.safe_load((packaged_conf() / "config.yaml").read_text(encoding="utf-8"))["stop"]
    assert (name in base) is (name in stop.KINDS)
    assert base.get(name) == (rule_default(stop.RULES.of(name)) if name in base else None)


def test_nothing_that_has_happened_is_no_reason(name: str, drawn: list[Any]) -> None:
    """At the beginning no rule ends a chain, and its answers are values."""
    for value in drawn:
        rule = made(name, value)
        sweep = a_sweep(0, rule)
        assert rule.why(sweep, Chain(), VirtualClock.time) is None
        assert {rule.most_trials, sweep.most_trials} in ({None}, {rule.most_trials})
        assert rule.most_usd is None or rule.most_usd > 0


def test_a_simulated_sweep_keeps_every_invariant_with_it_and_is_ended_by_it(name: str) -> None:
    """Under faults and deaths; of one past it always says the same, alone and as one of two that have to agree."""
    ended = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        rule = made(name, stop.RULES.of(name).drawn(rng, VirtualClock.time))
        simulation = Simulation(seed, declared=replace(draw_sweep(rng), stop=(rule,)), poll_s=30.0)
        assert simulation.run().violations == [], seed
        sweep, chain, now = simulation.sweep, fold(simulation.hosts[0].journal.events()), simulation.clock.now()
        ended += bool(chain.decided and chain.decided.rule == name and chain.decided.why)
        why = rule.why(sweep, chain, now)
        assert All((rule, rule)).why(sweep, chain, now) == (f"{why} and {why}" if why else None)
    assert ended, f"{name} ended none of {len(SEEDS)} sweeps"


def test_what_is_drawn_holds_what_it_is_drawn_of(name: str) -> None:
    """Sections of one kind, of any number of rules of it, are valid and make rules of it."""
    kinds = {name: stop.RULES.of(name)}
    for seed in range(DRAWS):
        section = stops(random.Random(seed), kinds)
        assert findings(section, stop_schema(section)) == []
        assert {rule.name for rule in stop.rules(section)} <= {name}
