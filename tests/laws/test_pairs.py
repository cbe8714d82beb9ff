"""Two sweeps on one pool, both of which may die at any moment; and the proof that the laws can be broken."""

from __future__ import annotations

import os

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain
from sweeper.core.decide import Decision, HandOver, Release, decide
from sweeper.core.events import Closed
from sweeper.run.handing import Handing
from sweeper.run.parts import Parts
from sweeper.run.runner import Runner
from sweeper.simulation.pairs import Pair, Party

SEEDS = int(os.environ.get("SWEEPER_PAIRS", "24"))
"""`make pairs` tries 5,000."""
MOST = 400


def test_a_pool_that_changes_hands_always_has_an_owner() -> None:
    """Whoever dies: never a pool without an owner, never a release by who does not owe it, and an end for both."""
    broken, handed_over, deaths = {}, 0, 0
    for seed in range(SEEDS):
        pair = Pair(seed)
        if found := pair.run():
            broken[seed] = found
        handed_over, deaths = handed_over + pair.handed_over, deaths + pair.deaths
    assert broken == {}
    assert handed_over
    assert deaths


def test_where_nobody_dies_what_is_awaited_is_handed_over_and_used() -> None:
    """The last job keeps its pool, the next sweep takes it over, and its first job starts warm."""
    pairs = [Pair(seed, calm=True) for seed in range(SEEDS // 2)]
    assert {pair.seed: found for pair in pairs if (found := pair.run())} == {}
    assert any(pair.handed_over for pair in pairs)


class LetsGoAtOnce(Handing):
    """What was offered is believed to be taken."""

    def offer(self, decision: HandOver) -> None:
        """Let go before the other one owes it."""
        super().offer(decision)
        to = self.notes.chain.offered
        assert to is not None
        self.notes.note(ev.PoolClosed(decision.name, Closed.HANDED_OVER.value, to.sweep, 0.0))


class TooSoon(Runner):
    """Lets go before the other one's record is durable."""

    made_of = Parts(handing=LetsGoAtOnce)


class ReleasesAfter(Runner):
    """Sends one more release when the pool was handed over."""

    def _do(self, decision: Decision) -> None:
        super()._do(decision)
        offered = self.chain.offered
        if offered and offered.name not in self.chain.debts and not self.chain.inherited:
            self.world.api.update_training_job(offered.name, 0)


class NeverAwaited(Runner):
    """Releases its pool whoever waits."""

    @staticmethod
    def decide(sweep: object, search: object, chain: Chain, *rest: object) -> Decision:  # type: ignore[override]
        move = decide(sweep, search, chain, *rest)  # type: ignore[arg-type]
        return Release((move.name,)) if isinstance(move, HandOver) else move


class DiesWithIt(Party):
    """Dies as soon as it has taken a pool over, once."""

    def inherit(self, pool: ev.Inherited) -> None:
        """Owe it, and die at the next touch of the outside."""
        super().inherit(pool)
        if not self.danger.deaths:
            self.danger.deaths_left, self.danger.chance = 1, 1.0


class Unwatched(DiesWithIt):
    """Takes a pool over with no watchdog."""

    def inherit(self, pool: ev.Inherited) -> None:
        """Owe it, and nobody closes it when this dies."""
        armed = self.armed
        super().inherit(pool)
        self.armed = armed


def test_who_dies_with_what_it_has_just_taken_is_watched_over() -> None:
    """Its watchdog was there before it owed the pool, which the one before lets go all the same."""
    pairs = [Pair(seed, party=DiesWithIt) for seed in range(SEEDS // 2)]
    assert {pair.seed: found for pair in pairs if (found := pair.run())} == {}
    assert any(pair.handed_over for pair in pairs)


MUTANTS = {
    "lets go before the record is durable": Pair(0, runner=TooSoon),
    "releases after it has handed over": Pair(0, runner=ReleasesAfter),
    "does not hand over": Pair(0, calm=True, runner=NeverAwaited),
    "takes over without a watchdog": Pair(0, party=Unwatched),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_handover_without_one_rule_breaks_a_law(name: str) -> None:
    """Each broken variant is caught within the seeds that the unbroken protocol passes."""
    like = MUTANTS[name]
    pairs = (Pair(seed, like.calm, like.runner, like.party) for seed in range(MOST))
    assert any(pair.run() for pair in pairs), f"no law noticed: {name}"
