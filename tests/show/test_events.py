"""What programs are told of a sweep, drawn over seeds: of whatever happens, in every state that a crash may leave."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sweeper.commands import VERBS, listing, shapes, status
from sweeper.commands.exit_code import stored_exit_code
from sweeper.core import as_json, measured
from sweeper.core import events as ev
from sweeper.core.chain import Chain, apply, fold
from sweeper.core.measured import Line, part
from sweeper.core.model import MetricDefinition
from sweeper.core.results import results
from sweeper.record.journal import SqliteJournal
from sweeper.record.stored import StoredSweep
from sweeper.show.events import Happening, Stream
from sweeper.show.summary import standing, stored_ended, stored_standing
from sweeper.simulation.simulation import Simulation
from sweeper.testing.journals import MemoryJournal
from tests import documented
from tests.as_told import check

SEEDS = range(8)


def as_printed(told: Any) -> Any:
    """An object after its way over stdout."""
    return json.loads(as_json.line(told))


def stored(folder: Path, events: list[ev.Event]) -> StoredSweep:
    """The folder that a runner leaves which dies after these events."""
    folder.mkdir(parents=True)
    journal = SqliteJournal(folder / "journal.db", lambda: 1000.0)
    journal.append(*events)
    journal.close()
    return StoredSweep(folder)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_is_told_as_its_schema_says(seed: int, tmp_path: Path) -> None:
    """Each happening, how the sweep stands after each, and how its folder tells it; a job's end is told once."""
    simulation = Simulation(seed, journal=MemoryJournal())
    simulation.run()
    sweep, events, chain = simulation.sweep, [*simulation.journal.events()], Chain()
    told: list[Happening] = []
    stream = Stream(("s", "/s"), sweep.trials, told.append, lambda: 1000.0, str)
    for number, event in enumerate(events):
        stream.event(event, apply(chain, event))
        if number % 5 == 0:
            table = results(sweep, chain, rate=sweep.rate)
            stands = standing(table, chain, sweep.objective, simulated=True, running=bool(number % 2))
            ended = {"sweep": "s", "name": "s", "folder": "/s", "exit_code": 0, "unreleased": [], **stands}
            check("wait", as_printed(ended))
    for happening in told:
        check("events", as_printed(happening))
    over = [one["job_name"] for one in told if one["event"] == "trial_ended"]
    assert over == [event.name for event in events if isinstance(event, ev.Outcome)]
    for cut in {len(events), len(events) // 2, 1}:
        left = stored(tmp_path / f"runs/s{cut}", events[:cut])
        check("status", as_printed(status.as_json(left)))
        check("list", as_printed({"sweeps": [listing.as_json(left)]}))
        check("wait", as_printed(stored_ended(left, stored_exit_code(left))))
        by = stored_standing(left)["ended_by"]
        died = not any(getattr(left.chain, word) for word in ("finished", "stopping", "decided"))
        assert (by is not None and by["by"] == "broken_off") is died


def test_a_value_of_a_metric_is_told_once_a_second_and_the_last_one_always() -> None:
    """However much a job prints: the newest value when it is time again, what was left over before its end; NaN too."""
    now, told = [100.0], list[Any]()
    intent = ev.Intent("j", "t" * 16, 0, "x=1", {}, 1, "f", 0, 60, "")
    stream = Stream(("s", "/s"), [], told.append, lambda: now[0], str)  # type: ignore[arg-type]
    chain = fold([intent, ev.Created("j", "arn")])
    metrics = measured.reading([MetricDefinition("m", "m=(.*)")])
    for text in ("m=1", "m=2", "m=3", "m=4"):
        stream.printed(chain.jobs["j"], part([Line(0, text)], metrics))
        now[0] += 0.4
    stream.printed(chain.jobs["j"], part([Line(0, "m=nan"), Line(0, "other")], metrics))
    outcome = ev.Outcome("j", "Completed", "completed", {"m": math.nan})
    stream.event(outcome, apply(chain, outcome))
    assert [one["value"] for one in told if one["event"] == "metric"] == [1.0, 4.0, "NaN"]
    assert (told[-1]["event"], told[-1]["metrics"]) == ("trial_ended", {"m": "NaN"})


def test_the_published_schemas_and_the_page_are_those_of_the_types() -> None:
    """`make docs` writes them anew; every verb that prints JSON has one."""
    root = Path(__file__).resolve().parents[2]
    found = {path.stem: path.read_text("utf-8") for path in (root / "conf/schema/outputs").glob("*.json")}
    assert found == {verb: shapes.to_json(schema) for verb, schema in shapes.schemas()}
    assert {verb for verb in VERBS if "[--json]" in documented.help_of(verb)} <= {*found}
    page = (root / "docs/machine.md").read_text("utf-8")
    assert page == shapes.page_of(page)
