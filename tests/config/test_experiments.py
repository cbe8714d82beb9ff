"""The experiments that ship with the repository: each composes, plans, resolves, and fits the schema editors read."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import jsonschema
import pytest
import yaml

from sweeper.config import run
from sweeper.config.project import packaged_conf
from sweeper.core.model import Sweep
from sweeper.record import script

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
PATTERNS = {
    "first": 4,
    "learning_rates": 9,
    "batch_sizes": 11,
    "lora_ranks": 6,
    "ablate_checkpointing": 10,
    "bump_dependency": 3,
    "until_accuracy": 10,
}


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_it_plans(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It declares the trials it promises, without a warning; each resolves; its script reads all that is swept."""
    monkeypatch.chdir(ROOT)
    found: list[Sweep] = []
    assert run([f"+experiment={file.stem}"], lambda sweep: found.append(sweep) or 0) == 0
    (sweep,) = found
    assert sweep.name == file.stem
    assert len(sweep.trials) == PATTERNS.get(file.stem, len(sweep.trials))
    # a known-good point that runs first is meant to stand in the grid as well
    assert all("came before" in line for line in sweep.warnings)
    found_out = script.verdict(sweep)
    assert not found_out or not (found_out.unread or found_out.unknown)
    for trial in sweep.trials:
        assert sweep.resolve(trial)["job"]["image_uri"]


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_editors_accept_it(file: Path) -> None:
    """An experiment names its schema in the first line and fits it."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../conf/schema/experiment.json"
    schema = json.loads((packaged_conf() / "schema" / "experiment.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    assert list(jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(file.read_text(encoding="utf-8")))) == []


def test_every_pattern_is_there() -> None:
    """There is an experiment for each pattern, and no other is left without a number of trials."""
    assert {file.stem for file in EXPERIMENTS} >= set(PATTERNS)


def test_the_wheels_are_what_their_source_builds(tmp_path: Path) -> None:
    """The two wheels of `bump_dependency` are the ones that their script builds, byte for byte."""
    folder = ROOT / "experiments" / "scripts" / "bump"
    runpy.run_path(str(folder / "build_wheels.py"))["build"](tmp_path)
    built = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert built == {file.name: file.read_bytes() for file in (folder / "wheels").iterdir()}
