"""Names that have dots themselves (`trainer.lr`, `ruamel.yaml`): whatever reaches a key reaches them."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.core.request import encode_hyperparameters

DOTTED = "hyperparameters: {trainer.lr: 0.5, model: net, model.depth: 2, seed: 3}\n"
LR, DEPTH = "hyperparameters.trainer.lr", "hyperparameters.model.depth"


def sent(sweep: Any) -> list[dict[str, str]]:
    """What the script of each trial is called with."""
    return [encode_hyperparameters(sweep.resolve(trial)["hyperparameters"]) for trial in sweep.trials]


@pytest.fixture
def dotted(project: Any) -> Any:
    """A project whose experiment has hyperparameters with dots in their names."""
    text = (project.write("experiments/x.yaml", "")).parent / "x.yaml"

    def write(more: str = "") -> None:
        project.experiment()
        written = text.read_text(encoding="utf-8").replace("hyperparameters: {rank: 8, lr: 0.01}\n", DOTTED)
        text.write_text(written + more, encoding="utf-8")

    project.dotted = write
    write()
    return project


@pytest.mark.parametrize(
    "form",
    [
        f"grid: {{{LR}: [0.1, 0.2]}}",
        f"zip: {{{LR}: [0.1, 0.2]}}",
        f"points: {{a: {{{LR}: 0.1}}, b: {{{LR}: 0.2}}}}",
        f"first: [{{{LR}: 0.1}}, {{{LR}: 0.2}}]\n  grid: {{{LR}: [0.1]}}",
        f"grid: {{+{LR}: [0.1, 0.2]}}",
        f"grid: {{{LR}: [0.1, 0.2, 0.3]}}\n  exclude: [trainer.lr > 0.25]",
        f"grid: {{{LR}: [0.1, 0.2, 0.3]}}\n  exclude: [{{{LR}: 0.3}}]",
    ],
)
def test_every_form_sweeps_a_name_with_dots(dotted: Any, form: str) -> None:
    """A swept name with dots is one argument of the script, in its place, and nothing beside it."""
    dotted.dotted(f"sweep:\n  {form}\n")
    rest = {"model": "net", "model.depth": "2", "seed": "3"}
    sweep = dotted.sweep()
    assert sent(sweep) == [{"trainer.lr": "0.1", **rest}, {"trainer.lr": "0.2", **rest}]
    assert [list(found) for found in sent(sweep)] == [["trainer.lr", "model", "model.depth", "seed"]] * 2
    assert len(set(sweep.trials.ids())) == 2
    assert sweep.trials.keys == (LR,)


def test_random_and_optuna_draw_a_name_with_dots(dotted: Any) -> None:
    """So does whatever draws the values."""
    of = f"{{{LR}: {{uniform: [0.1, 0.2]}}, {DEPTH}: {{int: [5, 6]}}}}"
    dotted.dotted(f"sweep: {{random: {{count: 2, of: {of}}}}}\n")
    assert [set(found) for found in sent(dotted.sweep())] == [{"trainer.lr", "model", "model.depth", "seed"}] * 2
    assert {found["model.depth"] for found in sent(dotted.sweep())} <= {"5", "6"}
    more = "objective: {metric: accuracy, goal: maximize}\n"
    dotted.dotted(f"{more}sweep: {{optuna: {{count: 2, of: {of}}}}}\n")
    made = dotted.sweep().make({LR: 0.15, DEPTH: 5}, 0)
    assert encode_hyperparameters(dotted.sweep().resolve(made)["hyperparameters"])["trainer.lr"] == "0.15"


def test_repeat_counts_up_a_name_with_dots(dotted: Any) -> None:
    """The seed may be one of them."""
    dotted.dotted(f"sweep: {{repeat: {{times: 2, seed: {DEPTH}}}}}\n")
    assert [found["model.depth"] for found in sent(dotted.sweep())] == ["2", "3"]


def test_the_command_line_reaches_a_name_with_dots(dotted: Any) -> None:
    """`KEY=VALUE` sets it, `KEY=A,B` sweeps it, `~KEY` takes it away, and a grid of the file gives way."""
    base = sent(dotted.sweep())[0]
    assert sent(dotted.sweep(f"{LR}=0.1")) == [{**base, "trainer.lr": "0.1"}]
    assert [found["trainer.lr"] for found in sent(dotted.sweep(f"{LR}=0.1,0.2"))] == ["0.1", "0.2"]
    assert [found["trainer.lr"] for found in sent(dotted.sweep(f"+{LR}=0.1,0.2"))] == ["0.1", "0.2"]
    assert sent(dotted.sweep(f"~{LR}")) == [{key: value for key, value in base.items() if key != "trainer.lr"}]
    dotted.dotted(f"sweep: {{grid: {{{LR}: [0.1, 0.2]}}}}\n")
    assert [found["trainer.lr"] for found in sent(dotted.sweep(f"{LR}=0.3", f"{DEPTH}=1,7"))] == ["0.3", "0.3"]


def test_a_name_and_its_beginning_are_two_names(dotted: Any) -> None:
    """`model` and `model.depth` are two hyperparameters, and may both be swept."""
    dotted.dotted(f"sweep: {{grid: {{hyperparameters.model: [a, b], {DEPTH}: [1, 2]}}}}\n")
    assert [(s["model"], s["model.depth"]) for s in sent(dotted.sweep())] == [
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
        ("b", "2"),
    ]


def test_a_swept_value_of_a_name_with_dots_that_is_the_bases_own_gives_the_base(dotted: Any) -> None:
    """Its identity is that of the same values written in the file."""
    (base,) = dotted.sweep().trials.ids()
    (pinned,) = dotted.sweep(f"{LR}=0.1").trials.ids()
    assert list(dotted.sweep(f"{LR}=0.5,0.1").trials.ids()) == [base, pinned]


def test_a_distribution_with_dots_in_its_name(dotted: Any) -> None:
    """Under `dependencies` what follows the first dot is one name."""
    sweep = dotted.sweep("dependencies.ruamel.yaml='0.17','0.18'")
    assert [sweep.resolve(trial)["dependencies"] for trial in sweep.trials] == [
        {"ruamel.yaml": "0.17"},
        {"ruamel.yaml": "0.18"},
    ]
    (trial,) = dotted.sweep("+dependencies.ruamel.yaml='0.17'").trials
    assert trial.id == sweep.trials[0].id


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "hyperparameters.trainer.lrr=0.1",
            "is not in the configuration; did you mean 'hyperparameters.trainer.lr'?; for one called 'trainer.lrr' "
            "write `trainer.lrr: null` under hyperparameters, to add to a mapping 'trainer' "
            "+hyperparameters.trainer.lrr=0.1",
        ),
        ("+hyperparameters.trainer.lr=0.1", "is there already: leave out the +"),
        ("~hyperparameters.trainer.lrr", "is not in the configuration; did you mean 'hyperparameters.trainer.lr'?"),
        (
            "+hyperparameters.other=${hyperparameters.trainer.lr}",
            "'hyperparameters.trainer.lr' has dots in its name, which no interpolation reaches: let both follow a "
            "value under vars",
        ),
    ],
)
def test_what_cannot_be_reached_is_told(dotted: Any, word: str, said: str) -> None:
    """A name that is not there, or is there already, is refused with what to do."""
    key = word.strip("+~").partition("=")[0]
    assert dotted.refused(word) == [f"command line: {key}: {said}"]


def test_a_new_mapping_is_not_made_in_silence(dotted: Any) -> None:
    """`+` before a name with dots that is not there adds a mapping: allowed, told, and with the other way."""
    sweep = dotted.sweep("+hyperparameters.optim.lr=1,2")
    assert [found["optim"] for found in sent(sweep)] == ['{"lr": 1}', '{"lr": 2}']
    assert sweep.warnings == (
        "command line: hyperparameters.optim.lr: is sent as one hyperparameter 'optim', a mapping; for one called "
        "'optim.lr' write `optim.lr: null` under hyperparameters",
    )
