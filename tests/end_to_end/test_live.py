"""The live table on a pseudo-terminal: what stands on the screen, and how it got there."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
import urllib.request

import pytest

from sweeper.engine import launch
from tests.end_to_end.conftest import Project, wait_for
from tests.end_to_end.terminal import Opened, Terminal

CLEARING = [b"\x1b[2J", b"\x1b[J", b"\x1b[0J", b"\x1b[1J", b"\x1b[3J", b"\x1bc", b"\x1b[?1049h", b"\x1b[?47h"]
SIZES = [(80, 24), (200, 50)]
HEAD = re.compile(r"^ *#  x  status +s  score +pool")
ROW = re.compile(r"^ *★?\d+  \d+  [A-Za-z_]+\b")
RUNS = re.compile(r"^▸ x=\d  ")
FOOT = re.compile(r"^[━─]+  tiny: \d+ of 3 done")

# The lines of the log that a running trial writes, one for each file `step-N` that appears.
STEPS = """\
for step in range(3):
    while a.x == 2 and not os.path.exists(f"{os.path.dirname(os.environ['BEGAN'])}/step-{step}"):
        time.sleep(0.02)
    print(f"score={step + 0.5}", flush=True)
"""


@pytest.fixture
def stepping(project: Project) -> Project:
    """The second trial goes on step by step, when the test says so."""
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text().replace("time.sleep(a.wait)\n", STEPS))
    return project


def table_of(terminal: Terminal) -> list[str]:
    """The lines of the table, header to foot; fails when the screen is not one whole table."""
    lines = terminal.text.splitlines()
    heads = [n for n, line in enumerate(lines) if HEAD.match(line)]
    assert len(heads) == 1, terminal.text
    table = lines[heads[0] :]
    assert all(ROW.match(line) for line in table[1:4]), terminal.text
    feet = [n for n, line in enumerate(table) if FOOT.match(line)]
    assert feet == [6 if any(map(RUNS.match, table)) else 4], terminal.text
    return table


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_table_is_whole_on_every_size_and_nothing_is_cleared(
    stepping: Project, opened: Opened, columns: int, rows: int
) -> None:
    """Parameter, phase and seconds, metric as it comes, pool, best, time left; only changed lines are written."""
    terminal = opened(columns=columns, rows=rows)
    terminal.until(lambda: re.search(r"\n ?2  2  Training +\d+ +reused", terminal.text))
    terminal.until(lambda: "best score=10 x=1" in terminal.text)  # the last line of the same frame may come later
    _, first, _, third, *below = table_of(terminal)
    assert re.match(r"★1  1  completed +\d+ +10 +cold", first)
    assert re.match(r" 3  3  planned", third)
    told = " ".join(below)
    assert re.search(r"▸ x=2 +Training \d+ s .*1 of 3 done · about .* left .*\d+ s so far .*pool in use \d+ s", told)
    for step in range(2):
        (stepping.root / f"step-{step}").touch()
        terminal.until(lambda step=step: re.search(rf"\n 2  2  Training +\d+ +{step}\.5 +reused", terminal.text))
        terminal.until(lambda step=step: f"\n  score={step}.5\n" in terminal.text)
        table_of(terminal)
    (stepping.root / "step-2").touch()
    assert terminal.to_end() == 0
    assert not any(sequence in terminal.bytes for sequence in CLEARING)
    assert not FOOT.search(terminal.text), "the table gives its lines back to the report"
    assert "best: x=3  score = 30 (maximize)" in terminal.text
    # A line that stays the same is not written again: no flicker.
    assert terminal.bytes.count(b"3  planned") <= 4


def test_another_terminal_watches(stepping: Project, opened: Opened) -> None:
    """From the files alone: the same table to the sweep's end; lines in a pipe; the page; Ctrl-C leaves it quietly."""
    run = opened()
    run.until(lambda: re.search(r"\n ?2  2  Training", run.text))
    lines = stepping.background("status", "--watch")
    view = stepping.background("view", "--json")
    assert view.stdout
    served = json.loads(view.stdout.readline())
    assert served["sweep"] == "tiny"
    with urllib.request.urlopen(f"{served['address']}data.json") as answer:
        assert json.load(answer)["rows"]["status"][:2] == ["completed", "running"]
    watching, left = (opened.verb("status", "--watch", columns=120, rows=40) for _ in range(2))
    for terminal in (watching, left):
        terminal.until(lambda terminal=terminal: re.search(r"\n 2  2  [A-Z][a-z]+ +\d+ +reused", terminal.text))
        terminal.until(lambda terminal=terminal: "★ best score=10 x=1" in terminal.text)
        assert "1 of 3 done · about" in " ".join(table_of(terminal))
    left.press(b"\x03")
    assert left.to_end() == 130
    assert "sweeper:" not in left.text
    assert "Traceback" not in left.text
    (stepping.root / "step-0").touch()
    watching.until(lambda: "\n  score=0.5\n" in watching.text)
    for step in (1, 2):
        (stepping.root / f"step-{step}").touch()
    assert run.to_end() == 0
    assert watching.to_end() == 0
    assert re.search(r"tiny: 3 of 3 done", watching.text)
    assert re.search(r"tiny: finished, 3 of 3 trials done", watching.text)
    told = stepping.ended(lines)
    assert told.code == 0
    assert re.match(r"tiny: running, 1 of 3 trials done", told.out)
    assert re.search(r"\d\d:\d\d:\d\d x=3: completed, score=30", told.out)
    view.send_signal(signal.SIGINT)
    left_by = stepping.ended(view)
    assert (left_by.code, left_by.err) == (130, "")


