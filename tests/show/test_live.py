"""The live table's lines, from hand-made pasts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sweeper.core import events as ev
from sweeper.core import measured
from sweeper.core.chain import Chain, apply, fold
from sweeper.core.costs import Rate
from sweeper.core.model import Goal, MetricDefinition, Objective, Sweep, Trial
from sweeper.core.results import best, results
from sweeper.show.cells import cells, wrapped
from sweeper.show.live import frame
from sweeper.show.live.model import LiveModel, subject_of
from sweeper.show.live.sketch import MOST, Sketch, spark
from sweeper.show.plain import shown as shown_value
from tests.core.test_decide import OPENED, Listed, a_sweep, done, intent

METRICS = (MetricDefinition("epoch", r"epoch=(\S+)"), MetricDefinition("m", r"m=(\S+)"))
WIDE_NAMES = ("模型=大型変換器,學習率=0.001", "x=" + "y" * 90, "base")


def sweep_of(names: Sequence[str] = (), size: int = 2) -> Sweep:
    """A sweep that is after `m`; of points with these names, else of so many values of x."""
    sweep = a_sweep(size, objective=Objective("m", Goal.MAXIMIZE), metrics=METRICS[1:])
    if names:
        listed = Listed(0)
        listed.all = [Trial(i, f"{i:016x}", name, {"x": i} if i else {}) for i, name in enumerate(names)]
        sweep = replace(sweep, trials=listed)
    return sweep


def told(sweep: Sweep, *events: ev.Event, chain: Chain | None = None) -> LiveModel:
    """What a display knows after these events, a second apart, which `chain` takes in."""
    model, chain = LiveModel(subject_of(sweep)), Chain() if chain is None else chain
    for at, event in enumerate((OPENED, *events)):
        model.event(event, apply(chain, event), at)
    return model


def drawn(model: LiveModel, columns: int = 100, rows: int = 40, at: float = 60.0) -> list[str]:
    """The frame of this model."""
    return frame.lines(lambda most: model.frame(at, most), columns, rows, colour=False)


def lines(*events: ev.Event, names: tuple[str, ...] = ()) -> list[str]:
    """The frame after these events, blanks squeezed."""
    return [" ".join(line.split()) for line in drawn(told(sweep_of(names), *events))]


def print_lines(model: LiveModel, *told: str) -> None:
    """The second trial prints these lines at second 5."""
    found = measured.reading(METRICS)
    model.printed(intent(1).name, measured.part([measured.Line(5000, one) for one in told], found), 5.0)


def test_what_people_ask_for_is_in_the_table() -> None:
    """A queued trial has the next number; one that was left out says so and is not done."""
    queued = ev.Added(f"{9:016x}", 2, "x=9", {"x": 9})
    shown = lines(*done(0, metrics={"m": 0.5}), ev.Skipped(intent(1).trial, "x=1"), queued)
    assert shown[2].startswith("2 1 skipped")
    assert shown[3] == "3 9 planned"
    assert "s: 1 of 3 done · 1 skipped" in shown[4]
    gone = lines(queued, ev.Withdrawn(queued.trial, queued.label))
    assert "s: 0 of 2 done" in gone[3]


def test_points_show_their_names() -> None:
    """Values alone would not tell which point it is."""
    assert lines(names=("base", "wider"))[:3] == ["# trial x status s m pool", "1 base planned", "2 wider 1 planned"]


def test_the_best_is_the_one_that_counts() -> None:
    """What is not declared, and what another attempt has followed, is not told as the best; its row is marked."""
    shown = lines(*done(7, metrics={"m": 0.99}), *done(0, metrics={"m": 0.9}), *done(0, attempt=2, metrics={"m": 0.2}))
    assert shown[1].startswith("★1 0 completed")
    assert shown[-1] == "★ best m=0.2 x=0"


def test_its_numbers_are_those_of_the_result_files() -> None:
    """Statuses, seconds, metrics and money of every row, how many are done, and the best, as results.csv has them."""
    sweep = replace(sweep_of(size=4), rate=Rate(0.001))
    again = [*done(1, "interrupted"), *done(1, attempt=2, metrics={"m": 3.0}, billable_seconds=40.0)]
    past = [*done(0, metrics={"m": 1.0}, billable_seconds=70.0), *again, *done(2, "failed", failure="killed")]
    chain = fold([OPENED, *past])
    table = results(sweep, chain, rate=sweep.rate)
    shown = told(sweep, *past).frame(60.0, 10)
    assert shown is not None
    same = ("index", "name", "status", "metric.m", "train_seconds", "cost_usd", "pool", "failure")
    assert [[line.row[key] for key in same] for line in shown.lines] == [[r[key] for key in same] for r in table.rows]
    assert shown.usd == pytest.approx(sum(row["cost_usd"] or 0.0 for row in table.rows))
    assert (shown.done, shown.total) == (sum(chain.is_finished(row["trial"]) for row in table.rows), 4)
    chosen = best(table, sweep.objective)
    assert chosen
    assert shown.best == ("m", shown_value(chosen["metric.m"]), chosen["name"])


def test_a_running_trial_shows_its_step_its_course_and_its_last_line() -> None:
    """Of several each; one that prints trains, and what it printed goes when it ends, but for its curve."""
    sweep = replace(sweep_of(), metrics=METRICS)
    begun = [event for n in (0, 1) for event in (intent(n), ev.Created(intent(n).name, "arn"))]
    model = told(sweep, *begun, chain=(chain := Chain()))
    print_lines(model, *(f"epoch={step} m={step / 100}" for step in range(100)), " ")
    shown = drawn(model)
    assert re.match(r"2  1  Training +55 +0.99 +99 ", shown[2])
    assert re.match(r"▸ x=1  Training 55 s  ▁[▁-█]+█  epoch 99 · m 0.99$", shown[5])
    assert shown[6] == "  epoch=99 m=0.99"
    assert re.match(r"▸ x=0  Starting \d+ s$", shown[3])
    ended = done(1, metrics={"m": 0.99})[-1]
    model.event(ended, apply(chain, ended), 9.0)
    after = model.frame(60.0, 10)
    assert after
    assert [one.label for one in after.running] == ["x=0"]
    assert (after.lines[1].word, after.lines[1].curve[0]) == ("completed", 0.0)
    assert "curve" in drawn(model)[0]


@pytest.mark.parametrize(("columns", "rows"), [(79, 24), (119, 40), (199, 50), (39, 12), (19, 5), (3, 2)])
def test_a_frame_fits_and_breaks_no_word(columns: int, rows: int) -> None:
    """At every size, with 5 trials and 5,000, wide characters and long names: no line too wide, none too many."""
    for sweep in (sweep_of(WIDE_NAMES), sweep_of(size=5000)):
        model = told(sweep, *done(0, "failed", failure="killed", message="no memory left " * 9), intent(1))
        print_lines(model, "m=0.5", "m=0.7 " + "學習 " * 90)
        shown = drawn(model, columns, rows)
        assert max(map(cells, shown)) <= columns
        assert len(shown) <= max(3, rows - 1)
        words = {"failed", "Training", "planned", "status"} if columns > NARROWEST else set()
        assert words <= {word for line in shown for word in line.split()}
        assert not [line for line in shown if line != line.rstrip()]


NARROWEST = 30


def test_the_lines_below_are_filled_part_by_part() -> None:
    """What has no room in a line is told whole in the next one."""
    model = told(replace(sweep_of(size=12), rate=Rate(0.001)), *done(0, metrics={"m": 1.0}, billable_seconds=70.0))
    parts = {"s: 1 of 12 done", "about 40 s left", "1:00 min so far", "0.0700 USD (simulated)", "pool idle 56 s"}
    for columns in (60, 80, 200):
        foot = [line for line in drawn(model, columns) if "best" not in line][13:]
        found = {part.strip("━─ ") for line in foot for part in line.split(" · ")}
        assert found == parts
    assert len(foot) == 1


def test_a_long_curve_is_kept_short() -> None:
    """Bounded memory, the newest value last; what is no number is no bar."""
    sketch = Sketch()
    for value in range(10_001):
        sketch.add(value)
    assert len(sketch.values) <= MOST + 1
    assert (sketch.values[0], sketch.values[-1]) == (0, 10_000)
    assert spark([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert spark([1.0, float("nan"), float("inf"), 1.0], 8) == "▅  ▅"
    assert len(spark(sketch.values, 12)) == 12
    assert spark([-1.7e308, 1.7e308], 8) == "▁█"


def test_sentences_break_between_words() -> None:
    """By cells, of which a wide character takes two; what is wider than a line stays whole, to be copied."""
    assert wrapped("out of memory on 訓練 資料 s3://a-long-place/x", 16).split("\n") == [
        "out of memory on",
        "訓練 資料",
        "s3://a-long-place/x",
    ]
