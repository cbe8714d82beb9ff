"""The files of a sweep: what is written is what can be read."""

import subprocess

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sweeper.core.model import Goal, Objective
from sweeper.core.secrets import MASK
from sweeper.driver.arguments import override_value
from sweeper.show.best_file import Best, to_best
from sweeper.show.plain import as_yaml

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))


@given(TEXTS)
@example("a\x85b")
@example("\x85")
def test_every_text_is_read_back_from_yaml(text: str) -> None:
    """Whatever characters a value has, control characters and line ends of other systems too."""
    assert yaml.safe_load(as_yaml({"x": text})) == {"x": text}


@given(TEXTS, TEXTS)
@example("a\ntrial: forged\noverrides: []", "a\nmetric: 9")
@example("it's\x1b\\", "\x85")
def test_best_yaml_holds_what_was_best_and_nothing_else(value: str, metric: str) -> None:
    """No value and no name of a metric adds a key or leaves its comment."""
    row = {"trial": "t", "name": value, "model": None, f"metric.{metric}": 1.0}
    text = to_best("s", "s", Best(row, {"hyperparameters": {"x": value}}), Objective(metric, Goal.MAXIMIZE))
    told = {"trial": "t", "name": value, "metric": {metric: 1.0}, "model": None, "hyperparameters": {"x": value}}
    overrides = ["sweep=null", f"++hyperparameters.x={override_value(value)}"]
    assert yaml.safe_load(text) == {**told, "overrides": overrides if MASK not in value else overrides[:1]}
    assert [line.split(" ")[1] for line in text.split("\n") if line.startswith("# ")] == ["The", "Run", "Alone,"]


def test_the_line_of_best_yaml_gives_a_shell_the_very_overrides() -> None:
    """Line ends, escapes and quotes come out of a shell as they went into the trial."""
    values = dict(enumerate(("a\nb", "it's\x1b[31m", "\u202eback\\slash", "\x85next", "plain", "a b", "it's")))
    row = {"trial": "t", "name": "n", "model": None, "metric.m": 1.0}
    text = to_best("s", "s", Best(row, {"hyperparameters": values}), Objective("m", Goal.MAXIMIZE))
    words = text.split("\n")[2].partition("+experiment=s ")[2]
    command = ["bash", "-c", f"printf '%s\\0' {words}"]
    told = subprocess.run(command, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    wanted = ["sweep=null", *(f"++hyperparameters.{key}={override_value(value)}" for key, value in values.items())]
    assert told.stdout.decode().split("\0")[:-1] == wanted


def test_the_line_of_best_yaml_says_where_the_trial_ran() -> None:
    """Another engine or backend than the file's was chosen on the command line: what runs again costs what it cost."""
    row = {"trial": "t", "name": "n", "model": None, "metric.m": 1.0}
    where = {"engine": {"kind": "aws", "poll_s": 10}, "backend": {"kind": "spot", "wait_s": 60}}
    found = Best(row, {"hyperparameters": {"x": 1}}, where)
    assert found.overrides == ["engine=aws", "backend=spot", "sweep=null", "++hyperparameters.x=1"]
