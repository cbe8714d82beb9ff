"""A stop rule of a user's own: found when it is said, checked as ours are, refused in one line if it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import own_stop_rule

METRICS = "job: {metrics: [{name: accuracy, regex: 'a=(.*)'}]}\n"
MINE = "+stop.enough={metric: accuracy, value: 0.9}"


@pytest.fixture(autouse=True)
def plain(project: Any) -> None:
    """There is an experiment."""
    project.experiment()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is there."""
    own_stop_rule.install(monkeypatch, tmp_path / "installed")


@pytest.mark.usefixtures("installed")
def test_a_rule_of_ones_own_is_used_by_its_name(project: Any) -> None:
    """Beside ours, which are asked before it, and in a group."""
    (most, mine) = project.sweep(MINE, "stop.max_trials=3").stop
    assert (most.name, mine.name, mine.meaning) == ("max_trials", "enough", "2 trials came to accuracy >= 0.9")
    project.experiment("stop:\n  all: [{max_trials: 3}, {enough: {metric: accuracy, value: 0.9, of: 1}}]\n")
    (together,) = project.sweep().stop
    assert together.name == "max_trials+enough"


@pytest.mark.usefixtures("installed")
def test_its_options_are_checked_by_its_own_fields(project: Any) -> None:
    """What is missing, does not fit, is nobody's, is no metric, or is refused by itself: a line, where it stands."""
    for said, line in {
        "{metric: accuracy}": "stop.enough.value: is missing",
        "{metric: accuracy, value: high}": "stop.enough.value: 'high' is not a number",
        "{metric: accuracy, value: 1, of: 0}": "stop.enough.of: 0 is too small: at least 1",
        "{metric: accuracy, value: 1, off: 2}": "stop.enough.off: is not a field of stop.enough; did you mean 'of'?",
        "{metric: acuracy, value: 1}": "stop.enough.metric: 'acuracy' is not one of job.metrics; "
        "did you mean 'accuracy'?",
        "{metric: accuracy, value: 0}": "stop.enough.value: is no aim: say what is enough",
    }.items():
        (told,) = project.refused(f"+stop.enough={said}")
        assert told.endswith(line), told
    project.experiment("stop:\n  any: [{enough: {metric: accuracy}}]\n")
    (told,) = project.refused()
    assert told.startswith("experiments/x.yaml:") and told.endswith("stop.any.0.enough.value: is missing")


@pytest.mark.usefixtures("installed")
def test_a_name_that_nobody_has_installed_is_told_with_those_there_are(project: Any) -> None:
    """As any other key of the section."""
    (told,) = project.refused("+stop.enogh=1")
    assert told.endswith("stop.enogh: is not a field of stop; did you mean 'enough'?")
    (told,) = project.refused("+stop.other=1")
    assert "there is until, max_trials" in told and ", enough, any" in told


BROKEN = {
    "raises": ("import nothing_of_the_kind\n", "cannot be used: ModuleNotFoundError: No module named"),
    "silent": (own_stop_rule.MODULE.replace("def why", "def says"), "is no stop rule: it does not say why"),
    "elsewhere": ("", "cannot be used: AttributeError"),
    "plain": (own_stop_rule.MODULE.replace("@dataclass(frozen=True)\n", ""), "cannot be used: TypeError"),
    "typed": (own_stop_rule.MODULE.replace("of: int", "of: object"), "of: an option is text, a number"),
    "another": (own_stop_rule.MODULE.replace('= "enough"', '= "plenty"'), "calls itself 'plenty'"),
    "fails": (
        own_stop_rule.MODULE.replace("    @property\n    def meaning", "    def __post_init__(self):\n"
        "        raise ValueError('never')\n\n    @property\n    def meaning"),
        "never",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_one_that_cannot_be_used_is_one_line(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whatever its module does: the place, the package and what is wrong, and nothing is sent."""
    text, what = BROKEN[how]
    own_stop_rule.install(monkeypatch, tmp_path / "installed", text=text, module=f"rules_{how}")
    (line,) = project.refused(MINE)
    assert line.startswith("command line: stop.enough: ") and what in line, line
