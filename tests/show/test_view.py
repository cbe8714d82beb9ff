"""The live table's lines, from hand-made pasts."""

from __future__ import annotations

from dataclasses import replace

from sweeper.core import events as ev
from sweeper.core.chain import Chain, apply
from sweeper.core.model import Goal, MetricDefinition, Objective, Trial
from sweeper.show.live import View
from tests.core.test_decide import OPENED, Listed, a_sweep, done, intent


def lines(*events: ev.Event, names: tuple[str, ...] = ()) -> list[str]:
    """The frame after these events, blanks squeezed."""
    sweep = a_sweep(2, objective=Objective("m", Goal.MAXIMIZE), metrics=(MetricDefinition("m", "m=(.*)"),))
    if names:
        listed = Listed(0)
        listed.all = [Trial(i, f"{i:016x}", name, {"x": i} if i else {}) for i, name in enumerate(names)]
        sweep = replace(sweep, trials=listed)
    view, chain = View(sweep, lambda: 0.0), Chain()
    for event in (OPENED, *events):
        view.event(event, apply(chain, event))
    return [" ".join(line.split()) for line in view.lines(100, 40, colour=False)]


def test_what_people_ask_for_is_in_the_table() -> None:
    """A queued trial has the next number; one that was left out says so and is not done."""
    queued = ev.Added(f"{9:016x}", 2, "x=9", {"x": 9})
    shown = lines(*done(0, metrics={"m": 0.5}), ev.Skipped(intent(1).trial, "x=1"), queued)
    assert shown[2:4] == ["2 1 skipped", "3 9 planned"]
    assert shown[4].startswith("s: 1 of 3 done · 1 skipped")
    gone = lines(queued, ev.Withdrawn(queued.trial, queued.label))
    assert gone[3].startswith("s: 0 of 2 done")


def test_points_show_their_names() -> None:
    """Values alone would not tell which point it is."""
    assert lines(names=("base", "wider"))[:3] == ["# trial x s m pool", "1 base planned", "2 wider 1 planned"]


def test_the_best_is_the_one_that_counts() -> None:
    """What is not declared, and what another attempt has followed, is not told as the best."""
    shown = lines(*done(7, metrics={"m": 0.99}), *done(0, metrics={"m": 0.9}), *done(0, attempt=2, metrics={"m": 0.2}))
    assert "best m=0.2 x=0" in shown[-1]
