"""The space of trials: order, laziness, identity by value, names."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.core.identity import canonical, flatten, overlay
from sweeper.core.model import Trial
from sweeper.core.space.blocks import Block, Part
from sweeper.core.space.names import shorten, show
from sweeper.core.space.trials import Space
from sweeper.core.space.values import expand

scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3, allow_nan=False) | st.text("ab1", max_size=2)
)
values = scalars | st.lists(scalars, max_size=2)
axes_of_values = st.dictionaries(st.sampled_from("abcde"), st.lists(values, min_size=1, max_size=4), max_size=4)

BASE = {"hyperparameters": {"a": 1, "b": "x", "c": None, "d": [1], "z": 7}, "job": {"image_uri": "i"}}


def space(axes: dict[str, list[Any]], base: dict[str, Any] | None = None) -> Space:
    """The grid of these hyperparameters over the base."""
    blocks = [Block([{f"hyperparameters.{key}": value} for value in column]) for key, column in axes.items()]
    leaves = dict(flatten(base or BASE))
    return Space([Part(blocks)], lambda chosen: leaves)


def by_value(trial: Trial) -> str:
    """What a trial is, written out in full: its hyperparameters without what is not set."""
    parameters = dict(BASE["hyperparameters"])
    parameters.update({key.removeprefix("hyperparameters."): value for key, value in trial.values.items()})
    return canonical({key: value for key, value in parameters.items() if value is not None})


@given(axes_of_values)
def test_order_is_that_of_product(axes: dict[str, list[Any]]) -> None:
    """Trials come in the order of itertools.product, duplicates left out, the first one kept."""
    wanted = []
    for combination in itertools.product(*axes.values()):
        written = canonical([None if v == {} else v for v in combination])
        if written not in [canonical(list(other)) for other in wanted]:
            wanted.append(combination)
    got = [tuple(trial.values.values()) for trial in space(axes)]
    assert list(map(canonical, map(list, got))) == list(map(canonical, map(list, wanted)))


@given(axes_of_values)
def test_index_and_trial_are_one_to_one(axes: dict[str, list[Any]]) -> None:
    """Asking for a trial by index, walking the space and looking it up by identity give the same trial."""
    trials = space(axes)
    walked = list(trials)
    assert walked == [trials[index] for index in range(len(trials))]
    assert [trial.id for trial in walked] == list(trials.ids())
    assert len({trial.id for trial in walked}) == len(walked)
    assert [trials.find(trial.id, 0) for trial in walked] == walked
    assert trials.find("0" * 16, 0) is None
    with pytest.raises(IndexError):
        trials[len(trials)]


@given(axes_of_values)
def test_identity_is_the_value(axes: dict[str, list[Any]]) -> None:
    """Two trials have one identity exactly when they have the same values, the base's own included."""
    one = {by_value(trial): trial.id for trial in space(axes)}
    two = {by_value(trial): trial.id for trial in space({"z": [7, 8], **axes})}
    (base,) = space({})
    for value, identity in one.items():
        assert two[value] == identity
        assert (identity == base.id) == (value == by_value(base))


@given(axes_of_values, st.randoms(use_true_random=False))
def test_identity_survives_reordering(axes: dict[str, list[Any]], chance: Any) -> None:
    """Another order of axes or of values, or more of them, changes no identity of a trial that stays."""
    shuffled = list(axes.items())
    chance.shuffle(shuffled)
    other = {key: [*chance.sample(column, len(column)), "more"] for key, column in shuffled}
    assert set(space(axes).ids()) <= set(space(other).ids())


@pytest.mark.parametrize("pair", list(itertools.combinations([1, 1.0, True, "1", [1], {"x": 1}, "true"], 2)))
def test_types_are_told_apart(pair: tuple[Any, Any]) -> None:
    """1, 1.0, true and "1" are four values."""
    assert len(set(space({"a": list(pair)}).ids())) == 2


def test_what_is_not_set_does_not_count() -> None:
    """A new optional field of the configuration changes no identity."""
    older = space({}, {"job": {"image_uri": "i"}, "hyperparameters": {}})
    newer = space({}, {"job": {"image_uri": "i", "new": None, "inputs": {}}, "hyperparameters": {"resume": None}})
    assert older[0].id == newer[0].id


def test_a_mapping_is_merged() -> None:
    """A swept mapping is merged over the base's, so it has the identity of the values it leads to."""
    leaves = dict(flatten({"hyperparameters": {"a": {"x": 1, "y": 2}}}))
    merged = overlay(leaves, ("hyperparameters",), {"a": {"y": 3}, "b": 4})
    assert merged == dict(flatten({"hyperparameters": {"a": {"x": 1, "y": 3}, "b": 4}}))


