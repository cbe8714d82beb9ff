"""The page for those who come from another tool shows what the command makes of its files."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from sweeper.config.foreign.converted import MISSING
from sweeper.config.project import packaged_conf
from sweeper.config.reading import Loader
from tests.coming_from import PAGE, Pair, made, pairs
from tests.config.conftest import Project

PAIRS = pairs(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.file)
def test_the_page_shows_what_is_made_of_each_file(project: Project, pair: Pair) -> None:
    """The experiment beside each file is the one that is written, with the trials that are told; editors accept it."""
    text = made(pair, project.root)
    assert text == pair.ours
    assert len(project.sweep(*pair.words, name=pair.name).trials) == pair.trials
    schema = json.loads((packaged_conf() / "schema" / "experiment.json").read_text(encoding="utf-8"))
    wrong = jsonschema.Draft7Validator(schema).iter_errors(yaml.load(text, Loader))
    assert {error.instance for error in wrong} <= {MISSING}


def test_each_tool_has_its_pair_and_a_way_there() -> None:
    """W&B, Hydra with Optuna, AMT, Ray and ModelTrainer, and the README and the first steps lead to the page."""
    assert [Path(pair.file).name for pair in PAIRS] == [
        "sweep.yaml",
        "config.yaml",
        "tuning.json",
        "tuner.py",
        "launch.py",
    ]
    for page in (PAGE.parent / "getting-started.md", PAGE.parent.parent / "README.md"):
        assert "coming-from.md" in page.read_text(encoding="utf-8")
