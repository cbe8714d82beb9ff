"""What is allowed and probably not meant is told, with its place and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sweeper.config.doubts import NUMBER

HYPERPARAMETERS = "hyperparameters: {rank: 8, lr: 0.01}\n"


def rewritten(project: Any, old: str, new: str) -> None:
    """The experiment with other words in place of these."""
    project.experiment()
    file = project.root / "experiments/x.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("regex", ["accuracy=([0-9.]+)", "a (?:x|[)]) ([0-9]*[.][0-9]+)", r"\((?P<v>\d+\.\d+)\)"])
def test_a_group_that_cuts_numbers_is_told(project: Any, regex: str) -> None:
    """`1.2e-05` read as 1.2 is the wrong best: a group for fractions that does not take all numbers is told."""
    rewritten(project, '"accuracy=(.+)"', f"'{regex}'")
    (told,) = project.sweep().warnings
    assert told.startswith("experiments/x.yaml:9:30: job.metrics.0.regex: its group does not take 1.2e-05, -0.5, nan ")
    assert NUMBER in told


@pytest.mark.parametrize("regex", ["accuracy=(.+)", f"accuracy={NUMBER}", r"epoch=(\d+)", r"a=(\S+?),", "(a)(b)"])
def test_a_group_that_takes_numbers_whole_is_not(project: Any, regex: str) -> None:
    """A group for any number, for a whole one or for anything is what was meant."""
    rewritten(project, '"accuracy=(.+)"', f"'{regex}'")
    assert project.sweep().warnings == ()


@pytest.mark.parametrize("number", [0.1, -0.1, 1.2e-05, -1e300, 5, float("nan"), float("inf"), float("-inf"), 1e22])
def test_the_group_of_the_documentation_takes_whatever_python_prints(number: float) -> None:
    """The group that is recommended reads every number back as it was."""
    found = re.search("loss=" + NUMBER, f"epoch 1, loss={number}, lr=0.1")
    assert found is not None
    assert repr(float(found.group(1))) == repr(float(number))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("hyperparameters: {rank: 8, sha: 7e50123}\n", "10:33: hyperparameters.sha: 7e50123 means inf here"),
        ("hyperparameters: {rank: 8, at: 12:30}\n", "10:32: hyperparameters.at: 12:30 means 750 here"),
        ("hyperparameters: {rank: 8, id: 010}\n", "10:32: hyperparameters.id: 010 means 8 here"),
        ("hyperparameters: {rank: 8, aug: on}\n", "10:33: hyperparameters.aug: on means True here"),
        ("hyperparameters: {rank: 8, a: {b: [1, off]}}\n", "10:39: hyperparameters.a.b.1: off means False here"),
        (HYPERPARAMETERS + "vars: {sha: 7e50123}\n", "11:13: vars.sha: 7e50123 means inf here"),
        (
            HYPERPARAMETERS + "sweep: {grid: {hyperparameters.rank: [1, 012]}}\n",
            "11:42: sweep.grid.hyperparameters.rank.1: 012 means 10 here",
        ),
    ],
)
def test_a_word_that_yaml_makes_something_else_of_is_told(project: Any, written: str, told: str) -> None:
    """YAML 1.1 has more numbers and truth values than people know: the word, its place and what becomes of it."""
    rewritten(project, HYPERPARAMETERS, written)
    assert project.sweep().warnings == (f"experiments/x.yaml:{told}: quote it if it is text",)


@pytest.mark.parametrize("word", ["1.10", "1e3", "0x1f", "1_000", "on", "010"])
def test_an_environment_variable_that_is_no_text_is_told_without_its_value(project: Any, word: str) -> None:
    """The job gets text: what is not printed as it was written is told, by its key alone."""
    rewritten(project, "MODE: fast", f"MODE: {word}")
    (told,) = project.sweep().warnings
    assert told.startswith("experiments/x.yaml:12:9: environment.MODE: is read as a number or a truth value")
    assert word not in told.partition("environment.MODE:")[2]


@pytest.mark.parametrize("word", ['"1.10"', "'on'", "1.5", "3", "true", "fast", "null", "2024-01-31", "a:b"])
def test_plain_values_are_not_doubted(project: Any, word: str) -> None:
    """What is quoted, or is printed as it was written, is what was meant."""
    rewritten(project, "MODE: fast", f"MODE: {word}")
    assert project.sweep().warnings == ()
    rewritten(project, HYPERPARAMETERS, f"hyperparameters: {{rank: 1e-4, lr: 1.10, word: {word}}}\n")
    assert project.sweep().warnings == ()


def test_the_command_line_has_such_words_too(project: Any) -> None:
    """Hydra's grammar reads `1.10` as a number as YAML does."""
    project.experiment()
    assert project.sweep("environment.MODE=fast,1.10").warnings[0].startswith("command line: environment.MODE: is read")
    assert project.sweep("hyperparameters.rank=7e50123").warnings == (
        "command line: hyperparameters.rank: 7e50123 means inf here: quote it if it is text",
    )
    assert project.sweep("hyperparameters.rank='7e50123'", "environment.MODE='1.10'").warnings == ()


