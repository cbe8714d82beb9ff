"""A run as a program follows it: one object at the end, a line for each thing that happens, errors in parts."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.conftest import Ended, Project


def lines(ended: Ended) -> list[dict[str, Any]]:
    """What was printed, a JSON object on each line and nothing else."""
    return [json.loads(line) for line in ended.out.splitlines()]


def test_a_run_tells_programs_what_happens_and_what_it_came_to(project: Project) -> None:
    """Each thing is a line in its order, the last is the end; the object says the same and has the rows."""
    *happened, ended, told = lines(project.run("hyperparameters.fail=2", "--json", "--events", "jsonl"))
    assert {line["schema_version"] for line in (*happened, ended, told)} == {1}
    kinds = [line["event"] for line in happened if line["event"] not in ("job_status", "pool_observed")]
    metrics = [(line["metric"], line["value"]) for line in happened if line["event"] == "metric"]
    assert set(metrics) <= {("score", 10.0), ("score", 30.0)}
    submitted = [line for line in happened if line["event"] == "trial_submitted"]
    over = [line for line in happened if line["event"] == "trial_ended"]
    closed = [line for line in happened if line["event"] == "pool_closed"]
    assert kinds.index("sweep_opened") < kinds.index("trial_submitted") < kinds.index("trial_ended")
    assert [(line["number"], line["values"]) for line in submitted] == [
        (n, {"hyperparameters.x": n}) for n in (1, 2, 3)
    ]
    assert [(line["status"], line["failure"]) for line in over] == [
        ("completed", None),
        ("failed", "algorithm_error"),
        ("completed", None),
    ]
    assert {line["job_name"] for line in closed} == {line["job_name"] for line in submitted}
    rows = told.pop("rows")
    assert {**told, "event": "ended", "at": ended["at"]} == ended
    assert (told["exit_code"], told["ended_by"]["by"], told["pools"]["open"]) == (1, "done", [])
    assert (told["counts"]["completed"], told["counts"]["failed"], told["counts"]["planned"]) == (2, 1, 0)
    assert (told["best"]["name"], told["best"]["value"]) == ("x=3", 30.0)
    assert [row["status"] for row in rows] == ["completed", "failed", "completed"]


def test_what_is_wrong_is_told_in_parts(project: Project) -> None:
    """Every mistake of a file with its place, key and remedy; a mistake in the words of a verb likewise."""
    path = project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("goal: maximize", "goal: most") + "lokked: 1\n")
    ended = project.run("--json")
    (told,) = lines(ended)
    assert (ended.code, told["exit_code"]) == (2, 2)
    assert ended.err.splitlines() == [f"sweeper: {one['message']}" for one in told["errors"]]
    assert [(one["code"], one["file"], one["key"]) for one in told["errors"]] == [
        ("configuration", "experiments/tiny.yaml", "objective.goal"),
        ("configuration", "experiments/tiny.yaml", "lokked"),
    ]
    assert (told["error"]["line"], told["error"]["column"]) == (13, 28)
    assert told["errors"][1]["remedy"] == "did you mean 'locked'?"
    (failed,) = lines(project.run("--events", "jsonl"))
    assert (failed["event"], failed["errors"]) == ("failed", told["errors"])
    for words in (("status", "--json", "--nothing"), ("status", "nowhere", "--json"), ("statos", "--json")):
        ended = project.verb(*words)
        (told,) = lines(ended)
        assert (ended.code, told["exit_code"], told["error"]["code"]) == (2, 2, "usage")
        assert ended.err.endswith(f"sweeper: {told['error']['message']}\n")
