"""The measurements of benchmarks/ that run an experiment of their own: that experiment is one which sweeper takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import chain, hot, looks, millions
from sweeper import config


@pytest.mark.parametrize("measured", [chain, millions], ids=["chain", "millions"])
def test_what_a_benchmark_runs_is_an_experiment(
    measured: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It composes, and nothing about it is refused."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "measured.yaml").write_text(measured.EXPERIMENT.replace("SIZE", "3"))  # type: ignore[attr-defined]
    monkeypatch.setenv("SWEEPER_PROJECT", str(tmp_path))
    assert config.run(["+experiment=measured"], lambda sweep: int(not sweep.trials)) == 0


def test_a_pool_idles_for_seconds_and_no_more_looks_are_made() -> None:
    """What `make bench` shows for two thousand drawn sweeps holds for one of each kind."""
    given = [looks.drawn(5, kind) for kind in looks.KINDS]
    learnt, fixed = looks.all_of(given, None), looks.all_of(given, looks.USUAL_S)
    assert all(few <= many for few, many in zip(learnt.calls, fixed.calls, strict=True))
    assert learnt.median_s <= looks.MOST_MEDIAN_S < fixed.median_s
    assert learnt.p95_s <= looks.MOST_P95_S < fixed.p95_s


def test_the_list_of_hot_starts_has_a_row_of_each_kind_that_was_ever_measured() -> None:
    """New rows take the place of old ones, in the order of the kinds; what was not measured now is left."""
    first, second = hot.KINDS[:2]
    page = f"before\n{hot.BEGIN}{hot.END}after\n"
    old = hot.written(page, [f"| {second.name} | before |", f"| {first.name} | before |"])
    new = hot.written(old, [f"| {second.name} | after all |"])
    assert [line for line in new.splitlines() if "before |" in line or "after all" in line] == [
        f"| {first.name} | before |",
        f"| {second.name} | after all |",
    ]
    assert new.startswith("before\n") and new.endswith("after\n")
    assert hot.BEGIN in hot.PAGE.read_text(encoding="utf-8")
