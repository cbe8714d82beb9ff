"""A caller whose policy denies something runs a sweep on `engine=aws`: what it is told, and that nothing bills."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Project
from tests.end_to_end.test_aws import Served

DENIED = ["logs:*", "servicequotas:*", "sagemaker:UpdateTrainingJob", "iam:SimulatePrincipalPolicy", "iam:PassRole"]


@pytest.fixture
def served(fresh_project: Project, request: pytest.FixtureRequest) -> Iterator[Served]:
    """An engine with these settings."""
    engine = Served(fresh_project, *request.param)
    yield engine
    engine.stop()


@pytest.mark.parametrize("served", [[f"deny={json.dumps(DENIED)}"]], indirect=True)
def test_who_may_not_release_is_refused_before_anything_is_spent(fresh_project: Project, served: Served) -> None:
    """Neither IAM nor Service Quotas may be asked: the service itself tells, in one line; on demand PassRole does."""
    ended = served.run()
    assert ended.code == 2
    *warned, refused = ended.err.splitlines()
    assert warned and all(" warning: " in line for line in warned)
    assert "you may not release a pool: your policy denies sagemaker:UpdateTrainingJob" in refused
    ended = served.run("backend=on_demand")
    assert "not authorized to perform: iam:PassRole on resource" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert ended.code == 2
    assert served.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize("served", [['deny=["logs:*", "servicequotas:*"]', "keep_alive_below_s=200"]], indirect=True)
def test_without_logs_and_quotas_a_sweep_goes_on(fresh_project: Project, served: Served) -> None:
    """The keep-alive that the policy allows has to be set; then every trial completes with its metric, and is told."""
    ended = served.run()
    assert ended.code == 2
    assert "pool.keep_alive_s: your policy's condition on sagemaker:KeepAlivePeriod does not allow 300" in ended.err
    ended = served.run("pool.keep_alive_s=100")
    assert ended.code == 0, ended.err
    assert "warning: the quotas could not be checked: " in ended.err
    assert ended.err.count("was not stored: ") == 3
    assert "score" in ended.out
