"""A runner that was killed while its Create was on the way: what may still arrive is a debt, whoever asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.core import events as ev
from sweeper.core.waits import Waits
from sweeper.engine import launch
from sweeper.record.journal import SqliteJournal
from sweeper.run.debts import RegisteredJournal
from sweeper.run.registry import Account, Debt, Registry
from tests.end_to_end.conftest import Project, sagemaker, wait_for

NAME, MARK = "tiny-0123456789abcdef-a01", "tester/tiny/trial/1"


def left_by_a_killed_runner(project: Project, waits: Waits) -> Debt:
    """The journal and the debt of a run that died between its intent and the answer to its Create."""
    folder = project.root / "runs/tiny"
    account = Account("local", "us-east-1", engine_folder=str(project.root / ".sweeper/engine"))
    debt = Debt("tiny", str(folder), account, waits, "tester")
    journal = RegisteredJournal(SqliteJournal(folder / "journal.db", lambda: 0.0), registry(project), debt)
    journal.append(ev.Intent(NAME, "trial", 0, "x=1", {}, 1, MARK, 300, 600, ""))
    journal.close()
    return debt


def registry(project: Project) -> Registry:
    """The debts of the project's user."""
    return Registry(project.root / "state/sweeper")


def arrive(project: Project) -> None:
    """The Create reaches the service."""
    request = {
        "TrainingJobName": NAME,
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["sleep", "600"],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/sweeper-local",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
            "KeepAlivePeriodInSeconds": 300,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "Environment": {"SWEEPER_FINGERPRINT": MARK},
    }
    sagemaker(launch.ensure(project.root / ".sweeper/engine")).create_training_job(**request)


def test_row_91_a_create_that_arrives_late_is_waited_for_and_closed(project: Project) -> None:
    """`pools release NAME` says that it is closed when the job has come and its pool is gone, and not before."""
    left_by_a_killed_runner(project, Waits(poll_s=0.1, request_life_s=600))
    releasing = project.background("pools", "release", NAME)
    lock = project.root / "runs/tiny/.lock"
    wait_for(lambda: lock.exists() or releasing.poll() is not None, "it looks at the job")
    assert releasing.poll() is None, releasing.communicate()
    arrive(project)
    ended = project.ended(releasing)
    assert (ended.code, ended.out) == (0, f"{NAME}: closed\n"), ended.err
    (job,) = project.jobs()
    assert job["TrainingJobStatus"] == "Stopped"
    assert job.get("WarmPoolStatus", {}).get("Status") in (None, "Terminated")
    assert not list(registry(project))


@pytest.mark.parametrize("named", [[NAME], []])
def test_row_91_a_create_that_cannot_arrive_any_more_is_no_debt(project: Project, named: list[str]) -> None:
    """Once its signature is too old the service will not have it: nothing came to be, and nothing is owed."""
    left_by_a_killed_runner(project, Waits(poll_s=0.1, request_life_s=0.3, not_found_s=0.1))
    ended = project.verb("pools", "release", *named)
    assert (ended.code, list(registry(project))) == (0, []), ended.err


def test_what_is_not_asked_for_stays_a_debt(project: Project, tmp_path: Path) -> None:
    """`--engine local` asks no account, and so says nothing of what is owed there."""
    debt = left_by_a_killed_runner(project, Waits())
    registry(project).record(replace(debt, account=Account("aws", "us-east-1")))
    assert project.verb("pools", "release", "--engine", "local").code == 0
    assert [owed.account.engine for owed in registry(project)] == ["aws"]
