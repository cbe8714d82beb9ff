"""What is said of the swept hyperparameters of a sweep: does its script read them?"""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.record import script

DEPTH = (
    "import argparse\np = argparse.ArgumentParser()\np.add_argument('--max-depth')\nargs, _ = p.parse_known_args()\n"
)
ASKED = "+hyperparameters.max_depth=1,2"
NEVER = "train.py never reads max_depth (it has --max-depth)"


@pytest.fixture
def typical(project: Any) -> Any:
    """A script that has the dash, and an experiment with the underscore."""
    project.experiment()
    project.write("code/train.py", DEPTH)
    project.write("code/other.py", DEPTH.replace("max-depth", "max_depth"))
    return project


def test_the_typical_mistake_is_told_in_a_line(typical: Any) -> None:
    """The hyperparameter, the script, and the name that it has."""
    found = script.verdict(typical.sweep(ASKED))
    assert found and script.told(found) == NEVER
    assert script.warning(typical.sweep(ASKED)) == f"hyperparameters: {NEVER}: it is ignored or refused there"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["+hyperparameters.max-depth=1,2"], "train.py reads max-depth"),
        ([ASKED, "job.entry_script=other.py"], "other.py reads max_depth"),
        ([ASKED, "job.entry_script=train.py,other.py"], "train.py reads max_depth"),
        (
            [ASKED, "job.arguments=hydra"],
            "whether train.py reads max_depth cannot be told: Hydra reads what it is given",
        ),
        ([ASKED, "+hyperparameters.max-depth=1,2"], f"{NEVER}"),
    ],
    ids=["read", "another script", "one of two scripts", "hydra", "one of two names"],
)
def test_each_script_that_a_trial_may_have_is_looked_at(typical: Any, words: list[str], line: str) -> None:
    """What one of them reads is read; what Hydra is given is not told, and no warning is made of it."""
    sweep = typical.sweep(*words)
    found = script.verdict(sweep)
    assert found and script.told(found) == line
    assert bool(script.warning(sweep)) == ("never" in line)


def test_nothing_is_said_where_nothing_is_given_to_a_script(typical: Any) -> None:
    """Nothing swept, an image that reads its hyperparameters itself, or a value that comes to it by another way."""
    assert script.verdict(typical.sweep()) is None
    assert script.verdict(typical.sweep(ASKED, "+environment.DEPTH='${hyperparameters.max_depth}'")) is None
    assert script.verdict(typical.sweep(ASKED, "job.launch=image", "engine=aws")) is None
