"""The first page that a stranger reads: its experiment, its links and its pictures."""

from __future__ import annotations

import re
from pathlib import Path

from tests.config.conftest import Project
from tools.pictures import EXPERIMENT, MOST_BYTES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TWO_SCREENS = 100
"""Lines."""


def test_the_experiment_of_the_readme_is_one(project: Project) -> None:
    """It composes as it stands, and has a trial for each rank."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    project.write("experiments/shown.yaml", block)
    project.write("experiments/scripts/lora/train.py", "")
    ranks = [trial.values["hyperparameters.rank"] for trial in project.sweep(name="shown").trials]
    assert ranks == [1, 2, 4, 8, 16, 32]


def test_the_readme_is_short() -> None:
    """Two screens."""
    assert len(README.splitlines()) <= TWO_SCREENS


def test_the_pictures_are_there_small_and_ask_nobody() -> None:
    """Each is shown on a page; that of the terminal tells the command that makes its sweep, and fetches no font."""
    pages = README + (ROOT / "docs/results.md").read_text(encoding="utf-8")
    shown = {ROOT / "docs" / name for name in re.findall(r"pictures/[\w.-]+", pages)}
    assert shown == {*(ROOT / "docs/pictures").iterdir()}
    assert all(0 < picture.stat().st_size < MOST_BYTES for picture in shown)
    terminal = (ROOT / "docs/pictures/live.svg").read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)|@import|<image|<script", terminal)
    assert EXPERIMENT[0] in terminal