def test_duplicates_collapse_to_the_first() -> None:
    """Of equal trials only the first counts, and it is said which value stood twice."""
    trials = space({"a": [2, 3, 2, 2], "b": ["x"]})
    assert [trial.values["hyperparameters.a"] for trial in trials] == [2, 3]
    assert (len(trials), trials.declared) == (2, 4)
    assert trials.duplicates == ("hyperparameters.a=2 stands 3 times",)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_long_axis_changes_nothing_of_the_order(at: int) -> None:
    """Wherever the axis stands that is too long to be copied: the order of itertools.product, by index as walked."""
    columns: list[list[int]] = [[1, 2], [3, 4]]
    columns.insert(at, list(range(10_001)))
    trials = space(dict(zip("abc", columns, strict=True)))
    some = range(0, len(trials), 4_999)
    wanted = [combination for i, combination in enumerate(itertools.product(*columns)) if i in some]
    walked = [tuple(t.values.values()) for t in itertools.islice(trials, 0, None, 4_999)]
    assert walked == [tuple(trials[i].values.values()) for i in some] == wanted
    assert list(itertools.islice(trials.ids(), 0, None, 4_999)) == [trials[i].id for i in some]


def test_a_million_trials_are_not_made() -> None:
    """The length, a trial by its index and the first trials of a million cost nothing like a million."""
    trials = space({key: list(range(10)) for key in "abcdef"})
    assert len(trials) == 10**6
    assert trials[123456].name == "a=1,b=2,c=3,d=4,e=5,f=6"
    assert [trial.index for trial in itertools.islice(trials, 3)] == [0, 1, 2]


def test_names_show_what_differs() -> None:
    """A name holds the parameters that differ, under the shortest key that is clear."""
    assert [trial.name for trial in space({"a": [1, 2], "b": [5]})] == ["a=1", "a=2"]
    assert [trial.name for trial in space({"a": [1], "b": [5]})] == ["a=1,b=5"]
    assert space({})[0].name == "base"
    assert shorten(["job.lr", "hyperparameters.lr", "hyperparameters.rank"]) == {
        "job.lr": "job.lr",
        "hyperparameters.lr": "hyperparameters.lr",
        "hyperparameters.rank": "rank",
    }
    assert space({"a": ["x" * 99, "y"]})[0].name == "a=" + "x" * 31 + "…"


@pytest.mark.parametrize(
    ("function", "arguments", "values"),
    [
        ("range", [1, 4], [1, 2, 3]),
        ("range", [0, 1, 0.25], [0.0, 0.25, 0.5, 0.75]),
        ("range", [3, 0, -1], [3, 2, 1]),
        ("range", [0, 0.3, 0.1], [0.0, 0.1, 0.2]),
        ("linspace", [0, 1, 3], [0.0, 0.5, 1.0]),
        ("linspace", [1, 9, 3], [1, 5, 9]),
        ("logspace", [1e-5, 1e-3, 3], [1e-5, 1e-4, 1e-3]),
        ("logspace", [1, 100, 3], [1, 10, 100]),
    ],
)
def test_functions_of_an_axis(function: str, arguments: list[Any], values: list[Any]) -> None:
    """A range leaves its stop out, the spacings hold both ends, and no value carries the noise of binary fractions."""
    assert list(map(repr, expand(function, arguments))) == list(map(repr, values))


@pytest.mark.parametrize(
    ("function", "arguments", "why"),
    [
        ("range", [1, 1], "no values"),
        ("range", [1, 2, 0], "the step is 0"),
        ("range", [1], "range takes"),
        ("linspace", [0, 1], "linspace takes"),
        ("linspace", [0, 1, 1], "n is 1"),
        ("logspace", [0, 1, 3], "greater than 0"),
        ("linspace", [0, True, 3], "takes numbers"),
        ("linspace", [0, 1, 1e9], "at most"),
    ],
)
def test_functions_that_make_no_sense(function: str, arguments: list[Any], why: str) -> None:
    """A function that gives no values is refused with the reason."""
    with pytest.raises(ValueError, match=why):
        expand(function, arguments)


def test_a_label_is_one_line_that_a_terminal_only_shows() -> None:
    """A value with line ends or escapes forges no line of a list of trials; the value itself is as it was."""
    assert show("a\nfailed: b\x1b[2J\u202e") == "a failed: b [2J "
    assert show(["a\n"]) == '["a\\n"]'
