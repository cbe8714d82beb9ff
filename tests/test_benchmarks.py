"""The measurements of benchmarks/ that run an experiment of their own: that experiment is one which sweeper takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import chain, millions
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
