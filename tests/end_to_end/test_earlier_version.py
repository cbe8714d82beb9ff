"""A sweep that version 0.1.0 ran, as it lies below tests/record: read, and gone on with.

It was run twice: with `stop.max_trials=1`, then without, when x=8 had been added. Its second trial failed, the third
ran out of memory and came to its end with half the batch, the fourth was pruned, the fifth was what `until` waits for.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sweeper.core.chain import fold
from sweeper.record.journal import read
from tests.end_to_end.conftest import QUICK, Project
from tests.forked import start_engine

WRITTEN = Path(__file__).resolve().parents[1] / "record/written_by_0.1.0"
ROWS = [
    ("x=1", "completed", 10.0, 1, "cold", None),
    ("x=2", "failed", None, 1, "cold", "algorithm_error"),
    ("x=3", "completed", 30.0, 2, "reused", None),
    ("x=4", "pruned", "NaN", 1, "reused", None),
    ("x=5", "completed", 50.0, 1, "reused", None),
    ("x=6", "planned", None, None, None, None),
    ("x=8", "planned", None, None, None, None),
]


@pytest.fixture
def old(fresh_project: Project) -> Project:
    """A project in which 0.1.0 has run `before`; its engine is gone."""
    shutil.copytree(WRITTEN / "experiments", fresh_project.root / "experiments", dirs_exist_ok=True)
    shutil.copytree(WRITTEN / "sweep", fresh_project.root / "runs/before")
    return fresh_project


def told(project: Project) -> list[tuple[object, ...]]:
    """The rows that `sweeper status` tells."""
    rows = json.loads(project.verb("status", "before", "--json").out)["rows"]
    return [tuple(row[k] for k in ("name", "status", "metric.score", "attempts", "pool", "failure")) for row in rows]


def test_what_an_earlier_version_wrote_is_read(old: Project) -> None:
    """Table, log, plan and proof tell of it what it told itself; reading leaves the journal as it is."""
    journal = old.root / "runs/before/journal.db"
    before = journal.read_bytes()
    assert told(old) == ROWS
    rows = json.loads(old.verb("status", "before", "--json").out)["rows"]
    assert {row[key] for row in rows for key in ("start_seconds", "upload_seconds", "output", "checkpoints")} == {None}
    assert old.verb("logs", "before", "3").out == "score=30\n"
    planned = old.verb("plan", "+experiment=before")
    assert "7 trials: 5 done, 2 to run" in planned.out, planned.err
    proof = old.verb("verify", "before")
    assert (proof.code, proof.out.partition(":")[2]) == (0, " 56 events, 6 jobs: every invariant holds (the journal)\n")
    assert journal.read_bytes() == before


def test_a_sweep_of_an_earlier_version_is_gone_on_with(old: Project) -> None:
    """What has ended is not trained again, whatever has been added to the schema since: only what was left is."""
    start_engine(old.root / ".sweeper/engine", QUICK)
    ran = old.ended(old.background("+experiment=before", "stop.until=null"))
    assert ran.code == 1, ran.err  # x=2 stays failed
    assert len(old.jobs()) == 2
    left = [("x=6", "completed", 60.0, 1, "cold", None), ("x=8", "completed", 80.0, 1, "reused", None)]
    assert told(old) == [*ROWS[:5], *left]
    chain = fold(event for _, event in read(old.root / "runs/before/journal.db"))
    assert chain.opened is not None and chain.opened.versions["sweeper"]
    assert not chain.debts
