"""`sweeper doctor --smoke` as a person types it: on an engine that is served, with real jobs and short times."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest

from sweeper.engine import launch
from sweeper.engine.credentials import KeyPair, client_environment
from sweeper.run.registry import Registry
from tests.end_to_end.conftest import Project, wait_for
from tests.end_to_end.terminal import Terminal
from tests.forked import start_engine

NETWORK = ["locked.subnets=[subnet-a, subnet-b]", "locked.security_group_ids=[sg-1]"]
SMOKE = ["doctor", "--smoke", "+experiment=tiny", "engine.settle_s=1", *NETWORK]
SERVICE = {
    "cold_start_s": 1.5,
    "settle_gap_s": 0.4,
    "release_lag_s": 0.3,
    "stop_retains_pool": False,
    "update_from_now": False,
    "early_stop_shows_terminated": True,
    "refusals": {"update_reused": "ResourceInUse: {name} was taken."},
}


def serve(project: Project, **settings: Any) -> launch.EngineInfo:
    """The project's own engine, with these settings."""
    return start_engine(project.root / ".sweeper/engine", {"settle_gap_s": 0.1, "cold_start_s": 0.2, **settings})


def begin(project: Project) -> subprocess.Popen[str]:
    """Ask until the first job trains on a machine."""
    process = project.background(*SMOKE)
    wait_for(lambda: any(job["SecondaryStatus"] == "Training" for job in project.jobs("doctor-smoke")), "a first job")
    return process


def nothing_is_owed(project: Project) -> bool:
    """Is no debt open, and no job of it on a pool that is kept?"""
    return not list(Registry(project.root / "state/sweeper")) and not {"Available", "InUse"} & set(project.pools())


def test_a_served_engine_is_found_out_and_another_does_the_same(fresh_project: Project) -> None:
    """All sixteen are answered as the engine was set, with the policy for it alone; another one then does the same."""
    fresh_project.environment["AWS_REGION"] = "us-east-1"
    policy = json.loads(fresh_project.verb("iam", "+experiment=tiny", "--for", "smoke").out)
    looking = {"Sid": "Test", "Effect": "Allow", "Action": "sagemaker:ListTrainingJobs", "Resource": "*"}  # this test's
    serve(fresh_project, **SERVICE, policy={**policy, "Statement": [*policy["Statement"], looking]})
    ended = fresh_project.verb(*SMOKE, "--recording", "answers.json")
    assert ended.code == 0, ended.out + ended.err
    assert "16 of 16 questions are answered; recorded in answers.json" in ended.out
    found = json.loads((fresh_project.root / "answers.json").read_text())
    switches = {name: value for name, value in SERVICE.items() if isinstance(value, bool)}
    assert {name: found["settings"][name] for name in switches} == switches
    assert found["settings"]["refusals"]["update_reused"] == "ResourceInUse: {name} was taken."
    looks = found["questions"]["S2"]["evidence"]["jobs"][0]["looks"]
    assert all(look["request_id"] for look in looks)
    assert nothing_is_owed(fresh_project)
    assert not (fresh_project.root / "runs/doctor-smoke/journal.db").exists()
    launch.stop(fresh_project.root / ".sweeper/engine")
    again = fresh_project.run("engine.recorded=answers.json", "+engine.settle_gap_s=0.01", "stop.max_trials=1")
    assert again.code == 0, again.err
    told = launch.status(fresh_project.root / ".sweeper/engine")
    assert told is not None
    assert {name: told["settings"][name] for name in switches} == switches
    assert told["settings"]["settle_gap_s"] == 0.01  # what is set counts before what is recorded


def test_nothing_is_spent_unasked(fresh_project: Project) -> None:
    """On an account the worst bill is told first; where nobody can be asked and nobody has agreed, nothing is sent."""
    info = serve(fresh_project)
    pair = KeyPair(info.access_key, info.secret_key)
    fresh_project.environment.update(client_environment(info.url, info.region, pair))
    ended = fresh_project.verb(*SMOKE, "engine=aws")
    assert ended.code == 2
    assert "the worst bill is 0.92 USD" in ended.err
    assert "say --yes" in ended.err
    assert not fresh_project.jobs()
    without = fresh_project.verb("doctor", "--smoke")
    assert (without.code, "add +experiment=NAME" in without.err) == (2, True)


def test_a_person_is_asked_and_may_say_no(fresh_project: Project) -> None:
    """On a terminal the question waits for an answer; any other than yes sends nothing and is no error."""
    info = serve(fresh_project)
    pair = KeyPair(info.access_key, info.secret_key)
    environment = {**fresh_project.environment, **client_environment(info.url, info.region, pair)}
    terminal = Terminal([*SMOKE, "engine=aws"], fresh_project.root, environment, 100, 24)
    terminal.until(lambda: "ask them? [y/N]" in terminal.text)
    terminal.press(b"\n")
    assert terminal.to_end() == 0
    assert not fresh_project.jobs()


def test_ctrl_c_releases_and_writes_what_is_known(fresh_project: Project) -> None:
    """Ended in the middle every pool is closed, the recording says what was answered, and the exit code is 130."""
    serve(fresh_project)
    process = begin(fresh_project)
    process.send_signal(signal.SIGINT)
    ended = fresh_project.ended(process)
    assert ended.code == 130, ended.err
    told = json.loads((fresh_project.root / "smoke-local.json").read_text())
    assert told["questions"]["S12"]["open"] is None
    assert told["questions"]["S11"]["open"] == "it was ended before that"
    assert nothing_is_owed(fresh_project)


def test_the_watchdog_closes_what_a_killed_asking_owes(fresh_project: Project) -> None:
    """Killed outright it leaves a debt that the registry knows and the watchdog closes."""
    serve(fresh_project)
    process = begin(fresh_project)
    assert [debt.sweep for debt in Registry(fresh_project.root / "state/sweeper")] == ["doctor-smoke"]
    process.kill()
    fresh_project.ended(process)
    wait_for(lambda: nothing_is_owed(fresh_project), "a released pool")


@pytest.mark.parametrize(("told", "words"), [("nowhere.json", "cannot be read"), ("experiments/tiny.yaml", "no JSON")])
def test_a_recording_that_is_none_is_said_with_its_place(fresh_project: Project, told: str, words: str) -> None:
    """It is a mistake of the configuration, told before anything is started."""
    ended = fresh_project.run(f"engine.recorded={told}")
    assert (ended.code, words in ended.err) == (2, True)
    assert ended.err.startswith("sweeper: command line: engine.recorded: ")
