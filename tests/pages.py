"""The blocks of code that the pages show, and for each what is done with it: tests/test_pages.py does it.

A block is looked at by its language: a fragment of YAML is composed, commands are run or composed, Python is executed,
JSON and INI are read. What is tested elsewhere, or cannot be run here, stands in a table below with the reason.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```|~~~)(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)(?P=fence)$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A block of code of a page: `page` is its path in the repository, `number` counts from 1."""

    page: str
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}#{self.number}"

    @property
    def commands(self) -> list[list[str]]:
        """Its lines as words, comments and prompts left out, those that go on in the next line put together."""
        lines = self.text.replace("\\\n", " ").splitlines()
        words = (shlex.split(line.removeprefix("$ "), comments=True) for line in lines)
        return [line for line in words if line]


BY_OTHERS: tuple[tuple[str, str, str], ...] = (
    ("README.md", "yaml", "tests/config/test_readme.py"),
    ("docs/aws.md", "bash", "tests/test_aws_page.py"),
    ("docs/coming-from.md", "yaml", "tests/coming_from.py"),
    ("docs/coming-from.md", "json", "tests/coming_from.py"),
    ("docs/coming-from.md", "python", "tests/coming_from.py"),
    ("docs/contributing/*.md", "*", "tests/contracts/test_recipes.py"),
    ("docs/python.md", "python", "tests/end_to_end/test_python.py"),
    ("docs/experiment-file.md", "yaml", "tests/config/test_reference.py"),
)
"""Pages, a language, and the tests that take these blocks from the page."""

SHOWN: Mapping[str, str] = {
    "cli                 one command line": "a picture of folders",
    "journal --fold--> chain": "a picture",
    "7 jobs: 1 cold, 6 reused": "the end of a run that takes minutes; its sentences: tests/show/test_receipt.py",
    "02:14:09 waiting for new credentials": "a run whose sign-in ends: tests/end_to_end/test_single_sign_on.py",
    "from elsewhere: locked.role_arn of": "a line of a plan with a defaults file: tests/config/test_sdk_defaults.py",
}
"""How blocks begin that hold no code, and what they are."""

NOT_HERE: Mapping[str, str] = {
    "aws": "needs the AWS CLI and an account; those of docs/aws.md are checked against the services' models",
    "cat": "writes a file for the AWS CLI",
    "make": "makes an environment; that there is such a target is checked",
    "optuna-dashboard": "serves until it is ended",
    "pip": "installs over the network; the extras that it names are checked",
    "tensorboard": "serves until it is ended",
    "wandb": "sends to W&B",
}
"""Programs of others that no block's test starts, and why."""

NEEDS: Mapping[str, str] = {
    "mlflow": "installed by make test-trackers",
    "pandas": "installed by make test-trackers",
    "polars": "installed by make test-trackers",
    "sagemaker": "installed by make test-clients",
}
"""Packages that Python in the pages uses and that need not be installed: such a block is compiled."""


def pages() -> Iterator[Path]:
    """Every page of the repository that is for its readers."""
    yield from sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("skills/**/*.md")])


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    name = page.relative_to(ROOT).as_posix()
    return [Block(name, number, one["language"], dedent(one["text"])) for number, one in enumerate(found, 1)]


def by_others(block: Block) -> str:
    """The tests that take this block from its page; empty for none."""
    return next(
        (by for page, language, by in BY_OTHERS if fnmatch(block.page, page) and fnmatch(block.language, language)), ""
    )


def is_shown(block: Block) -> bool:
    """True for what is no code."""
    return any(block.text.startswith(begins) for begins in SHOWN)


def is_help(block: Block) -> bool:
    """True for the help of all and of each verb, which tests/documented.py writes."""
    begins = ("sweeper: ", "usage: ", "sweeper +experiment=NAME [KEY=VALUE ...]")
    return block.page == "docs/command-line.md" and block.text.startswith(begins)
