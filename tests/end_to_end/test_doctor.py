"""`sweeper doctor`, and a run that finds the same: told one by one, and refused before anything is made."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Project
from tests.end_to_end.test_aws import Served

OTHERS = "locked.role_arn=arn:aws:iam::210987654321:role/x"


@pytest.fixture
def served(fresh_project: Project) -> Iterator[Served]:
    """An account without a warm pool quota."""
    engine = Served(fresh_project, 'warm_pool_quota={"*": 0}')
    yield engine
    engine.stop()


def test_everything_that_is_wrong_is_told_before_anything_is_made(fresh_project: Project, served: Served) -> None:
    """A run ends with a line for each check that failed, doctor lists all of them; no bucket and no job is there."""
    refused = served.run(OTHERS)
    assert refused.code == 2
    role, quota = refused.err.splitlines()
    assert role.startswith("sweeper: locked.role_arn: ") and "of account 210987654321" in role
    assert "pool.on_no_quota=cold" in quota
    listed = fresh_project.verb("doctor", "+experiment=tiny", "engine=aws", OTHERS)
    assert (listed.code, listed.err) == (2, "")
    lines = listed.out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("fail")] == ["role", "quota.warm_pool"]
    assert lines[-1] == "13 pass, 2 fail"
    told = json.loads(fresh_project.verb("doctor", "+experiment=tiny", "engine=aws", OTHERS, "--json").out)
    assert {check["id"]: check["verdict"] for check in told["checks"]}["quota.warm_pool"] == "fail"
    assert all(set(check) == {"id", "verdict", "found", "do"} for check in told["checks"])
    assert served.client("s3").list_buckets()["Buckets"] == []
    assert served.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_cold_goes_on_without_a_pool(fresh_project: Project, served: Served) -> None:
    """`pool.on_no_quota=cold`: a warning, and every job completes by itself; doctor ends with 0."""
    cold = "pool.on_no_quota=cold"
    ended = served.run(cold, "sweep.grid={hyperparameters.x: [1]}")
    assert (ended.code, "every job will start cold" in ended.err) == (0, True), ended.err
    assert fresh_project.verb("doctor", "+experiment=tiny", "engine=aws", cold).code == 0


def test_an_account_is_looked_at_without_an_experiment(fresh_project: Project, served: Served) -> None:
    """By whichever profile and in whichever Region is said, in the words that a run takes."""
    del served
    listed = fresh_project.verb("doctor", "engine=aws", "engine.region=eu-west-1", "--json")
    told = json.loads(listed.out)
    assert (told["sweep"], "in eu-west-1 as " in told["checks"][0]["found"]) == (None, True), listed
    nobody = fresh_project.verb("doctor", "engine.profile=nobody-has-this")
    assert (nobody.code, "-> name one of ~/.aws/config" in nobody.out) == (2, True), nobody


def test_who_is_not_signed_in_is_told_what_needs_no_account(fresh_project: Project) -> None:
    """No credentials: exit code 2, who asks has failed, and the request is judged all the same."""
    fresh_project.environment |= {"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    fresh_project.environment["HOME"] = str(fresh_project.root)
    ended = fresh_project.verb("doctor", "+experiment=tiny", "engine=aws", "--json")
    checks = {check["id"]: check for check in json.loads(ended.out)["checks"]}
    told = {name: check["verdict"] for name, check in checks.items()}
    assert (ended.code, told["caller"], told["request"], told["quota"]) == (2, "fail", "pass", "unknown")
    assert checks["caller"]["do"].startswith("sign in")
