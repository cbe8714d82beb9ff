"""The page's data: a pure function of what happened, in the numbers of results.csv."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.costs import Rate
from sweeper.core.model import Goal, MetricDefinition, Objective
from sweeper.core.phases import spans
from sweeper.core.repeats import best_group
from sweeper.core.results import Results, best, grouped, results
from sweeper.core.space.declared import seed_key
from sweeper.show.report import data, to_html
from sweeper.show.report.curves import Curve, split, thin
from sweeper.show.report.data import varied
from sweeper.show.report.importance import PARTLY, Parameter, importance
from sweeper.show.report.page import to_json
from sweeper.show.report.subject import Subject
from sweeper.show.report.words import busy_seconds
from tests.core.test_decide import OPENED, a_sweep, done, intent

OBJECTIVE = Objective("m", Goal.MAXIMIZE)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
FEW = settings(max_examples=40)
NAMES, ENDS = ("Starting", "Downloading", "Training", "Uploading"), (0.0, 90.0, 100.0, 160.0, 170.0)
PHASES = [[name, *times] for name, times in zip(NAMES, pairwise(ENDS), strict=True)]


def later(seconds: float) -> list[list[Any]]:
    """The phases of a job that came to be so much later; a warm one starts in ten seconds."""
    return [["Starting", seconds, seconds + 10], ["Training", seconds + 10, seconds + 60]]


def subject(*events: ev.Event, **more: Any) -> Subject:
    """The page of a sweep of three trials after these events."""
    sweep = a_sweep(3, objective=OBJECTIVE, metrics=(MetricDefinition("m", ""),))
    chain = fold([OPENED, *events])
    table = results(sweep, chain, rate=more.get("rate"))
    return Subject("s", table, chain, best(table, OBJECTIVE), OBJECTIVE, **more)


PAST = [
    *done(0, metrics={"m": 0.1 + 0.2}, transitions=PHASES, started_at=100.0, ended_at=170.0, billable_seconds=80.0),
    ev.PoolClosed("s-0-a01", "reused_by_own", by="s-1-a01", retained_s=5.0),
    *done(1, "failed", failure="out_of_memory", message="no", transitions=later(175.0), ended_at=235.0),
    ev.PoolClosed("s-1-a01", "terminated", retained_s=30.0),
]


def test_the_timeline_has_every_second_of_the_chain() -> None:
    """Phases follow each other without a gap, and behind each job the pool idles until the next one or its end."""
    told = data(subject(*PAST, closed_at={"s-1-a01": 266.0}))["jobs"]
    assert [(job["label"], job["pool"], job["begun"], job["seen"]) for job in told] == [
        ("x=0", "cold", 0.0, None),
        ("x=1", "reused", 175.0, 266.0),
    ]
    assert told[0]["spans"] == [
        ["start", 0.0, 90.0],
        ["download", 90.0, 10.0],
        ["train", 100.0, 60.0],
        ["upload", 160.0, 10.0],
        ["idle", 170.0, 5.0],
    ]
    assert told[1]["spans"][-1] == ["idle", 60.0, 30.0]
    assert busy_seconds([told[0], {**told[1], "begun": 9000.0}]) == busy_seconds(told) == 265.0


def test_the_receipt_adds_up_what_is_known() -> None:
    """Jobs on the same machines are one pool; seconds that nobody told are not zero, and are counted."""
    told = data(subject(*PAST, rate=Rate(0.01), closed_at={"s-1-a01": 266.0}))["receipt"]
    (pool,) = told["pools"]
    assert (pool["jobs"], pool["first"], pool["closed"], pool["seen"]) == (2, "x=0", "released", "1970-01-01T00:04:26Z")
    assert (told["billable_s"], told["idle_s"], told["usd"]) == (80.0, 35.0, 1.15)
    assert told["provisional"] == ["the seconds of 1 job are not told"]
    unknown = data(subject(*PAST))
    assert unknown["receipt"]["usd"] is None
    assert "unknown, not zero" in " ".join(unknown["assumptions"])
    asked = {"instance_preferences": [{"instance_type": "ml.dear"}, {"instance_type": "ml.m5.large"}]}
    priced = {"locked": asked, "prices": {"usd_per_hour": {"ml.m5.large": 1.0}}}
    assert "price of ml.dear is not known" in " ".join(data(subject(*PAST, config=priced))["assumptions"])


def test_a_running_job_is_on_the_timeline_until_now() -> None:
    """One that has not ended lasts from its intent to the moment of the page."""
    (job,) = data(subject(intent(0), now=50.0, intended_at={"s-0-a01": 20.0}))["jobs"]
    assert (job["status"], job["begun"], job["spans"], job["closed"]) == (
        "running",
        20.0,
        [["running", 0.0, 30.0]],
        "may still bill",
    )
    (job,) = data(subject(intent(0), now=50.0, running=True))["jobs"]
    assert job["closed"] == "in use", "a runner is there to close it"


def test_a_sweep_that_came_to_nothing_says_why() -> None:
    """What most trials failed of is told first, as long as none completed."""
    failed = [event for n in range(2) for event in done(n, "failed", failure="out_of_memory", message="no room")]
    other = done(2, "failed", failure="algorithm_error", message="odd")
    assert data(subject(*failed))["summary"][1] == "No trial completed. 2 failures: out of memory: no room."
    told = data(subject(*failed, *other))["summary"][1]
    assert told == "No trial completed. 2 of 3 failures: out of memory: no room."
    assert "failures" not in " ".join(data(subject(*failed, *done(2, metrics={"m": 1.0})))["summary"])


def test_nothing_of_others_becomes_markup() -> None:
    """What a name, a metric or a message holds is in the page as JSON alone, and is read back as it was."""
    hostile = "</script><script>alert(1)</script><!--<b>&amp;\u2028{{style}}"
    events = [replace(PAST[0], label=hostile), *PAST[1:4]]
    told = data(subject(*events, config={"name": hostile}))
    page = to_html({**told, "name": hostile})
    assert "alert(1)</script>" not in page
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    read = json.loads(found[1])
    assert read["name"] == hostile
    assert read["jobs"][0]["label"] == hostile
    assert unescape(page.partition("<title>")[2].partition("</title>")[0]) == hostile
    allowed = page.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    assert "default-src 'none'" in allowed
    assert "script-src 'unsafe-inline'" not in allowed


@given(st.dictionaries(st.text(), NUMBERS | st.text() | st.none() | st.integers() | st.lists(NUMBERS)))
@example({"seed": 2**63 - 1})
@FEW
def test_numbers_are_read_back_as_they_were(value: dict[str, Any]) -> None:
    """To the last digit; NaN, the infinities and whole numbers that a script would round as words."""
    read = json.loads(to_json(value))
    words = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

    def same(was: Any, now: Any) -> bool:
        if isinstance(was, list):
            return len(was) == len(now) and all(map(same, was, now))
        if isinstance(now, str) and not isinstance(was, str):
            return repr(words.get(now) or int(now)) == repr(was)
        assert not isinstance(now, int) or abs(now) <= 2**53
        return repr(now) == repr(was)

    assert all(same(value[key], read[key]) for key in value)


@given(st.lists(NUMBERS, min_size=1, max_size=400), st.integers(4, 60))
@FEW
def test_a_thinned_curve_keeps_its_ends_and_its_extremes(values: list[float], most: int) -> None:
    """Every point that is left is one that was there; the first, the last, the lowest and the highest are."""
    whole = Curve(values, {"number": [float(n) for n in range(len(values))]})
    left = thin(whole, most)
    assert len(left.y) <= max(most, 1)
    assert [repr(values[int(n)]) for n in left.at["number"]] == [repr(value) for value in left.y]
    assert (left.at["number"][0], left.at["number"][-1]) == (0.0, len(values) - 1)
    finite = [value for value in values if not math.isnan(value)]
    assert not finite or {min(finite), max(finite)} <= set(left.y)


def test_a_curve_stands_on_the_steps_that_were_printed_before_it() -> None:
    """Over the number of the value, over seconds, and over a metric that counts."""
    told = [(10.0, "epoch", 1.0), (11.0, "m", 0.5), (20.0, "epoch", 2.0), (21.0, "m", 0.7)]
    ((name, one),) = split(told, ["epoch"])
    assert (name, one.y) == ("m", [0.5, 0.7])
    assert one.at == {"number": [1, 2], "seconds": [1.0, 11.0], "epoch": [1.0, 2.0]}


def seeded(*values: tuple[int, int, str, float | None]) -> Results:
    """Rows of (x, seed, status, m)."""
    columns = ("trial", "name", "index", "status", "hyperparameters.x", "hyperparameters.seed", "metric.m")
    rows = [(f"{x}{seed}", f"x={x},seed={seed}", 1, status, x, seed, m) for x, seed, status, m in values]
    return Results(columns, tuple(dict(zip(columns, row, strict=True)) for row in rows), seed_key({"repeat": 2}))


@pytest.mark.parametrize(("goal", "chosen"), [(Goal.MAXIMIZE, 1), (Goal.MINIMIZE, 2)])
def test_trials_that_differ_in_their_seed_are_one_group(goal: Goal, chosen: int) -> None:
    """n, mean and the deviation of the sample over those that completed with a value; the best is so by its mean."""
    rows = [(1, 0, "completed", 0.5), (1, 1, "completed", 0.7), (2, 0, "completed", 0.9), (2, 1, "failed", None)]
    table = seeded(*rows, (2, 2, "completed", 0.1), (3, 0, "completed", math.nan))
    found = grouped(table, "metric.m")
    assert [len(group.members) for group in found] == [2, 3, 1]
    assert [group.n for group in found] == [2, 2, 0]
    assert found[0].mean == pytest.approx(0.6)
    assert found[0].deviation == pytest.approx(0.1 * math.sqrt(2))
    assert (found[2].mean, found[2].deviation) == (None, None)
    row = best(table, Objective("m", goal))
    assert row is not None and row["trial"] == {1: "11", 2: "22"}[chosen]  # the best trial of the best group
    assert best_group(found, Objective("m", goal)) is found[chosen - 1]


@pytest.mark.parametrize(
    ("values", "sweep", "log"),
    [
        ([1, 2, 4, 8], {}, True),
        ([0.001, 0.5], {}, True),
        ([1, 2, 3], {}, False),
        ([0, 1, 1000], {}, False),
        ([0.1, 0.5], {"random": {"of": {"hyperparameters.x": {"loguniform": [0.1, 0.5]}}}}, True),
        ([0.1, 0.5], {"random": {"of": {"hyperparameters.x": {"qloguniform": [0.1, 0.5, 0.1]}}}}, True),
        ([0.1, 0.5], {"concat": [{"grid": {"hyperparameters.x": {"logspace": [0.1, 0.5, 2]}}}]}, True),
        ([0.1, 0.5], {"grid": {"hyperparameters.y": {"logspace": [0.1, 0.5, 2]}}}, False),
        (["a", "b"], {}, False),
    ],
)
def test_an_axis_is_logarithmic_where_it_is_one(values: list[Any], sweep: dict[str, Any], log: bool) -> None:
    """By its declaration, or by values that go up by one factor or far."""
    table = seeded(*((value, 0, "completed", 0.5) for value in values))
    (parameter,) = varied(Subject("s", table, fold([OPENED]), config={"sweep": sweep}))
    assert parameter.log is log


def test_a_parameter_that_only_some_trials_have_matters_among_them() -> None:
    """A number counts where there is one, even where Optuna's forest would be asked otherwise; a word is one more."""
    parameters = [Parameter("x", "x", True, False), Parameter("kind", "kind", False, False)]
    rows = [{"kind": "a", "x": n, "m": -n} for n in range(6)] + [{"kind": None, "m": n} for n in range(6)]
    found = importance(parameters, rows, "m", "maximize", forest=True)
    assert (found.method, dict(found.shares)["x"]) == ("rank correlation", 1.0)
    assert found.words.endswith(PARTLY)
    assert dict(importance(parameters, rows[6:], "m", "maximize", forest=False).shares) == {}


