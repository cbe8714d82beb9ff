"""The forms of a sweep: each of them alone, together, and refused where they make no sense together.

Some of these tests bear the number of the issue with which users of Hydra have asked for the form for years.
"""

from __future__ import annotations

from typing import Any

import pytest

R, L = "hyperparameters.rank", "hyperparameters.lr"


def table(sweep: Any, *keys: str) -> list[tuple[Any, ...]]:
    """The values of these keys, trial by trial; None where a trial leaves one alone."""
    return [tuple(trial.values.get(key) for key in keys or sweep.trials.keys) for trial in sweep.trials]


def names(sweep: Any) -> list[str]:
    """The trials' names."""
    return [trial.name for trial in sweep.trials]


def test_zip_pairs_values_hydra_1258(project: Any) -> None:
    """Values of a zip block go together; several blocks and a grid multiply."""
    project.experiment(
        f"sweep:\n  grid: {{environment.MODE: [a, b]}}\n  zip: [{{{R}: [1, 2], {L}: {{linspace: [0.1, 0.2, 2]}}}}]\n"
    )
    assert table(project.sweep()) == [("a", 1, 0.1), ("a", 2, 0.2), ("b", 1, 0.1), ("b", 2, 0.2)]
    project.experiment(f"sweep: {{zip: {{{R}: [1, 2], {L}: [3, 4]}}}}\n")
    assert names(project.sweep()) == ["rank=1,lr=3", "rank=2,lr=4"]


def test_concat_puts_sweeps_one_after_another_hydra_2851(project: Any) -> None:
    """The sweeps of a concat run one after another; what an earlier one has is not run again."""
    project.experiment(
        f"sweep:\n  concat:\n    - grid: {{{R}: [1, 2]}}\n    - zip: {{{R}: [2, 3], {L}: [0.01, 0.5]}}\n"
        f"    - points: {{wide: {{{R}: 64}}, same: {{{R}: 3, {L}: 0.5}}}}\n"
    )
    sweep = project.sweep()
    assert table(sweep, R, L) == [(1, None), (2, None), (3, 0.5), (64, None)]
    assert sweep.warnings == (
        "1 trial of sweep.concat[1] came before: only the first counts",
        "1 trial of sweep.concat[2] came before: only the first counts",
    )
    assert [trial.index for trial in sweep.trials] == [0, 1, 2, 3]
    assert [sweep.trials[i] for i in range(4)] == list(sweep.trials)
    assert table(project.sweep("environment.MODE=a,b"), R, "environment.MODE")[:3] == [(1, "a"), (1, "b"), (2, "a")]


def test_duplicates_are_collapsed_and_told_hydra_2398(project: Any) -> None:
    """A value that stands twice is run once, and that is said."""
    project.experiment(f"sweep: {{grid: {{{R}: [1, 2, 1], {L}: [0.5, 0.50]}}}}\n")
    sweep = project.sweep()
    assert table(sweep) == [(1, 0.5), (2, 0.5)]
    assert sweep.trials.declared == 6
    assert sweep.warnings == (
        "hyperparameters.rank=1 stands 2 times: only the first counts",
        "hyperparameters.lr=0.5 stands 2 times: only the first counts",
    )


def test_repeats_have_seeds_of_their_own_hydra_1969(project: Any) -> None:
    """`repeat` runs every trial again with the next seeds; the first round is the trial there was without it."""
    project.experiment(f"sweep: {{grid: {{{R}: [1, 2]}}, repeat: 2}}\n")
    assert project.refused() == [
        "experiments/x.yaml:13:47: sweep.repeat: there is no hyperparameters.seed: name a whole number to count up "
        "with {times: N, seed: KEY}, or seed: null"
    ]
    sweep = project.sweep("+hyperparameters.seed=7")
    assert table(sweep) == [(1, 7), (1, 8), (2, 7), (2, 8)]
    project.experiment(f"sweep: {{grid: {{{R}: [1, 2]}}, repeat: {{times: 2, seed: null}}}}\n")
    sweep = project.sweep()
    assert table(sweep) == [(1, None), (1, 1), (2, None), (2, 1)]
    assert "repeat" not in str(sweep.resolve(sweep.trials[1]))
    project.experiment(f"sweep: {{grid: {{{R}: [1, 2]}}}}\n")
    assert [trial.id for trial in project.sweep().trials] == [trial.id for trial in sweep.trials][::2]