def test_groups_of_ones_own_have_such_words_too(project: Any) -> None:
    """A config group of the project is read by the same YAML."""
    project.write("conf/recipe/small.yaml", "# @package _global_\nhyperparameters: {sha: 7e50123}\n")
    project.experiment()
    assert project.sweep("+recipe=small").warnings == (
        "conf/recipe/small.yaml:2:24: hyperparameters.sha: 7e50123 means inf here: quote it if it is text",
    )


@pytest.mark.parametrize("value", ["${now:%Y}", "run-${now:%H%M%S}", "${hydra:sweep.dir}"])
def test_a_value_that_tells_the_time_is_told(project: Any, value: str) -> None:
    """With it no run knows what another has trained."""
    rewritten(project, HYPERPARAMETERS, f'hyperparameters: {{rank: 8, tag: "{value}"}}\n')
    (told,) = project.sweep().warnings
    assert told.startswith("experiments/x.yaml:10:28: hyperparameters.tag: is another value in every run")
    project.experiment()
    (told,) = project.sweep(f"hyperparameters.rank=1,{value}").warnings
    assert told.startswith("command line: hyperparameters.rank: is another value in every run")


@pytest.mark.parametrize("word", ["+environment.T=${now:%Y}", "job.output_path=s3://b/${now:%Y}"])
def test_the_time_may_be_told_where_it_makes_no_trial(project: Any, word: str) -> None:
    """What does not belong to a trial's identity may differ from run to run."""
    project.experiment()
    assert project.sweep(word).warnings == ()


@pytest.mark.parametrize("key", ["job.num", "job.id", "no.such.thing"])
def test_hydra_tells_nothing_of_a_job(project: Any, key: str) -> None:
    """Hydra resolves what it does not know to nothing; here that is refused, alone, inside of a text, or swept."""
    project.experiment()
    told = f"${{hydra:{key}}} is nothing here, where no job of Hydra's runs: leave it out"
    for word in (
        "+hyperparameters.n=${hydra:%s}",
        "+hyperparameters.n=n-${hydra:%s}",
        "+hyperparameters.n=1,${hydra:%s}",
    ):
        assert project.refused(word % key) == [f"command line: hyperparameters.n: {told}"]


def test_a_swept_choice_that_makes_no_difference_is_told(project: Any) -> None:
    """Two options of a group, or two values under `vars`, that no job gets anything of are two equal trials."""
    for name in ("mnist", "cifar"):
        project.write(f"conf/data/{name}.yaml", f"name: {name}\n")
    project.experiment("sweep: {grid: {data: [mnist, cifar], vars.x: [1, 2]}}\nvars: {x: 1, y: 1}\n")
    text = (project.root / "experiments/x.yaml").read_text(encoding="utf-8")
    project.write("experiments/x.yaml", "defaults: [/data: mnist]\n" + text)
    idle = "is swept, and no job differs by it: let a hyperparameter follow it (${...}), or take it out"
    assert project.sweep("data=mnist").warnings == (f"experiments/x.yaml:14:38: vars.x: {idle}",)
    told = project.sweep("hyperparameters.lr=${vars.x}").warnings
    assert told == (f"experiments/x.yaml:14:16: data: {idle}",)
    assert project.sweep("hyperparameters.lr=${vars.x}", "+hyperparameters.data=${data.name}").warnings == ()
    assert project.sweep("data=mnist", "vars.x=1").warnings == ()


@pytest.mark.parametrize(
    ("on_failure", "pool", "told"),
    [
        ("{internal_error: {retry: 3}}", "", True),
        ("{internal_error: {retry: 3}}", "pool: {last_job_releases: false}\n", False),
        ("{internal_error: {retry: 3}}", "pool: {keep_alive_s: 0}\n", False),
        ("{algorithm_error: continue, same_error_limit: 2}", "", False),
    ],
)
def test_a_last_job_that_may_run_again_keeps_its_pool_and_that_is_told(
    project: Any, on_failure: str, pool: str, told: bool
) -> None:
    """A remedy in `on_failure` leaves no job known to be the last: `last_job_releases` does nothing, not in silence."""
    project.experiment(f"on_failure: {on_failure}\n{pool}")
    found = [line for line in project.sweep().warnings if line.startswith("pool.last_job_releases: does nothing")]
    assert (len(found), "internal_error" in "".join(found)) == (told, told)