def test_a_rank_correlation_knows_what_matters() -> None:
    """Whatever the scale and the direction; of words the correlation ratio; said which it is, and when it is none."""
    parameters = [Parameter(key, key, key != "kind", False) for key in ("rises", "falls", "noise", "kind")]
    rows = [
        {"rises": 10.0**n, "falls": -n, "noise": [3, 1, 2, 2, 1, 3][n], "kind": "ab"[n // 3], "m": float(n)}
        for n in range(6)
    ]
    found = importance(parameters, rows, "m", "maximize", forest=False)
    shares = dict(found.shares)
    assert found.method == "rank correlation"
    assert (shares["rises"], shares["falls"]) == (1.0, 1.0)
    assert shares["noise"] == pytest.approx(0.0, abs=0.1)
    assert 0.8 < shares["kind"] < 1
    assert importance(parameters, rows[:3], "m", "maximize", forest=False).shares == ()


def test_where_optuna_is_installed_it_says_what_matters() -> None:
    """Its fANOVA finds what no correlation sees; only when it is asked for, and said which of both it is."""
    pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    parameters = [Parameter("x", "x", True, False), Parameter("kind", "kind", False, False)]
    rows = [{"x": float(n), "kind": "ab"[n % 2], "m": (n - 12.0) ** 2} for n in range(25)]
    asked = importance(parameters, rows, "m", "minimize", forest=True)
    assert (asked.method, asked.shares[0][0]) == ("fANOVA", "x")
    assert asked.shares[0][1] > 0.9
    assert dict(importance(parameters, rows, "m", "minimize", forest=False).shares)["x"] < 0.1


MOMENTS = st.floats(0, 1000)


@given(st.lists(st.tuples(st.sampled_from(["Starting", "Training", "Strange"]), MOMENTS, MOMENTS | st.none())), MOMENTS)
@FEW
def test_phases_lie_one_after_another(told: list[tuple[str, float, float | None]], ended: float) -> None:
    """Each begins where the one before it ends, and none lasts for less than nothing."""
    found = spans(told, ended)
    for before, after in pairwise(found):
        assert before.seconds is not None
        assert before.at + before.seconds == pytest.approx(min(after.at, max(before.at, ended)))
    assert all(span.seconds is None or span.seconds >= 0 for span in found)
