"""Whatever stands in a file or on a command line: an answer, soon, in words, and nothing left behind.

A sample of it here; `make fuzz` tries thousands.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import forked
from tests.fuzz import inputs

TIMES = int(os.environ.get("SWEEPER_TEST_FUZZ", "20"))
FIRST = int(os.environ.get("SWEEPER_TEST_FUZZ_FIRST", "0"))
LIMIT_S = 10
"""Of processor time, which a busy machine does not stretch; what only waits is ended by the wall clock."""
WALL_S = 300
MOST_LETTERS = 1_000
LINE = re.compile(
    r"sweeper: (command line: \+experiment=x: x\.yaml in experiments is |\S+?:\d+:\d+: |warning: |\.\.\. and \d+ more)"
)


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code; negative: the signal that ended it."""

    code: int
    told: str


def ask(words: Sequence[str], root: Path) -> Answer:
    """Run the command in this project, in a process of its own."""
    told = root / "told"
    state = root / "state"
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "HOME": str(root)}
    child = os.fork()
    if not child:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        signal.alarm(WALL_S)
        out = os.open(told, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        forked.become(lambda: forked.command(list(words)), (-1, out, out), root, environment)
    _, status = os.waitpid(child, 0)
    return Answer(os.waitstatus_to_exitcode(status), told.read_text(encoding="utf-8", errors="replace"))


def wrong(answer: Answer, words: Sequence[str]) -> str:
    """Why this is no answer to these words; nothing when it is one. A word is repeated once, other things are cut."""
    if answer.code < 0:
        return f"ended by signal {-answer.code}: it takes too long"
    if answer.code not in (0, 1, 2, 4) or "Traceback" in answer.told:
        return f"exit code {answer.code}: {answer.told[-300:]}"
    longest = max(answer.told.splitlines(), key=len, default="")
    if answer.code == 2 and len(longest) > MOST_LETTERS + sum(map(len, words)):
        return f"a line of {len(longest)} characters: {longest[:100]}"
    return ""


def test_no_file_is_too_bad(tmp_path: Path) -> None:
    """`plan` of a bad file ends with 0 or 2, within seconds; each line of a refusal has its place in a file."""
    found: dict[int, str] = {}
    for number in range(FIRST, FIRST + TIMES):
        root = tmp_path / str(number)
        words = inputs.project(number, root)
        answer = ask(["plan", *words], root)
        what = wrong(answer, words)
        if not what and answer.code == 2:
            what = next((line for line in answer.told.splitlines() if not LINE.match(line)), "")
        if not what and (answer.code not in (0, 2) or (root / "runs").exists()):
            what = f"exit code {answer.code}, or something is left in runs/"
        if what:
            found[number] = what
        else:
            shutil.rmtree(root)
    assert not found


def test_no_command_line_is_too_bad(tmp_path: Path) -> None:
    """Every verb with odd flags and words ends within seconds and without a traceback, and leaves nothing in runs/."""
    found: dict[int, str] = {}
    for number in range(FIRST, FIRST + TIMES):
        words = inputs.command_line(number, tmp_path)
        what = wrong(ask(words, tmp_path), words) or (
            "something is left in runs/" if (tmp_path / "runs").exists() else ""
        )
        if what:
            found[number] = f"{words}: {what}"
    assert not found
