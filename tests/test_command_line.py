"""The help, the verbs and the page about them are one."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from sweeper import cli
from sweeper.commands import VERBS
from tests import documented
from tests.config.conftest import EXPERIMENT


def words(text: str) -> list[str]:
    """The text without its line breaks: argparse breaks them differently from version to version."""
    return text.split()


def test_the_page_shows_the_real_help() -> None:
    """docs/command-line.md holds the help of every verb as it is printed; `make docs` writes it anew."""
    page = documented.PAGE.read_text(encoding="utf-8")
    assert words(documented.regenerated(page)) == words(page)
    assert cli.HELP in page


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_help_and_has_its_place_on_the_page(verb: str) -> None:
    """A line in `sweeper --help`, a heading and a block of usage in docs/command-line.md."""
    page = documented.PAGE.read_text(encoding="utf-8")
    assert re.search(rf"^  sweeper {verb}\b", cli.HELP, re.MULTILINE)
    assert re.search(rf"^#+ .*sweeper {verb}\b", page, re.MULTILINE)
    assert f"```\nusage: sweeper {verb} " in page


def test_no_verb_is_told_of_that_does_not_exist() -> None:
    """Every `sweeper WORD` line of the help is a verb."""
    assert re.findall(r"^  sweeper (\w+)", cli.HELP, re.MULTILINE) == list(VERBS)


@pytest.mark.parametrize("line", [line for line in cli.HELP.splitlines() if line.startswith("  sweeper ")])
def test_a_line_of_the_help_is_told_in_its_two_columns(line: str) -> None:
    """What is typed fits before what it does, which begins below the others' and within a wide terminal."""
    assert re.fullmatch(r"  sweeper \S.{32}  \S.*", line) and len(line) <= 120


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_verb_takes_is_what_its_parser_takes(verb: str) -> None:
    """A sweep's name, a trial of it and an experiment are completed for those verbs whose own help asks for them."""
    usage, told = documented.help_of(verb).split("\n\n")[0], VERBS[verb]
    assert told.takes_sweep is (re.search(r"(?i)(?<![-=\w])name\b", usage) is not None)
    assert told.takes_trial is ("trial" in usage.lower())
    assert told.composes is ("+experiment=NAME" in usage)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_does(verb: str) -> None:
    """Its help names itself and has a description; an unknown flag is refused with exit code 2 and no traceback."""
    told = documented.help_of(verb)
    assert told.startswith(f"usage: sweeper {verb}")
    assert len(told.split("\n\n")) > 2
    with pytest.raises(SystemExit) as refused:
        raise SystemExit(cli.main([verb, "--no-such-flag"]))
    assert refused.value.code == 2


def test_what_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A word of bytes that are no UTF-8, or longer than any file's name, is refused in one line and no traceback."""
    assert cli.main(["plan", "+experiment=\udcff"]) == 2
    assert capsys.readouterr().err == "sweeper: command line: '+experiment=\\udcff' is not UTF-8\n"
    assert cli.main(["x" * 300]) == 2
    assert "there is no verb 'xxx" in capsys.readouterr().err


def test_a_terminal_that_cannot_show_a_letter_is_shown_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an ASCII stdout, as a bare container has, a value of other letters is printed in escapes."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("")
    (tmp_path / "experiments/x.yaml").write_text(
        EXPERIMENT + "sweep: {grid: {hyperparameters.rank: [é, 日]}}\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert cli.main(["plan", "+experiment=x"]) == 0
    assert b"rank=\\xe9" in written.getvalue() and b"rank=\\u65e5" in written.getvalue()
