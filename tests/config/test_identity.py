"""What belongs to a trial's identity, and what does not, seen from the experiment file."""

from __future__ import annotations

from typing import Any

import pytest


def identities(sweep: Any) -> list[str]:
    """The identities in order."""
    return [trial.id for trial in sweep.trials]


COUNTS = (
    "locked.instance_type=ml.g5.2xlarge",
    "locked.volume_size_in_gb=31",
    "job.image_uri=repository/train:2",
    "+job.inputs.train=s3://bucket/data",
    "job.launch=toolkit",
    "job.arguments=flags",
    "job.arguments={rank: hydra}",
    "hyperparameters.rank=9",
    "+hyperparameters.new=1",
    "~hyperparameters.lr",
    "environment.MODE=slow",
    "+environment.NEW=1",
    "+dependencies.tool='1.0'",
)
COSMETIC = (
    "name=other",
    "owner=other",
    "engine=aws",
    "engine.poll_s=1",
    "backend=on_demand",
    "pool.keep_alive_s=60",
    "job.max_runtime_s=5",
    "job.output_path=s3://bucket/x",
    "job.metrics=[{name: loss, regex: 'loss=(.*)'}]",
    "stop.max_trials=1",
    "+vars.unused=1",
    "+hyperparameters.unset=null",
)


def test_what_determines_a_result_counts_and_cosmetics_do_not(project: Any) -> None:
    """Whatever may change a result makes another trial; what changes no result changes no identity."""
    project.experiment()
    base = identities(project.sweep())
    assert [word for word in COUNTS if identities(project.sweep(word)) == base] == []
    assert [word for word in COSMETIC if identities(project.sweep(word)) != base] == []


def test_the_source_counts_by_content(project: Any) -> None:
    """A changed script makes another trial; the same files in another folder do not."""
    project.experiment()
    first = project.sweep()
    project.write("elsewhere/train.py", (project.root / "code/train.py").read_text())
    project.write("elsewhere/__pycache__/train.pyc", "noise")
    assert identities(project.sweep("job.source_dir=elsewhere")) == identities(first)
    project.write("code/train.py", "print('accuracy=2')\n")
    assert identities(project.sweep()) != identities(first)
    assert project.sweep().source_digest != first.source_digest


def test_inputs_count_by_content(project: Any) -> None:
    """A local folder of data counts by what is in it; one in S3, which nobody here can read, by its name."""
    project.experiment()
    project.write("data/a.csv", "1,2\n")
    first = identities(project.sweep("+job.inputs.train=data"))
    project.write("copy/a.csv", "1,2\n")
    assert identities(project.sweep("+job.inputs.train=copy")) == first
    project.write("data/a.csv", "1,3\n")
    assert identities(project.sweep("+job.inputs.train=data")) != first
    elsewhere = [identities(project.sweep(f"+job.inputs.train=s3://bucket/{name}")) for name in ("a", "b")]
    assert elsewhere[0] != elsewhere[1]


def test_the_outside_counts_by_value(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the machine counts by its value; under `environment`, where secrets live, only by its name."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    monkeypatch.setenv("SWEEPER_TEST_DATA", "one")
    used = project.sweep("+hyperparameters.data=${oc.env:SWEEPER_TEST_DATA}")
    secret = project.sweep("+environment.TOKEN=${oc.env:SWEEPER_TEST_DATA}")
    monkeypatch.setenv("SWEEPER_TEST_DATA", "two")
    assert identities(project.sweep("+hyperparameters.data=${oc.env:SWEEPER_TEST_DATA}")) != identities(used)
    assert identities(project.sweep("+hyperparameters.data=one")) == identities(used)
    assert identities(project.sweep("+environment.TOKEN=${oc.env:SWEEPER_TEST_DATA}")) == identities(secret)


def test_interpolations_count_through_what_they_name(project: Any) -> None:
    """A value that follows another key differs where that key differs, also a swept one outside of the identity."""
    project.experiment("sweep: {grid: {vars.size: [1, 2]}}\nvars: {size: 1, other: 5}\n")
    followed = identities(project.sweep("+hyperparameters.width=${vars.size}"))
    assert len(set(followed)) == 2
    other = identities(project.sweep("+hyperparameters.width=${vars.other}"))
    assert identities(project.sweep("+hyperparameters.width=${vars.other}", "vars.other=6")) != other


def test_a_swept_value_equal_to_the_base_is_the_base(project: Any) -> None:
    """A trial that sets what the base has anyway is the base."""
    project.experiment()
    (base,) = identities(project.sweep())
    assert identities(project.sweep("hyperparameters.rank=8,9"))[0] == base


def test_the_locked_digest_is_recomputed_for_each_trial(project: Any) -> None:
    """A resolved trial carries the locked section of its own composition, equal to the frozen one."""
    from sweeper.core.request import digest

    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    sweep = project.sweep("locked.volume_size_in_gb=${vars.size}", "+vars.size=40")
    assert [digest(sweep.resolve(trial)["locked"]) for trial in sweep.trials] == [sweep.locked_digest] * 2
