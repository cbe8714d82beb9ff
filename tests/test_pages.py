"""Every block of code of the README and of docs/ does what it says: it is run, composed or read."""

from __future__ import annotations

import ast
import configparser
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper import cli, config
from sweeper.commands import VERBS
from sweeper.config import suite
from sweeper.config.reading import Loader
from sweeper.engine import launch
from sweeper.errors import UsageError
from tests import pages
from tests.config.conftest import EXPERIMENT
from tests.forked import Forked, command, heed_signals, start_engine
from tests.pages import Block

EVERY = [block for page in pages.pages() for block in pages.blocks(page)]
OPEN = [block for block in EVERY if not (pages.by_others(block) or pages.is_shown(block) or pages.is_help(block))]
OURS = ("sweeper", "python", ".venv/bin/python")
SCRIPT = "print('eval_accuracy=0.5')\n"
SAID = {"NAME": "first", "TRIAL": "1", "ranks": "first", "[best|TRIAL]": "best", "ID": "1"}
"""What stands for what a reader fills in."""
SLOW = {"--seeds": "2"}
"""Flags whose number is smaller here."""
LONG_LIVED = {("engine", "serve"), ("view",)}
TEMPLATES = ("lora_ranks", "learning_rates")


def of(*languages: str) -> list[Any]:
    """The blocks of these languages that are to be tried."""
    return [pytest.param(block, id=str(block)) for block in OPEN if block.language in languages]


def is_typed(block: Block) -> bool:
    """True for commands with what they print."""
    return block.text.startswith("$ ")


def ours(words: list[str]) -> list[str]:
    """The words after our program's name; empty for another program."""
    named = words[0] in OURS and (words[0] == "sweeper" or words[1:3] == ["-m", "sweeper"])
    return [SAID.get(word, word) for word in words[1 if words[0] == "sweeper" else 3 :]] if named else []


def filled(words: list[str]) -> list[str]:
    """The command with what a reader fills in, and small numbers."""
    told = [re.sub(r"=NAME\b", "=first", word) for word in words]
    return [SLOW.get(before, word) for before, word in zip(["", *told], told, strict=False)]


COMMANDS = [
    (block, words)
    for block in OPEN
    if block.language in ("", "bash", "sh") and not is_typed(block)
    for words in block.commands
]


def is_composed(words: list[str]) -> bool:
    """True for a command that needs an account, a queue, or minutes: it is composed, and not run."""
    return any(
        re.match(r"(engine=aws|backend=|engine\.recorded=|\+experiment=(lora_ranks|learning_rates)$)", word)
        for word in words
    )