def test_no_color_means_no_colour(project: Project, opened: Opened) -> None:
    """With NO_COLOR not one sequence sets a style; the table is the same."""
    project.environment["NO_COLOR"] = "1"
    terminal = opened()
    assert terminal.to_end() == 0
    assert re.search(rb"#  x  status .*score +pool", terminal.bytes)
    assert not re.search(rb"\x1b\[[0-9;]*m", terminal.bytes[: terminal.bytes.rindex(b"\x1b[K")])
    assert not re.search(rb"\x1b\[[0-9;]*[34][0-9]m", terminal.bytes)


def test_a_dumb_terminal_gets_plain_lines(project: Project, opened: Opened) -> None:
    """TERM=dumb: lines with the time, no sequence that moves a cursor."""
    terminal = opened(env=["TERM=dumb"])
    assert terminal.to_end() == 0
    assert b"\x1b[" not in terminal.bytes
    assert re.search(r"\d\d:\d\d:\d\d x=3: completed", terminal.text)


def test_a_terminal_that_does_not_read_holds_nothing_up(project: Project, opened: Opened) -> None:
    """Nobody reads the terminal (Ctrl-S): the sweep is run and its pool closed all the same."""
    terminal = opened("hyperparameters.x=range(8)", "hyperparameters.wait=0.5", columns=200, rows=50)
    wait_for(lambda: len(project.begun()) == 8, "every trial has begun")
    wait_for(
        lambda: not (launch.status(project.root / ".sweeper/engine") or {"pools_alive": 1})["pools_alive"], "closed"
    )
    terminal.to_end()


def test_a_window_that_changes_its_size_breaks_nothing(stepping: Project, opened: Opened) -> None:
    """Smaller, larger and tiny while a trial runs: the table is whole again, and the sweep never notices."""
    terminal = opened(columns=120, rows=40)
    terminal.until(lambda: re.search(r"\n ?2  2  Training", terminal.text))
    for columns, rows in [(60, 20), (150, 45), (20, 5), (100, 30)]:
        terminal.resize(columns, rows)
        drawn = len(terminal.bytes)
        terminal.until(lambda drawn=drawn: len(terminal.bytes) > drawn + 100)
    for step in range(3):
        (stepping.root / f"step-{step}").touch()
    assert terminal.to_end() == 0
    assert "best: x=3" in terminal.text


def test_frames_are_few(stepping: Project, opened: Opened) -> None:
    """At most a handful of frames a second are drawn however often the engine is looked at."""
    terminal = opened()
    terminal.until(lambda: re.search(r"\n ?2  2  Training", terminal.text))
    before, begun = terminal.bytes.count(b"\r\x1b["), time.monotonic()
    terminal.until(lambda: re.search(r"\n ?2  2  Training +1 ", terminal.text))
    frames = terminal.bytes.count(b"\r\x1b[") - before
    assert frames <= 6 * (time.monotonic() - begun) + 2, sys.version
    for step in range(3):
        (stepping.root / f"step-{step}").touch()
    assert terminal.to_end() == 0
