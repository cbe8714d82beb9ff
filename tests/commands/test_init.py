"""`sweeper init` and `sweeper new`: files that are made, and those that are left as they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import cli
from sweeper.config import run, templates
from sweeper.core.model import Sweep


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWEEPER_PROJECT", raising=False)
    return tmp_path


def planned(name: str) -> Sweep:
    """The sweep that an experiment of the working directory declares."""
    found: list[Sweep] = []
    assert run([f"+experiment={name}"], lambda sweep: found.append(sweep) or 0) == 0
    return found[0]


def test_a_project_begins_with_an_experiment_that_plans(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The experiment, its script and the lines of .gitignore are made, and the next commands are said."""
    assert cli.main(["init"]) == 0
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if line.startswith("wrote ")] == [
        "wrote experiments/first.yaml",
        "wrote experiments/scripts/first/train.py",
        "wrote .gitignore: runs/ .sweeper/",
    ]
    assert "\n  sweeper plan +experiment=first " in told
    assert (empty / ".gitignore").read_text() == "runs/\n.sweeper/\n"
    assert len(planned("first").trials) == 4
    first, schema = (empty / "experiments/first.yaml").read_text().splitlines()[0], "../.sweeper/experiment.json"
    assert first == f"# yaml-language-server: $schema={schema}"
    assert json.loads((empty / "experiments" / schema).read_text())["type"] == "object"


def test_the_first_script_needs_python_alone(empty: Path) -> None:
    """It runs under an interpreter that sees no installed package, and prints the metric that its experiment reads."""
    assert cli.main(["init"]) == 0
    script = empty / "experiments/scripts/first/train.py"
    bare = [sys.executable, "-I", "-S", str(script), "--lr", "0.1"]
    environment = {**os.environ, "SM_MODEL_DIR": str(empty)}
    done = subprocess.run(bare, env=environment, capture_output=True, text=True, check=True)
    metric = planned("first").metrics[0]
    assert re.findall(metric.regex, done.stdout)[-1] == "1.83333e-09"


def test_what_is_there_is_left_as_it_is(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second time nothing is written, and it is said what is there already; lines of .gitignore are kept."""
    (empty / ".gitignore").write_text("mine\n/runs")
    (empty / "experiments").mkdir()
    (empty / "experiments/first.yaml").write_text("mine: true\n")
    assert cli.main(["init"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "experiments/first.yaml is there already"
    assert "added to .gitignore: .sweeper/" in told
    assert (empty / ".gitignore").read_text() == "mine\n/runs\n.sweeper/\n"
    assert (empty / "experiments/first.yaml").read_text() == "mine: true\n"
    assert cli.main(["init"]) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith(("wrote", "added"))]


def test_another_folder_is_made_and_named(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`sweeper init DIR` makes the project there, and says to go there first."""
    assert cli.main(["init", "below/it"]) == 0
    assert (empty / "below/it/experiments/first.yaml").is_file()
    assert "next:\n  cd below/it\n" in capsys.readouterr().out


@pytest.mark.parametrize("template", templates.names())
def test_an_experiment_begins_as_a_template(empty: Path, template: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Under its new name it has the trials of the template and a script of its own; comments are kept."""
    assert cli.main(["new", "mine", "--from", template]) == 0
    capsys.readouterr()
    own, shipped = planned("mine"), (templates.folder() / f"{template}.yaml").read_text()
    assert own.name == "mine"
    assert own.resolve(own.trials[0])["job"]["source_dir"] == "experiments/scripts/mine"
    text = (empty / "experiments/mine.yaml").read_text()
    changed = [line for line in text.splitlines() if line not in shipped.splitlines()]
    assert all("mine" in line or "$schema" in line for line in changed)
    assert f"={template}" not in text


def test_what_exists_is_refused_and_nothing_is_written(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in the way is named, and no other file is made; so is a name that cannot be one."""
    (empty / "experiments/scripts/mine").mkdir(parents=True)
    (empty / "experiments/scripts/mine/train.py").write_text("")
    assert cli.main(["new", "mine"]) == 2
    said = "sweeper: experiments/scripts/mine/train.py: is there already, and nothing is overwritten\n"
    assert capsys.readouterr().err == said
    assert not (empty / "experiments/mine.yaml").exists()
    assert cli.main(["new", "a/b"]) == 2
    assert "a/b: must be letters" in capsys.readouterr().err
    assert cli.main(["new", "on"]) == 0
    assert planned("on").name == "on"
