"""`sweeper schema`: the JSON Schema of what a verb prints with --json."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.config import project
from sweeper.config.problems import nearest
from sweeper.errors import UsageError


def main(arguments: Sequence[str]) -> int:
    """Print it, or the names of all; returns the exit code."""
    parser = Parser(
        prog="sweeper schema",
        description="The JSON Schema (draft-07) of what a verb prints with --json; `run` is that of `sweeper "
        "+experiment=NAME --json`, `events` that of a line of `--events jsonl`. Without a name: which there are.",
    )
    parser.add_argument("name", nargs="?", metavar="VERB", help="a verb, run or events")
    name = parser.parse_args(arguments).name
    folder = project.packaged_conf() / "schema" / "outputs"
    known = sorted(path.stem for path in folder.glob("*.json"))
    if name is None:
        tell("\n".join(known))
    elif name in known:
        tell((folder / f"{name}.json").read_text(encoding="utf-8"), end="")
    else:
        hint = nearest(name, known) or f"; there is {', '.join(known)}"
        raise UsageError(f"schema: {name} prints no JSON{hint}")
    return 0
