"""People who sign in: a session that ends in the middle of a sweep, and two of them on one account."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from sweeper.engine.credentials import KeyPair
from sweeper.engine.wire.sessions import Sessions
from tests.end_to_end.conftest import Project, wait_for
from tests.end_to_end.test_aws import QUICK, Served
from tests.forked import heed_signals

ALICE, BOB = "alice@example.com", "bob@example.com"
PEOPLE = {ALICE: "Research", BOB: "Research"}
SESSION = "team-of-the-tests"
LOGIN = "run `aws sso login --profile research`"
CONFIG = f"""\
[sso-session {SESSION}]
sso_start_url = http://127.0.0.1/start
sso_region = us-east-1
[profile research]
sso_session = {SESSION}
sso_account_id = 123456789012
sso_role_name = Research
region = us-east-1
endpoint_url = URL
"""


class Team:
    """An engine whose permission set two people share; the portal is asked again for every request that they sign."""

    def __init__(self, project: Project) -> None:
        self.project = project
        quick = ("settle_gap_s=0.02", "release_lag_s=0.02", "sso_session_s=60")
        self.served = Served(project, f"sso_users={json.dumps(PEOPLE)}", *quick)
        told = self.served.told
        self._sessions = Sessions(KeyPair(told["access_key"], told["secret_key"]), PEOPLE)
        options = {
            "region_name": "us-east-1",
            "endpoint_url": told["url"],
            "config": Config(signature_version=UNSIGNED),
        }
        self._portal: Any = boto3.client("sso", **options)
        for name in told["environment"]:
            project.environment.pop(name, None)
        del project.environment["SWEEPER_OWNER"]

    def given(self, person: str) -> dict[str, str]:
        """The variables of somebody who has copied their credentials from the portal."""
        asked = {"roleName": "Research", "accountId": "123456789012", "accessToken": self._sessions.sign_in(person)}
        found = self._portal.get_role_credentials(**asked)["roleCredentials"]
        return {
            "AWS_ENDPOINT_URL": self.served.told["url"],
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": found["accessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["secretAccessKey"],
            "AWS_SESSION_TOKEN": found["sessionToken"],
        }

    def jobs(self) -> dict[str, str]:
        """Every job by name: where it is, and its pool."""
        client = self.served.client("sagemaker")
        names = [job["TrainingJobName"] for job in client.list_training_jobs()["TrainingJobSummaries"]]
        told = (client.describe_training_job(TrainingJobName=name) for name in names)
        return {
            one["TrainingJobName"]: f"{one['TrainingJobStatus']} {one.get('WarmPoolStatus', {}).get('Status', '')}"
            for one in told
        }


@dataclass
class Laptop:
    """Alice's: a profile of single sign-on, and the token that `aws sso login` has left in its cache."""

    team: Team

    def __post_init__(self) -> None:
        home = self.team.project.root / "home"
        self._token = home / ".aws/sso/cache" / f"{hashlib.sha1(SESSION.encode()).hexdigest()}.json"
        self._token.parent.mkdir(parents=True)
        (home / ".aws/config").write_text(CONFIG.replace("URL", self.team.served.told["url"]), encoding="utf-8")
        self.team.project.environment |= {"HOME": str(home), "AWS_PROFILE": "research"}

    def sign_in(self) -> None:
        """`aws sso login`."""
        token = self.team._sessions.sign_in(ALICE)
        self._token.write_text(json.dumps({"accessToken": token, "expiresAt": "2099-01-01T00:00:00Z"}))

    def sign_out(self) -> None:
        """The session ends."""
        self.team._portal.logout(accessToken=json.loads(self._token.read_text())["accessToken"])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A run of `tiny` as a program: botocore looks for the cache of tokens when it is imported.

        It waits long for new credentials, and looks for them seldom: each look makes every client anew.
        """
        project = self.team.project
        with (project.root / "said").open("w") as said:
            command = project.command(*QUICK, "engine.poll_s=0.5", *arguments)
            return subprocess.Popen(
                command, cwd=project.root, env=project.environment, stderr=said, text=True, preexec_fn=heed_signals
            )

    def said(self) -> str:
        """What the run has told so far."""
        return (self.team.project.root / "said").read_text()

    def expires(self, *arguments: str) -> subprocess.Popen[str]:
        """A run whose session ends while its first job trains, and that has noticed."""
        self.sign_in()
        running = self.start(*arguments)
        wait_for(self.team.project.begun, "the trial trains")
        self.sign_out()
        wait_for(lambda: "waiting for new credentials" in self.said(), "the run has noticed")
        return running


@pytest.fixture
def team(fresh_project: Project) -> Iterator[Team]:
    """Two people, and an engine."""
    made = Team(fresh_project)
    yield made
    made.served.stop()


@pytest.fixture
def laptop(team: Team) -> Laptop:
    """Of one of them."""
    return Laptop(team)


def test_a_session_that_is_renewed_in_the_middle_costs_nothing(laptop: Laptop) -> None:
    """Every trial runs once, on the machine of the first; what to type is told once, with how long the pool idles."""
    project, running = laptop.team.project, laptop.expires("hyperparameters.wait=0.3")
    (told,) = [line for line in laptop.said().splitlines() if "waiting for new credentials" in line]
    assert LOGIN in told and "its pool idles for" in told
    laptop.sign_in()
    assert running.wait(60) == 0, laptop.said()
    assert len(project.begun()) == 3
    rows = (project.root / "runs/tiny@123456789012.us-east-1/results.csv").read_text()
    assert (rows.count(",reused,"), rows.count(",cold,"), rows.count("completed")) == (2, 1, 3)


def test_a_session_that_is_not_renewed_ends_with_the_pool_its_end_and_the_command(laptop: Laptop) -> None:
    """Ctrl-C twice: 3, and every other command says what to type. Then the watchdog waits, and closes the pool."""
    project = laptop.team.project
    running = laptop.expires("hyperparameters.wait=0.3", "pool.watchdog_grace_s=0")
    (job,) = laptop.team.jobs()
    for verb, code in (("verify tiny", 2), ("logs -f tiny", 2), ("pools release", 3)):
        ended = project.verb(*verb.split())
        assert (ended.code, LOGIN in ended.err, "Traceback" in ended.err) == (code, True, False), (verb, ended)
    assert project.verb("status", "tiny").code == 0
    running.send_signal(signal.SIGINT)
    wait_for(lambda: "to close the pool" in laptop.said() or "stopping the job" in laptop.said(), "it was heard")
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 3
    *_, why, command = laptop.said().splitlines()
    assert f"THE POOL OF {job} MAY STILL BILL" in why and LOGIN in why and "nobody pays for it after 20" in why
    assert command.endswith(f"sweeper pools release {job} --engine aws --region us-east-1 --profile research")
    log = project.root / "runs/tiny@123456789012.us-east-1/watchdog.log"
    wait_for(lambda: f"close the pool of {job}" in log.read_text(), "the watchdog waits")
    assert laptop.team.jobs() == {job: "Completed Available"} and LOGIN in log.read_text()
    laptop.sign_in()
    wait_for(lambda: "every pool is closed" in log.read_text(), "the watchdog has closed the pool")
    assert laptop.team.jobs() == {job: "Completed Terminated"}


def test_two_people_of_one_permission_set_are_two_owners(team: Team, tmp_path: Path) -> None:
    """One's SIGTERM, `stop` and `pools release` leave the other's job alone; `pools` says whose it is."""
    project = team.project
    project.environment |= team.given(ALICE)
    alice = project.start(*QUICK, "hyperparameters.wait=600")
    wait_for(lambda: len(project.begun()) == 1, "hers trains")
    (hers,) = team.jobs()
    told = json.loads(project.verb("engine", "status", "--json", "--state-dir", str(team.served.state)).out)
    assert set(told["sso_tokens"]) == set(PEOPLE)
    shutil.copytree(project.root / "experiments", tmp_path / "bob/experiments")
    bob = Project(tmp_path / "bob", {**project.environment, **team.given(BOB), "XDG_STATE_HOME": str(tmp_path / "b")})
    listed = json.loads(bob.verb("pools", "--engine", "aws", "--json").out)["pools"]
    assert [(pool["job"], pool["owner"].rpartition("/")[2], pool["ours"]) for pool in listed] == [(hers, ALICE, False)]
    for words in ([], [hers], ["--all-mine", "--everywhere"]):
        released = bob.verb("pools", "release", "--engine", "aws", *words)
        assert "is not yours" in released.err and ALICE in released.err, released
    running = bob.start(*QUICK, "hyperparameters.wait=600")
    wait_for(lambda: len(project.begun()) == 2, "his trains beside it")
    running.send_signal(signal.SIGTERM)
    assert bob.ended(running).code == 143
    (his,) = set(team.jobs()) - {hers}
    assert team.jobs() == {hers: "InProgress InUse", his: "Stopped Terminated"}
    alice.send_signal(signal.SIGTERM)
    assert project.ended(alice).code == 143
