"""`${prev:...}`: a trial takes something over from the one before it."""

from __future__ import annotations

from typing import Any


def test_a_trial_takes_over(project: Any) -> None:
    """Without anything before, the default counts; else what was handed on. The identity stays the same."""
    project.experiment("sweep: {repeat: {times: 3, seed: null}}\n")
    words = [
        "+hyperparameters.floor=${prev:metrics.accuracy,0.5}",
        "+hyperparameters.note=${prev:job_name}",
        "+job.inputs.model=${prev:model}",
    ]
    sweep = project.sweep(*words)
    assert sweep.prev == ("model", "metrics.accuracy", "job_name")
    first = sweep.resolve(sweep.trials[0])
    assert first["hyperparameters"] == {"rank": 8, "lr": 0.01, "floor": 0.5, "note": None}
    assert first["job"]["inputs"] == {}
    taken = {"metrics.accuracy": 0.75, "job_name": "x-1", "model": "s3://b/model.tar.gz"}
    second = sweep.resolve(sweep.trials[1], taken)
    assert second["hyperparameters"] == {"rank": 8, "lr": 0.01, "floor": 0.75, "note": "x-1"}
    assert second["job"]["inputs"] == {"model": "s3://b/model.tar.gz"}
    assert len({trial.id for trial in sweep.trials}) == 3


def test_trials_that_take_over_run_one_by_one(project: Any) -> None:
    """Whatever the backend has room for, and that is told."""
    project.experiment()
    words = ["backend=on_demand", "backend.max_in_flight=4", "pool.keep_alive_s=0"]
    several, alone = project.sweep(*words), project.sweep(*words, "+hyperparameters.floor=${prev:metrics.accuracy,0.5}")
    assert (several.in_flight, alone.in_flight) == (4, 1)
    assert [line for line in alone.warnings if line not in several.warnings] == [
        "backend.max_in_flight: is 4, and ${prev:...} takes over from the trial before, so that one job is in flight "
        "at a time; set it to 1 to be rid of this line"
    ]


def test_what_no_trial_hands_on(project: Any) -> None:
    """A key that no trial hands on is refused at its place, and the locked section may not depend on a trial."""
    project.experiment("vars: {a: '${prev:modl}', b: '${prev:best.model}'}\n")
    best = "'best.model' needs an objective, which says what is best"
    lines = project.refused("locked.volume_size_in_gb=${prev:metrics.accuracy,30}")
    assert lines[0].startswith("experiments/x.yaml:13:8: vars.a: ${prev:modl}: 'modl' is nothing that a trial hands on")
    assert lines[1] == f"experiments/x.yaml:13:27: vars.b: ${{prev:best.model}}: {best}"
    assert lines[2].startswith("command line: locked.volume_size_in_gb: may not depend on the trial before")
