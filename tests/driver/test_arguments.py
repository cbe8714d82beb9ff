"""How hyperparameters become the arguments of a script, in each of the styles."""

import argparse

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from sweeper.core.request import encode_hyperparameters
from sweeper.driver.arguments import STYLES, arguments

VALUES = {
    "lr": 1.2e-05,
    "steps": 3,
    "on": True,
    "off": False,
    "layers": [1, 2],
    "names": ["a b", "c"],
    "none": None,
    "text": "it's $HOME, \\'a\\' {b: [c]} = ${x",
    "version": "1.10",
    "empty": "",
    "dotted.name": "x",
    "deep": {"a": [1, {"b": "c d"}], "e": 0.5},
    "nothing": [],
    "large": float("inf"),
}
"""One of each kind."""


def test_options_are_the_default_and_verbatim():
    """Without a word, and by the word, each hyperparameter is two arguments."""
    given = encode_hyperparameters(VALUES)
    expected = [part for name, value in given.items() for part in (f"--{name}", value)]
    assert arguments(given) == arguments(given, "options") == arguments(given, {}) == expected


def test_flags_are_what_argparse_reads():
    """`store_true` and `nargs` of an unchanged script get what was declared."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--on", action="store_true")
    parser.add_argument("--off", action="store_true")
    parser.add_argument("--layers", nargs="+", type=int)
    parser.add_argument("--names", nargs="*")
    parser.add_argument("--nothing", nargs="*")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--text")
    wanted = {name: VALUES[name] for name in ("on", "off", "layers", "names", "nothing", "lr", "text")}
    assert vars(parser.parse_args(arguments(encode_hyperparameters(wanted), "flags"))) == wanted


@pytest.mark.parametrize("name", [name for name, value in VALUES.items() if value is not None])
def test_hydra_reads_the_values_back(name):
    """Hydra's own parser reads each override as the value that was declared."""
    (argument,) = arguments(encode_hyperparameters({name: VALUES[name]}), "hydra")
    override = OverridesParser.create().parse_override(argument)
    assert (override.key_or_group, override.value()) == (name, VALUES[name])


def test_each_in_its_own_style_and_in_order():
    """A mapping names the style of single hyperparameters; the others are options."""
    given = encode_hyperparameters({"lr": 0.1, "on": True, "model": "net", "off": False, "deep": {"a": 1}})
    styles = {"on": "flags", "off": "flags", "model": "hydra", "absent": "flags"}
    assert arguments(given, styles) == ["--lr", "0.1", "--on", "model=net", "--deep", '{"a": 1}']


@pytest.mark.parametrize("style", STYLES)
def test_a_tuners_own_notes_are_nobodys_arguments(style):
    """What SageMaker's tuner adds for itself stays out in every style."""
    assert arguments({"_tuning_objective_metric": "loss"}, style) == []
