"""Secrets where everybody could read them, and values that are too long: told at once, and not repeated."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.config.exposed import SWEPT
from sweeper.core.secrets import Redactor

LONG = "s3cr3t" * 500


def test_a_secret_may_be_swept_by_name_only(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is swept is written; `${oc.env:...}` is written as it is, and its value is what the job gets."""
    project.experiment("  HF_TOKEN: ${oc.env:A}\nsweep: {grid: {environment.HF_TOKEN: [aaaaa, bbbbb]}}\n")
    monkeypatch.setenv("A", "value-of-a")
    monkeypatch.setenv("B", "value-of-b")
    assert project.refused() == [f"experiments/x.yaml:14:16: environment.HF_TOKEN: {SWEPT}"]
    named = project.sweep("environment.HF_TOKEN='${oc.env:A}','${oc.env:B}'")
    assert "value-of" not in repr([(trial.name, trial.values) for trial in named.trials])
    assert [named.resolve(trial)["environment"]["HF_TOKEN"] for trial in named.trials] == ["value-of-a", "value-of-b"]
    assert len(project.sweep("environment.HF_TOKEN=null", "environment.MODE=fast,slow").trials) == 2
    assert project.refused("environment.HF_TOKEN=aaaaa,bbbbb") == [f"command line: environment.HF_TOKEN: {SWEPT}"]


def test_nothing_that_looks_secret_is_added(project: Any) -> None:
    """What `sweeper add` queues stands in the journal: nothing of the environment."""
    project.experiment()
    sweep = project.sweep()
    with pytest.raises(Exception, match=r"environment\.MODE: only keys of hyperparameters"):
        sweep.make({"environment.MODE": "slow"}, 1)


def test_an_address_with_a_password_is_told_and_masked(project: Any) -> None:
    """In an image, a dependency and a requirements file; not one that the job fills in."""
    project.write("code/requirements.txt", "a @ git+https://ghp_token@host/a\nb @ git+https://${USER_INFO}@host/b\n")
    project.experiment("dependencies: {six: 'git+https://me:pa55word@host/six'}\n")
    sweep = project.sweep("job.requirements=requirements.txt", "job.image_uri=https://u:sesame@host/train:1")
    told = ": holds a user or a password before the @ of a URL, for everyone to read: put it under environment"
    assert sweep.warnings == (
        f"command line: job.image_uri{told}",
        f"experiments/x.yaml:13:16: dependencies.six{told}",
        f"command line: job.requirements{told}",
    )
    redact = Redactor()
    redact.learn_texts(sweep.secrets)
    assert redact("u:sesame sesame pa55word ghp_token host") == "*** *** *** *** host"


def test_a_secret_that_is_copied_to_where_it_is_shown_is_told(project: Any) -> None:
    """An interpolation carries it to where everyone can read it; an ordinary value that is the same is none."""
    project.experiment("  API_TOKEN: abcdefgh\n")
    words = (
        "+hyperparameters.url='x?${environment.API_TOKEN}'",
        "+hyperparameters.mode=fast",
        "+job.tags.who='${environment.API_TOKEN}'",
    )
    assert project.sweep(*words).warnings == (
        "command line: hyperparameters.url: holds the value of environment.API_TOKEN: hyperparameters are shown",
        "command line: job.tags.who: holds the value of environment.API_TOKEN: what a request says is shown",
    )


def test_a_secret_of_the_shell_that_is_copied_into_a_hyperparameter_is_told(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name says what it is, though no key does, and however many keys it is handed on by."""
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setenv("HF_HOME", "/data/hf")
    words = (
        "+vars.who='${oc.env:HF_TOKEN}'",
        "+hyperparameters.who='${vars.who}'",
        "+hyperparameters.at='${oc.env:HF_HOME}'",
    )
    project.experiment()
    assert project.sweep(*words).warnings == (
        "command line: hyperparameters.who: holds the value of the variable HF_TOKEN: hyperparameters are shown",
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([f"+hyperparameters.text={LONG}"], "hyperparameters.text: is 3,000 characters long, SageMaker takes 2,500"),
        ([f"environment.MODE={LONG}"], "environment.MODE: is 3,000 characters long, SageMaker takes 512"),
        ([f"environment.MODE={LONG},b"], "environment.MODE: is 3,000 characters long, SageMaker takes 512"),
        (["environment.MODE=a,${oc.env:LONG}"], "environment.MODE: environment.MODE is 3,000 characters long"),
        (["environment.MODE=${oc.env:LONG}"], "environment.MODE: is 3,000 characters long, SageMaker takes 512"),
        (["+hyperparameters.many='${oc.decode:${oc.env:MANY}}'"], "hyperparameters.many: is 3,000 characters long"),
    ],
)
def test_what_is_too_long_is_told_and_not_repeated(
    project: Any, monkeypatch: pytest.MonkeyPatch, words: list[str], line: str
) -> None:
    """Of hyperparameters and the environment, given, swept or interpolated, as text or as JSON."""
    monkeypatch.setenv("LONG", LONG)
    monkeypatch.setenv("MANY", str([11] * 750))
    project.experiment()
    (told,) = project.refused(*words)
    assert told.startswith(f"command line: {line}")
    assert told.endswith(": put it into a file that the job reads")
    assert "s3cr3ts3cr3t" not in told


def test_a_value_of_the_environment_that_cannot_be_resolved_is_not_repeated(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver's complaint holds what it was given."""
    monkeypatch.setenv("LONG", "s3cr3t: {")
    project.experiment("  TOKEN: ${oc.decode:${oc.env:LONG}}\n")
    assert project.refused() == ["experiments/x.yaml:13:3: environment.TOKEN: cannot be resolved"]


def test_a_swept_value_that_is_too_long_is_told_with_its_place(project: Any) -> None:
    """The axis is named, and of the value only its beginning."""
    project.experiment(f"sweep: {{grid: {{hyperparameters.rank: [8, {LONG}]}}}}\n")
    (told,) = project.refused()
    assert told.startswith("experiments/x.yaml:13:16: hyperparameters.rank: s3cr3t")
    assert "hyperparameters.rank is 3,000 characters long, SageMaker takes 2,500" in told
    assert len(told) < 300