def test_every_block_is_of_a_kind() -> None:
    """A block that is neither tested elsewhere, shown for a stated reason, nor of a language that is tried, fails."""
    known = {"", "bash", "sh", "yaml", "json", "ini", "python"}
    assert not [str(block) for block in OPEN if block.language not in known]
    for begins in pages.SHOWN:
        assert any(block.text.startswith(begins) for block in EVERY), begins
    for page, language, by in pages.BY_OTHERS:
        name = Path(page).name.replace("*", "")
        assert name in (pages.ROOT / by).read_text(encoding="utf-8")
        assert any(pages.by_others(block) == by and language in ("*", block.language) for block in EVERY)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in pages.pages()])
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading of its page."""
    for name, anchor in re.findall(r"\]\((?!\w+:)([\w./-]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        assert target.exists(), name
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}, anchor


@pytest.mark.parametrize("block", of("json", "ini"))
def test_what_is_data_can_be_read(block: Block) -> None:
    """By the reader of its format."""
    if block.language == "json":
        json.loads(block.text)
    else:
        configparser.ConfigParser().read_string(block.text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a script, which is the working directory."""
    for folder in ("code", "src", "data"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWEEPER_PROJECT", raising=False)
    monkeypatch.setenv("TEAM_WEBHOOK", "https://example.com/hook")
    return tmp_path


@pytest.mark.parametrize("block", of("yaml"))
def test_a_fragment_composes(block: Block, project: Path) -> None:
    """A whole experiment, or a list of them; sections in one that has the keys and metrics that they name."""
    said = yaml.load(block.text, Loader)
    if suite.SUITE in said:
        shutil.copytree(pages.ROOT / "experiments", project / "experiments")
        (project / "experiments/x.yaml").write_text(block.text)
        assert len(suite.composed(suite.entries(["x"], project), project)) == len(said[suite.SUITE])
        return
    if "builder" in said:
        pytest.importorskip("sagemaker.train", reason=pages.NEEDS["sagemaker"])
        (project / "trainers.py").write_text(next(one.text for one in EVERY if "# trainers.py" in one.text))
    elif "locked" not in said:
        base = yaml.load(EXPERIMENT, Loader)
        names = ("accuracy", "eval_accuracy", "eval_loss", "epoch")
        base["job"]["metrics"] = [{"name": name, "regex": rf"\b{name}=(\S+)"} for name in names]
        base["hyperparameters"] |= {"batch_size": 8}
        base["locked"] |= {"subnets": ["subnet-0123456789"], "security_group_ids": ["sg-0123456789"]}
        base["objective"] = {"metric": "eval_accuracy", "goal": "maximize"}
        base["sweep"] = {"grid": {"hyperparameters.rank": [1, 2]}}
        said = {**base, **said, "job": {**base["job"], **said.get("job", {})}}
    else:
        folder = project / said["job"]["source_dir"]
        folder.mkdir(parents=True)
        (folder / "train.py").write_text(SCRIPT)
    (project / "experiments").mkdir(exist_ok=True)
    (project / "experiments/x.yaml").write_text(yaml.safe_dump(said, sort_keys=False))
    try:
        assert config.run(["+experiment=x", "engine=aws"], lambda sweep: int(not len(sweep.trials))) == 0
    except UsageError as error:  # all else is right, and make test-trackers installs them
        assert all("needs a package that is not installed: pip install" in line for line in str(error).splitlines())


@pytest.mark.parametrize("block", of("python"))
def test_python_runs(block: Block, project: Path) -> None:
    """It is executed; what needs a package that is not installed is compiled."""
    tree = ast.parse(block.text)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    code = compile(tree, str(block), "exec")
    if names.isdisjoint(pages.NEEDS) and "points" not in names:
        exec(code, {"__name__": "shown", **given(block)})


def given(block: Block) -> dict[str, Any]:
    """What a block goes on from; the study of a sweep called NAME, where it opens one."""
    found: dict[str, Any] = {"pytest": pytest}
    if "ServiceSettings" in block.text:
        from sweeper.engine.training.settings import ServiceSettings

        found["ServiceSettings"] = ServiceSettings
    if "optuna." in block.text:
        found["optuna"] = pytest.importorskip("optuna")
        from tests.tracking.test_optuna_journal import OF, job, told

        Path("runs/NAME").mkdir(parents=True)
        told(Path("runs/NAME"), job("a", 0.1, 0.5), {"optuna": {"of": OF}}, name="NAME")
    return found


@pytest.mark.parametrize(("program", "words"), [(words[0], words) for _, words in COMMANDS if not ours(words)])
def test_a_program_of_others_is_one_that_is_known(program: str, words: list[str]) -> None:
    """It is not started here for a stated reason; a target of make and an extra of the package are there."""
    if program == "export":
        assert all("=" in word for word in words[1:])
        return
    assert pages.NOT_HERE[program]
    if program == "make":
        makefile = (pages.ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{word}:", makefile, re.M) for word in words[1:] if "=" not in word)
    for extra in re.findall(r"\[([\w,]+)\]", " ".join(words)) if program == "pip" else ():
        declared = (pages.ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
        assert all(re.search(rf"^{name} = ", declared, re.M) for name in extra.split(","))


@pytest.mark.parametrize("words", [ours(words) for _, words in COMMANDS if is_composed(words)])
def test_a_command_for_an_account_composes(words: list[str], project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its overrides are right, whatever engine and backend they name; nothing is sent."""
    told = filled(words)
    overrides = [word for word in told if "=" in word and not word.startswith("-")]
    assert all(word in VERBS or word.startswith("-") or word.isdigit() or word in overrides for word in told)
    if any(word.endswith(TEMPLATES) for word in overrides):
        monkeypatch.chdir(pages.ROOT)
    else:
        assert cli.main(["init"]) == 0
        mine = (project / "experiments/first.yaml").read_text()
        (project / "experiments/mine.yaml").write_text(mine)
    for file in re.findall(r"recorded=(\S+)", " ".join(words)):
        (project / file).write_text(json.dumps({"settings": {}}))
    monkeypatch.setenv("SAGEMAKER_ROLE_ARN", "arn:aws:iam::111122223333:role/jobs")
    if any(word.startswith("+experiment=") for word in overrides):
        assert config.run(overrides, lambda sweep: 0) == 0


class Scratch:
    """One project in which the commands of all pages run, one after another, on one engine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SWEEPER_"))}
        self.environment = {**kept, "XDG_STATE_HOME": str(root / "state"), "SWEEPER_OWNER": "reader"}

    def run(self, words: list[str]) -> tuple[int, str, str]:
        """Run a command of ours; its exit code and what it printed."""
        process = Forked(
            command,
            words,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=heed_signals,
        )
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """A project with the script and the experiment of the page for beginners, and an engine that runs."""
    (found,) = (one for one in EVERY if one.page.endswith("getting-started.md") and one.language == "yaml")
    folder = tmp_path / "experiments/scripts/mine"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text(SCRIPT)
    (tmp_path / "experiments/mine.yaml").write_text(found.text)
    start_engine(tmp_path / ".sweeper/engine", {"settle_gap_s": 0.02, "release_lag_s": 0.02})
    yield Scratch(tmp_path)
    launch.stop(tmp_path / ".sweeper/engine")


def test_the_commands_of_the_pages_work(scratch: Scratch) -> None:
    """In their order, those of the first steps first: each ends well; one that is shown twice is run once."""
    first = [(block, words) for block, words in COMMANDS if block.page.endswith("getting-started.md")]
    done: set[tuple[str, ...]] = set()
    assert scratch.run(["init"])[0] == 0
    for block, words in [*first, *COMMANDS]:
        told = filled(ours(words))
        if not told or is_composed(words) or tuple(told) in done:
            continue
        done.add(tuple(told))
        if any(told[: len(one)] == [*one] for one in LONG_LIVED):
            continue
        code, out, err = scratch.run(told)
        assert code == 0, f"{block}: sweeper {' '.join(told)}\n{out}{err}"
    assert len(done) > 10
    assert (scratch.root / "runs/first/results.csv").exists()


MISTAKEN = "\n\nmethod: grid\nsweep:\n  random:\n    count: 2\n    of:\n      hyperparameters.lr: interval(0, 1)\n"
"""What the page for those who come from elsewhere shows the mistakes of, from line 12 on."""


@pytest.mark.parametrize("block", [pytest.param(block, id=str(block)) for block in OPEN if is_typed(block)])
def test_a_command_prints_what_is_shown(block: Block, project: Path) -> None:
    """Line by line; `...` stands for anything."""
    typed, *shown = block.text.splitlines()
    words = ours(typed.removeprefix("$ ").split())
    if words != ["init"]:
        assert cli.main(["init"]) == 0
        (project / "experiments/mine.yaml").write_text((project / "experiments/first.yaml").read_text())
    if block.page.endswith("coming-from.md"):
        (project / "experiments/mine.yaml").write_text(
            EXPERIMENT.replace("environment:\n  MODE: fast\n", "\n") + MISTAKEN
        )
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        cli.main(words)
    pattern = "\n".join(".*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") for line in shown)
    assert re.fullmatch(f"(?s){pattern}\n?", told.getvalue()), told.getvalue()
