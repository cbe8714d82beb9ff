"""docs/coming-from.md: what `sweeper init --from` makes of its files; `python -m tests.coming_from` writes it anew."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sweeper import cli

PAGE = Path(__file__).resolve().parent.parent / "docs/coming-from.md"
PAIR = re.compile(
    r"^`(?P<file>[\w./]+)`,[^\n]*:\n\n```\w+\n(?P<theirs>.*?)```\n\n"
    r"`sweeper init --from (?P=file)` writes `experiments/(?P<name>\w+)\.yaml`, (?P<trials>\d+) trials?"
    r"(?: with `(?P<words>[^`]+)`)?:\n\n```yaml\n(?P<ours>.*?)```\n",
    re.MULTILINE | re.DOTALL,
)
SCRIPTS = {
    "code/train.py": "",
    "experiments/scripts/tuner/train.py": "",
    "my_app.py": "import hydra\n\n\n@hydra.main()\ndef main(config): ...\n",
}


@dataclass(frozen=True)
class Pair:
    """A file of another tool's and the experiment beside it on the page."""

    file: str
    theirs: str
    name: str
    trials: int
    words: tuple[str, ...]
    ours: str


def pairs(page: str) -> list[Pair]:
    """Every pair of the page."""
    return [
        Pair(
            one["file"],
            one["theirs"],
            one["name"],
            int(one["trials"]),
            tuple((one["words"] or "").split()),
            one["ours"],
        )
        for one in PAIR.finditer(page)
    ]


def made(pair: Pair, folder: Path) -> str:
    """What the command writes in this folder, which is the working directory."""
    for name, text in {**SCRIPTS, pair.file: pair.theirs}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    assert cli.main(["init", "--from", pair.file]) == 0
    return (folder / f"experiments/{pair.name}.yaml").read_text(encoding="utf-8")


def _regenerated(page: str) -> str:
    for pair in pairs(page):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            block = f"experiments/{pair.name}.yaml`"
            before, _, after = page.partition(block)
            page = (
                before + block + after.replace(f"```yaml\n{pair.ours}```", f"```yaml\n{made(pair, Path(folder))}```", 1)
            )
            os.chdir("/")
    return page


if __name__ == "__main__":
    PAGE.write_text(_regenerated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
