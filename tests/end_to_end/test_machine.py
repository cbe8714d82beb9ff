"""A run as a program follows it: one object at the end, a line for each thing that happens, errors in parts."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import Ended, Project, wait_for


def lines(ended: Ended) -> list[dict[str, Any]]:
    """What was printed, a JSON object on each line and nothing else."""
    return [json.loads(line) for line in ended.out.splitlines()]


def test_a_run_tells_programs_what_happens_and_what_it_came_to(project: Project) -> None:
    """Each thing is a line in its order, the last is the end; the object says the same, and no more for more trials."""
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
    waited = project.verb("wait", "tiny", "--json")
    assert (waited.code, lines(waited)) == (1, [told]), "who waits is told the same"
    for words, wanted in (
        (["1", "--tail", "1"], "score=10.0"),
        (["3", "--grep", "^s"], "score=30.0"),
        (["3", "--since", "1h"], "score=30.0"),
        (["3", "--since", "0s"], ""),
    ):
        (logged,) = lines(project.verb("logs", "tiny", *words, "--json"))
        followed = [one["line"] for one in lines(project.verb("logs", "tiny", *words, "-f", "--json"))]
        assert logged["lines"] == followed
        assert wanted in "".join(followed[-1:])
    assert {**told, "event": "ended", "at": ended["at"]} == ended
    assert (told["exit_code"], told["ended_by"]["by"], told["pools"]["open"]) == (1, "done", [])
    assert (told["counts"]["completed"], told["counts"]["failed"], told["counts"]["planned"]) == (2, 1, 0)
    assert (told["best"]["name"], told["best"]["value"]) == ("x=3", 30.0)


def test_what_is_wrong_is_told_in_parts(fresh_project: Project) -> None:
    """Every mistake of a file with its place, key and remedy; a mistake in the words of a verb likewise."""
    path = fresh_project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("goal: maximize", "goal: most") + "lokked: 1\n")
    ended = fresh_project.run("--json")
    (told,) = lines(ended)
    assert (ended.code, told["exit_code"]) == (2, 2)
    assert ended.err.splitlines() == [f"sweeper: {one['message']}" for one in told["errors"]]
    assert [(one["code"], one["file"], one["key"]) for one in told["errors"]] == [
        ("configuration", "experiments/tiny.yaml", "objective.goal"),
        ("configuration", "experiments/tiny.yaml", "lokked"),
    ]
    assert (told["error"]["line"], told["error"]["column"]) == (13, 28)
    assert told["errors"][1]["remedy"] == "did you mean 'locked'?"
    (failed,) = lines(fresh_project.run("--events", "jsonl"))
    assert (failed["event"], failed["errors"]) == ("failed", told["errors"])
    for words in (("status", "--json", "--nothing"), ("status", "nowhere", "--json"), ("statos", "--json")):
        ended = fresh_project.verb(*words)
        (told,) = lines(ended)
        assert (ended.code, told["exit_code"], told["error"]["code"]) == (2, 2, "usage")
        assert ended.err.endswith(f"sweeper: {told['error']['message']}\n")


def test_a_detached_run_goes_on_by_itself_and_can_be_waited_for(project: Project) -> None:
    """The command returns when it is accepted; another waits, is told what happens, and ends with the run's exit code.

    Who waits ends nothing: neither when the time is up nor by Ctrl-C.
    """
    script, hold = project.root / "experiments/scripts/tiny/train.py", project.root / "hold"
    script.write_text(script.read_text().replace("sleep(a.wait)", f"sleep(0.02 * os.path.exists({str(hold)!r}))"))
    script.write_text(script.read_text().replace("time.sleep", f"while os.path.exists({str(hold)!r}): time.sleep"))
    hold.touch()
    (begun,) = lines(project.run("hyperparameters.fail=2", "--detach", "--json"))
    again = project.run("hyperparameters.fail=2", "--detach", "--json")
    assert (again.code, lines(again)[0]["error"]["code"]) == (4, "held")
    assert project.verb("wait", "tiny", "--timeout", "nan").code == 2, "it would never be up, or always"
    late = project.verb("wait", "tiny", "--timeout", "0", "--json")
    assert (late.code, lines(late)[0]["exit_code"], lines(late)[0]["ended_by"]) == (124, 124, None)
    waiting = project.background("wait", "tiny", "--events", "jsonl")
    assert waiting.stdout
    first = [json.loads(waiting.stdout.readline())["event"] for _ in range(2)]
    given_up = project.background("wait", "tiny", "--events", "jsonl")
    assert given_up.stdout and given_up.stdout.readline()
    given_up.send_signal(signal.SIGINT)
    assert project.ended(given_up).code == 130
    assert lines(project.verb("status", "tiny", "--json"))[0]["runner"]["pid"] == begun["pid"]
    hold.unlink()
    *happened, ended = lines(waited := project.ended(waiting))
    over = [line["status"] for line in happened if line["event"] == "trial_ended"]
    assert (first, over) == (["sweep_opened", "trial_submitted"], ["completed", "failed", "completed"])
    assert (waited.code, ended["event"], ended["exit_code"], ended["pools"]["open"]) == (1, "ended", 1, [])
    assert "results: runs/tiny/results.csv" in Path(begun["log"]).read_text()


def test_a_detached_run_that_is_not_accepted_says_so_itself(project: Project) -> None:
    """What is wrong is told at once, by its own exit code; a run that was killed has ended by nothing."""
    refused = project.run("hyperparameters.nothing=1", "--detach")
    assert (refused.code, refused.out) == (2, "")
    assert "hyperparameters.nothing" in refused.err
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(script.read_text().replace("sleep(a.wait)", "sleep(60)"))
    (begun,) = lines(project.run("--detach", "--json"))
    wait_for(project.begun, "it trains")
    os.kill(begun["pid"], signal.SIGKILL)
    waited = project.verb("wait", "tiny", "--json")
    (told,) = lines(waited)
    assert (waited.code, told["exit_code"], told["ended_by"]["by"]) == (3, 3, "broken_off")
    assert told["unreleased"][0]["command"] in waited.err
    assert project.verb("pools", "release").code == 0
