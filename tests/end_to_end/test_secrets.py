"""Secrets in a real run: none is left anywhere, and none of what a trial was given is taken for one."""

from __future__ import annotations

from tests.end_to_end.conftest import Project


def test_a_value_that_is_also_in_the_environment_is_trained_with_after_a_restart(project: Project) -> None:
    """An added trial whose value equals an environment variable's is run with that value, not with a mask."""
    path = project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("fail: 0}", "fail: 0, task: positive}"))
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text('print("score=1")\n')
    assert project.run("hyperparameters.x=1").code == 0
    assert project.verb("add", "tiny", "hyperparameters.x=2", "hyperparameters.task=negative").code == 0
    first = project.run("hyperparameters.x=1", "+environment.KIND=negative", "stop.max_trials=1")
    assert first.code == 0, first.err
    second = project.run("hyperparameters.x=1", "+environment.KIND=negative")
    assert second.code == 0, second.err
    given = project.jobs()[-1]["HyperParameters"]
    assert (given["x"], given["task"]) == ("2", "negative")
    assert project.rows()[-1]["hyperparameters.task"] == "negative"
