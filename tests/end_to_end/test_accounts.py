"""Two accounts: what one of them owes is never settled, listed as closed or believed gone under the other."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Ended, Project, wait_for
from tests.end_to_end.test_aws import QUICK, Served

SLOW = [*QUICK, "hyperparameters.wait=600", "pool.watchdog_grace_s=300"]


class Two:
    """Two served engines, each of an account; one of them is what the shell's credentials are of."""

    def __init__(self, project: Project) -> None:
        self.project, self.served = project, dict[str, Served]()
        for number in ("111111111111", "222222222222"):
            project.root.joinpath(number).mkdir()
            self.served[number] = Served(project, f"account={number}", state=project.root / number)

    def under(self, number: str) -> None:
        """From now on the shell has the credentials of this account."""
        self.project.environment.update(self.served[number].told["environment"])
        self.project.environment["SAGEMAKER_ROLE_ARN"] = f"arn:aws:iam::{number}:role/sweeper-local"

    def owing(self) -> str:
        """A sweep in the first account whose runner is killed while its job trains; returns the job."""
        self.under("111111111111")
        running = self.project.start(*SLOW)
        wait_for(self.project.begun, "the trial trains")
        running.send_signal(signal.SIGKILL)
        running.wait()
        (job,) = self.jobs("111111111111")
        return job

    def jobs(self, number: str) -> dict[str, str]:
        """Every job of an account by name: where it is, and its pool."""
        client = self.served[number].client("sagemaker")
        names = [job["TrainingJobName"] for job in client.list_training_jobs()["TrainingJobSummaries"]]
        told = {name: client.describe_training_job(TrainingJobName=name) for name in names}
        return {name: _place(one) for name, one in told.items()}

    def stop(self) -> None:
        """End both."""
        for served in self.served.values():
            served.stop()


@pytest.fixture
def two(fresh_project: Project) -> Iterator[Two]:
    """Two accounts."""
    made = Two(fresh_project)
    yield made
    made.stop()


def _place(told: dict[str, Any]) -> str:
    return f"{told['TrainingJobStatus']} {told.get('WarmPoolStatus', {}).get('Status', '')}".strip()


def names_it(ended: Ended, job: str) -> bool:
    """Does it end with 3, and say what is open, why nothing could be asked, and the command?"""
    said = [
        f"THE POOL OF {job} MAY STILL BILL",
        "the credentials are of account 222222222222; take those of 111111111111",
        f"release it with: sweeper pools release {job} --engine aws --region us-east-1",
    ]
    return ended.code == 3 and "nothing to release" not in ended.out and all(words in ended.err for words in said)


def test_a_debt_is_never_settled_under_another_account(two: Two) -> None:
    """Killed in one account, looked at from another: exit 3 and the command; in its own it is closed."""
    project, job = two.project, two.owing()
    two.under("222222222222")
    listed = project.verb("pools", "--json")
    assert listed.code == 3, listed.err
    told = json.loads(listed.out)
    assert f"at {two.served['111111111111'].told['url']} could not be asked" in listed.err
    assert (listed.code, told["pools"][0]["job"], told["unasked"][0]["jobs"]) == (3, job, [job])
    assert names_it(project.verb("pools", "release"), job)
    assert names_it(project.verb("pools", "release", job), job)
    assert names_it(project.run(*QUICK, "sweep.grid={hyperparameters.x: [1]}"), job)
    assert set(two.jobs("222222222222").values()) == {"Completed"}
    for verb in (("logs",), ("logs", "-f"), ("verify",)):
        ended = project.verb(*verb, "tiny@111111111111")
        assert (ended.code, "take those of 111111111111" in ended.err) == (2, True), ended
    assert two.jobs("111111111111")[job].startswith("InProgress")
    two.under("111111111111")
    ended = project.verb("pools", "release", "--engine", "aws", job, "--region", "us-east-1")
    assert (ended.code, ended.out) == (0, f"{job}: closed\n")
    assert two.jobs("111111111111") == {job: "Stopped Terminated"}
    assert project.verb("pools").code == 0


def test_one_account_that_cannot_be_asked_hides_no_other(two: Two) -> None:
    """Each account is asked by the profile that its sweep was run with; one profile that is gone hides none."""
    project, job = two.project, two.owing()
    config = project.root / "config"
    config.write_text("[profile other]\nregion = us-east-1\n", encoding="utf-8")
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del project.environment[key]
    first, second = two.served.values()
    project.environment |= {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(config)}
    profiles = {"one": first, "two": second}
    config.write_text("".join(profile(name, served) for name, served in profiles.items()), encoding="utf-8")
    for endpoint in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        project.environment.pop(endpoint, None)
    gone = project.verb("pools", "release", job)
    assert gone.code == 3
    assert job in gone.err
    found = project.verb("pools", "release", job, "--profile", "one", "--region", "us-east-1")
    assert (found.code, found.out) == (0, f"{job}: closed\n"), found.err
    assert project.verb("pools").code == 0


def profile(name: str, served: Served) -> str:
    """A profile of the AWS configuration that reaches this engine."""
    told = served.told["environment"]
    return (
        f"[profile {name}]\nregion = us-east-1\nendpoint_url = {told['AWS_ENDPOINT_URL']}\n"
        f"aws_access_key_id = {told['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = {told['AWS_SECRET_ACCESS_KEY']}\n"
    )


def test_the_profile_that_a_sweep_was_run_with_is_used_later(two: Two, tmp_path: Path) -> None:
    """AWS_PROFILE in the shell of the run: another shell needs to know nothing of it, nor of its account."""
    project = two.project
    config = project.root / "config"
    first, second = two.served.values()
    config.write_text(profile("one", first) + profile("two", second), encoding="utf-8")
    for key in first.told["environment"]:
        project.environment.pop(key, None)
    project.environment |= {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "one"}
    project.environment["SAGEMAKER_ROLE_ARN"] = "arn:aws:iam::111111111111:role/sweeper-local"
    running = project.start(*SLOW)
    wait_for(project.begun, "the trial trains")
    running.send_signal(signal.SIGKILL)
    running.wait()
    (job,) = two.jobs("111111111111")
    project.environment["AWS_PROFILE"] = "two"
    ended = project.verb("pools", "release", job)
    assert (ended.code, ended.out) == (0, f"{job}: closed\n"), ended.err
    assert two.jobs("111111111111") == {job: "Stopped Terminated"}
