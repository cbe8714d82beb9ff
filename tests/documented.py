"""docs/command-line.md against the real help: `python -m tests.documented` writes the blocks of help anew."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

from sweeper import cli
from sweeper.commands import VERBS

PAGE = Path(__file__).resolve().parent.parent / "docs/command-line.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
WIDTH = "100"


def help_of(verb: str) -> str:
    """What `sweeper VERB --help` prints."""
    told, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            VERBS[verb].main(["--help"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return told.getvalue()


def regenerated(page: str) -> str:
    """The page with every block of help as it is now; what no block tells of stays."""

    def anew(match: re.Match[str]) -> str:
        language, text = match.groups()
        if language:
            return match[0]
        if text.startswith(cli.HELP.split(":")[0] + ": "):
            return f"```\n{cli.HELP}```\n"
        verb = re.match(r"usage: sweeper (\w+)", text)
        return f"```\n{help_of(verb[1])}```\n" if verb and verb[1] in VERBS else match[0]

    return BLOCK.sub(anew, page)


if __name__ == "__main__":
    PAGE.write_text(regenerated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