def test_large_grids_are_declared_at_once_hydra_1324(project: Any) -> None:
    """A million trials are declared without making one of them."""
    axes = ", ".join(f"+hyperparameters.a{n}: {{range: [0, 10]}}" for n in range(6))
    project.experiment(f"sweep: {{grid: {{{axes}}}}}\n")
    sweep = project.sweep()
    assert len(sweep.trials) == 10**6
    assert sweep.resolve(sweep.trials[-1])["hyperparameters"]["a5"] == 9


def test_points_have_names(project: Any) -> None:
    """A point is the base with its changes, under its own name; `cumulative` keeps the changes of those before it."""
    points = f"baseline: {{}}, lower: {{{L}: 0.001}}, wide: {{{R}: 64}}"
    project.experiment(f"sweep: {{points: {{{points}}}}}\n")
    sweep = project.sweep()
    assert names(sweep) == ["baseline", "lower", "wide"]
    resolved = [sweep.resolve(trial)["hyperparameters"] for trial in sweep.trials]
    assert [(r["rank"], r["lr"]) for r in resolved] == [(8, 0.01), (8, 0.001), (64, 0.01)]
    project.experiment(f"sweep: {{cumulative: true, points: {{{points}}}}}\n")
    assert table(project.sweep(), L, R) == [(None, None), (0.001, None), (0.001, 64)]
    assert names(project.sweep("environment.MODE=a,b"))[:2] == ["baseline,MODE=a", "baseline,MODE=b"]


def test_points_bump_dependencies(project: Any) -> None:
    """A version under `dependencies` needs no declaration before, and belongs to the resolved trial."""
    project.experiment("sweep: {points: {old: {dependencies.tool: '1.0'}, new: {dependencies.tool: '2.0'}}}\n")
    sweep = project.sweep()
    assert [sweep.resolve(trial)["dependencies"] for trial in sweep.trials] == [{"tool": "1.0"}, {"tool": "2.0"}]
    project.experiment("sweep: {points: {old: {dependencies.tool: 1.0}}}\n")
    assert project.refused() == [
        "experiments/x.yaml:13:24: dependencies.tool: must be text: quote the version, not 1.0; did you mean '1.0'?"
    ]


def test_exclude_and_when(project: Any) -> None:
    """Trials are left out by value or by expression, under short names that are clear."""
    grid = f"grid: {{{R}: [1, 2, 4], {L}: [0.1, 0.2]}}"
    project.experiment(f"sweep:\n  {grid}\n  exclude: [{{{R}: 4, {L}: 0.2}}, 'rank == 1 and lr > 0.1']\n")
    sweep = project.sweep()
    assert table(sweep) == [(1, 0.1), (2, 0.1), (2, 0.2), (4, 0.1)]
    assert [count for _, count in sweep.trials.excluded] == [1, 1]
    assert [sweep.trials[i] for i in range(4)] == list(sweep.trials)
    assert [trial.id for trial in sweep.trials] == list(sweep.trials.ids())
    project.experiment(f"sweep:\n  {grid}\n  when: rank * 2 >= 4 and environment.MODE == 'fast'\n")
    assert {row[0] for row in table(project.sweep())} == {2, 4}
    assert len(project.sweep("environment.MODE=slow").trials) == 0


