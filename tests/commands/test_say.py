"""What a terminal would obey reaches it by no way on which sweeper prints what others wrote."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.cli import main
from sweeper.commands.say import BILLING, complain, hide, hide_given, tell, trace, warn_unreleased
from sweeper.core.model import Goal, Objective
from sweeper.core.results import Results
from sweeper.core.secrets import MASK, Redactor
from sweeper.core.text import harmless, harmless_lines
from sweeper.run.release import Unreleased
from sweeper.show.table import print_table

FORGED = "\x1b[2J\x9b31m\u202ednuora\u2028\x07\rdone"
OBEYED = set("\x1b\x9b\u202e\u2028\x07\r")


@pytest.fixture(autouse=True)
def nothing_hidden() -> Iterator[None]:
    """What one test hides is no secret in the next."""
    yield
    hide(str)


@given(st.text())
def test_harmless_text_is_one_line_of_the_same_length_that_a_terminal_only_shows(text: str) -> None:
    """No control character of either kind, no mark that turns the direction, no end of a line; the rest as it is."""
    shown = harmless(text)
    assert len(shown) == len(text)
    assert not [c for c in shown if ord(c) < 32 or 127 <= ord(c) < 160 or "\u202a" <= c <= "\u202e"]
    assert len(shown.splitlines()) <= 1
    assert harmless_lines(text).split("\n") == [harmless_lines(line) for line in text.split("\n")]


def test_what_is_told_and_complained_of_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout and on stderr, in tracebacks too; line feeds and tabs stay."""
    tell(f"a\tb\n{FORGED}")
    complain(f"one\n{FORGED}")
    try:
        raise ValueError(FORGED)
    except ValueError:
        trace()
    told = capsys.readouterr()
    assert not OBEYED.intersection(told.out + told.err)
    assert told.out.startswith("a\tb\n [2J")
    assert told.err.startswith("sweeper: one\nsweeper:  [2J")


def test_the_command_that_releases_a_pool_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    """The environment holds the sweep's name, as of a project elsewhere: it is masked in the reason alone."""
    hide(Redactor({"PROJECT": "mnist-baseline"}))
    assert (
        warn_unreleased([Unreleased("mnist-baseline-1a-a01", "mnist-baseline was denied", "--region eu-west-1")])
        == BILLING
    )
    first, last = capsys.readouterr().err.splitlines()
    assert first == f"sweeper: THE POOL OF mnist-baseline-1a-a01 MAY STILL BILL: {MASK} was denied"
    assert "--training-job-name mnist-baseline-1a-a01 " in last
    assert Unreleased("the sweep tiny", "", "--region eu-west-1", nameless=True).command == "sweeper pools release"


def test_an_error_that_repeats_a_secret_is_told_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A service's refusal and a bug's traceback may hold what was sent; what was asked for is told as it is."""
    hide(Redactor({"TOKEN": "planted-5e3c7e7"}))
    complain("refused: planted-5e3c7e7")
    try:
        raise ValueError("planted-5e3c7e7")
    except ValueError:
        trace()
    tell("task=planted-5e3c7e7")
    told = capsys.readouterr()
    assert "planted" not in told.err
    assert told.out == "task=planted-5e3c7e7\n"


def test_what_the_command_line_gives_the_environment_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell has put the secret there; a reference and what stands under other keys are told as they are."""
    hide_given(
        ["+environment.KEY=hf_abcdef,'hf other'", "environment={A: deepvalue}", "x.y=plainvalue", "x=${oc.env:N}"]
    )
    complain("hf_abcdef hf other deepvalue plainvalue ${oc.env:N}")
    assert capsys.readouterr().err == "sweeper: *** *** *** plainvalue ${oc.env:N}\n"
    monkeypatch.chdir(tmp_path)
    assert main(["plan", '+environment.HF_TOKEN="hunter2']) == 2
    told = capsys.readouterr().err
    assert "+environment.HF_TOKEN=***: a quote is opened" in told and "hunter2" not in told


def test_the_table_is_harmless_on_a_terminal() -> None:
    """Names, values, keys, metrics and messages are others' words; the styles are the table's own."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    key, metric = f"hyperparameters.{FORGED}", f"metric.{FORGED}"
    row = {"trial": "t", "name": FORGED, "index": 0, "status": "completed", key: FORGED, metric: 1.0, "message": FORGED}
    screen = Screen()
    print_table(screen, Results((*row,), (row,)), [key], row, Objective(FORGED, Goal.MAXIMIZE))
    assert not (OBEYED - {"\x1b"}).intersection(screen.getvalue())
    assert "\x1b[2J" not in screen.getvalue()