def test_an_exclude_that_matches_nothing_is_a_warning(project: Any) -> None:
    """A rule that leaves nothing out is probably not what was meant."""
    project.experiment(f"sweep: {{grid: {{{R}: [1, 2]}}, exclude: [{{{R}: 3}}]}}\n")
    sweep = project.sweep()
    assert len(sweep.trials) == 2
    assert sweep.warnings == ("sweep.exclude.0: hyperparameters.rank=3 matches nothing",)


def test_random_is_a_fixed_list(project: Any) -> None:
    """Random search declares the same trials every time, and multiplies with the other forms."""
    of = f"{{{L}: {{loguniform: [1e-4, 1e-1]}}, {R}: [4, 8]}}"
    project.experiment(f"sweep: {{random: {{count: 5, of: {of}}}}}\n")
    assert table(project.sweep()) == table(project.sweep())
    assert len(project.sweep().trials) == 5
    assert len(project.sweep("environment.MODE=a,b").trials) == 10


def test_first_runs_before_everything(project: Any) -> None:
    """Known-good points come first and are not run again where the grid meets them."""
    project.experiment(f"sweep: {{grid: {{{R}: [1, 2, 4]}}, first: [{{{R}: 4}}, {{{R}: 5}}]}}\n")
    assert table(project.sweep()) == [(4,), (5,), (1,), (2,)]


def test_an_inherited_axis_can_be_taken_away(project: Any) -> None:
    """null in place of an axis removes the one of the experiment it starts from."""
    project.experiment(f"sweep: {{grid: {{{R}: [1, 2]}}}}\n")
    project.write("experiments/y.yaml", f"defaults: [x]\nsweep: {{grid: {{{R}: null, {L}: [3, 4]}}}}\n")
    assert project.sweep(name="y").trials.keys == (L,)


def test_groups_in_points(project: Any) -> None:
    """An option of a config group may be part of a point."""
    project.write("conf/recipe/small.yaml", "# @package _global_\nhyperparameters: {rank: 2}\n")
    project.experiment("sweep: {points: {base: {}, small: {recipe: small, hyperparameters.lr: 1}}}\n")
    sweep = project.sweep()
    assert [sweep.resolve(trial)["hyperparameters"] for trial in sweep.trials] == [
        {"rank": 8, "lr": 0.01},
        {"rank": 2, "lr": 1},
    ]
    assert len(set(sweep.trials.ids())) == 2


@pytest.mark.parametrize(
    ("sweep", "words", "lines"),
    [
        (
            f"zip: [{{{R}: [1, 2], {L}: [3]}}]",
            [],
            ["{x}:15:9: sweep.zip[0]: needs lists of one length: hyperparameters.rank has 2, hyperparameters.lr has 1"],
        ),
        (
            f"points: {{a: {{{R}: 1}}}}",
            [f"{R}=3"],
            ["command line: hyperparameters.rank: belongs to sweep.points ({x}:15:16): change it there"],
        ),
        (
            f"zip: {{{R}: [1], {L}: [2]}}",
            [f"{R}=3,4"],
            ["command line: hyperparameters.rank: belongs to sweep.zip ({x}:15:9): change it there"],
        ),
        (
            f"grid: {{{R}: [1]}}\n  zip: {{{R}: [1]}}",
            [],
            ["{x}:16:9: hyperparameters.rank: is set by sweep.grid and by sweep.zip: take it out of one of them"],
        ),
        (
            f"random: {{count: 3, of: {{{R}: [1, 2]}}}}",
            [],
            ["{x}:15:12: sweep.random.count: count is 3, but there are only 2 different draws"],
        ),
        (
            f"random: {{count: 3, of: {{{R}: {{loguniform: [0, 2]}}}}}}",
            [],
            ["{x}:15:27: sweep.random.of.hyperparameters.rank: loguniform takes numbers greater than 0"],
        ),
        (
            "random: {count: 2, of: {hyperparameters.rank: {randint: [1, 1]}, hyperparameters.lr: {normal: [0, -1]}}}",
            [],
            [
                "{x}:15:27: sweep.random.of.hyperparameters.rank: randint takes [low, high] with low < high",
                "{x}:15:68: sweep.random.of.hyperparameters.lr: normal takes a standard deviation greater than 0",
            ],
        ),
        (
            f"random: {{count: 3, of: {{{R}: {{logunifrm: [0, 2]}}}}}}",
            [],
            [
                "{x}:15:27: sweep.random.of.hyperparameters.rank: must be a list to choose from, "
                "{{uniform: [low, high]}}, {{loguniform: [low, high]}}, {{int: [low, high]}} or another kind "
                "with what it takes, not {{'logunifrm': [0, 2]}}"
            ],
        ),
        (
            f"grid: {{{R}: [1]}}\n  exclude: ['rnk > 3']",
            [],
            ["{x}:16:13: sweep.exclude[0]: there is no 'rnk'; did you mean 'rank'?"],
        ),
        (
            f"grid: {{{R}: [1]}}\n  exclude: ['rank >']",
            [],
            ["{x}:16:13: sweep.exclude[0]: cannot be read: invalid syntax"],
        ),
        (
            f"grid: {{{R}: [1, a]}}\n  when: rank > 3",
            [],
            [
                '{x}:16:3: sweep.when: cannot be worked out for hyperparameters.rank="a": '
                "'>' not supported between instances of 'str' and 'int'"
            ],
        ),
        (
            f"grid: {{{R}: [1]}}\n  concat: [{{grid: {{{L}: [2]}}}}]",
            [],
            ["{x}:15:3: sweep.grid: cannot stand beside concat: make it one more item of concat"],
        ),
        ("points: {a: {locked.volume_size_in_gb: 3}}", [], ["{x}:15:16: locked.volume_size_in_gb: {locked}"]),
        ("zip: {locked.volume_size_in_gb: [3]}", [], ["{x}:15:9: locked.volume_size_in_gb: {locked}"]),
        ("first: [{locked.volume_size_in_gb: 3}]", [], ["{x}:15:12: locked.volume_size_in_gb: {locked}"]),
        (
            "random: {count: 1, of: {locked.volume_size_in_gb: [3]}}",
            [],
            ["{x}:15:27: locked.volume_size_in_gb: {locked}"],
        ),
        ("concat: [{grid: {locked.volume_size_in_gb: [3]}}]", [], ["{x}:15:20: locked.volume_size_in_gb: {locked}"]),
        (
            "points: {a: {hyperparameters.rnk: 3}}",
            [],
            [
                "{x}:15:16: hyperparameters.rnk: is not a parameter; "
                "did you mean 'hyperparameters.rank'?; to add it write +hyperparameters.rnk"
            ],
        ),
        (
            "repeat: 2\n  grid: {hyperparameters.seed: [1]}",
            ["+hyperparameters.seed=0"],
            ["{x}:15:3: hyperparameters.seed: is set by sweep.grid and by sweep.repeat: take it out of one of them"],
        ),
        ("points: []", [], ["{x}:15:3: sweep.points: [] is not a mapping or null"]),
    ],
)
def test_refusals(project: Any, sweep: str, words: list[str], lines: list[str]) -> None:
    """What makes no sense is refused at its place, with what to do."""
    project.experiment(f"objective: null\nsweep:\n  {sweep}\n")
    locked = "is locked and cannot be swept: every job of a sweep shares one locked section; "
    locked += "give it one value, or write one experiment for each"
    assert project.refused(*words) == [line.format(x="experiments/x.yaml", locked=locked) for line in lines]


def test_a_range_is_never_written_out_and_has_its_limit(project: Any) -> None:
    """A million numbers stay a range; more than an axis may have is one line, at once."""
    project.experiment()
    assert len(project.sweep("hyperparameters.rank=range(0,1000000)").trials) == 1_000_000
    (told,) = project.refused("hyperparameters.rank=range(0,1000000000000)")
    assert told.startswith("command line: hyperparameters.rank")
    assert told.endswith("1000000000000 values: an axis has at most 10000000")
