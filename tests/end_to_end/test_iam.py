"""`sweeper iam` is the least: with exactly what it prints an experiment runs, and nothing of it can be taken away."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sweeper.aws import batch, queues
from sweeper.aws.clients import Clients, Endpoint
from sweeper.core.queued import QueueOptions
from sweeper.engine import launch
from sweeper.engine.credentials import KeyPair, client_environment
from sweeper.engine.wire.policies import Asked, Decision, Policy
from tests.end_to_end.conftest import QUICK, Project, wait_for
from tests.forked import start_engine

AWS = ["engine=aws", "engine.poll_s=0.1", "engine.settle_s=10", "engine.metrics_wait_s=2", "engine.not_found_s=5"]
LEASE = "s3://leases/team"
POOL = ["pool.last_job_releases=false", "pool.lease=s3://leases/team"]
"""What makes a run call all that it may, beside a job that is stopped: a pool to be released, and a lease."""
QUEUE = ["backend=batch", "backend.queue=team"]
Document = dict[str, Any]


class Account:
    """An engine that stands for an account, with a policy or none."""

    def __init__(self, project: Project) -> None:
        self.state, self._project = project.root / "account", project
        self.serve()

    def serve(self, policy: Mapping[str, Any] = {}) -> None:
        """Answer from now on by this policy; jobs that run go on."""
        if known := launch.find(self.state):
            os.kill(known.pid, signal.SIGTERM)
        self.info = start_engine(self.state, {**QUICK, "policy": policy})
        pair = KeyPair(self.info.access_key, self.info.secret_key)
        self._project.environment.update(client_environment(self.info.url, self.info.region, pair))

    def asked(self) -> list[Asked]:
        """What the policy was asked for."""
        told = launch.status(self.state)
        assert told is not None
        return [Asked(one.pop("action"), one.pop("resource"), tuple(one.items())) for one in told["asked"]]


@pytest.fixture
def account(fresh_project: Project) -> Iterator[Account]:
    """An account with the bucket of a team's leases, and its queue."""
    found = Account(fresh_project)
    clients = Clients(Endpoint.local(found.info))
    clients.client("s3").create_bucket(Bucket="leases")
    queues.ensure(batch.calls(lambda: clients), QueueOptions("team"), 1)
    yield found
    launch.stop(found.state)


def printed(project: Project, who: str, *arguments: str) -> Document:
    """The policy for this one."""
    ended = project.verb("iam", "+experiment=tiny", *AWS, *arguments, "--for", who)
    assert (ended.code, ended.err) == (0, ""), ended.err
    found: Document = json.loads(ended.out)
    return found


def each_less(document: Document) -> Iterator[tuple[str, Document]]:
    """The policy without each single action of each of its statements."""
    for at, statement in enumerate(document["Statement"]):
        for action in statement["Action"]:
            rest = {**statement, "Action": [other for other in statement["Action"] if other != action]}
            kept = [rest if number == at else other for number, other in enumerate(document["Statement"])]
            told = [one for one in kept if one["Action"]]
            yield f"{statement['Sid']}: {action}", {**document, "Statement": told}


def superfluous(document: Document, asked: list[Asked]) -> list[str]:
    """What can be taken away without any of these being refused."""
    return [
        what
        for what, less in each_less(document)
        if all(Policy.parse(less).decides(one) is Decision.ALLOWED for one in asked)
    ]


def without(document: Document, action: str) -> Document:
    """Nothing allows this."""
    statements = [
        {**one, "Action": [other for other in one["Action"] if other != action]} for one in document["Statement"]
    ]
    return {**document, "Statement": [one for one in statements if one["Action"]]}


@pytest.mark.parametrize("uses", [POOL, QUEUE], ids=["pool", "queue"])
def test_with_exactly_its_policy_an_experiment_runs_and_nothing_of_it_is_superfluous(
    fresh_project: Project, account: Account, uses: list[str]
) -> None:
    """Every trial ends without a warning; whatever is taken away, a call of it, of `doctor` or `pull` is refused."""
    script = fresh_project.root / "experiments/scripts/tiny/train.py"
    script.write_text("import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').close()\n" + script.read_text())
    arguments = [*uses, "prune.no_metric_s=1", "hyperparameters.x=1", "hyperparameters.wait=0,60"]
    document = printed(fresh_project, "runner", *arguments)
    account.serve(document)
    ended = fresh_project.run(*AWS, *arguments)
    assert (ended.code, "warning" in ended.err) == (0, False), ended.err
    looked = fresh_project.verb("doctor", "+experiment=tiny", *AWS, *arguments)  # the bucket is there by now
    assert (looked.code, looked.err, "unknown" in looked.out) == (0, "", False), looked.out
    pulled = fresh_project.verb("pull", "tiny")
    assert (pulled.code, pulled.err) == (0, ""), pulled.err
    asked = account.asked()
    assert all(Policy.parse(document).decides(one) is Decision.ALLOWED for one in asked)
    assert superfluous(document, asked) == []


def test_what_is_taken_away_is_missed_before_anything_is_spent(fresh_project: Project, account: Account) -> None:
    """Who may not release what he keeps is refused in one line."""
    document = printed(fresh_project, "runner")
    account.serve(without(document, "sagemaker:UpdateTrainingJob"))
    ended = fresh_project.run(*AWS)
    assert ended.code == 2
    assert "you may not release a pool: your policy denies" in ended.err.splitlines()[-1]
    assert not any(asked.action == "sagemaker:CreateTrainingJob" for asked in account.asked())


def test_the_watchdog_needs_its_own_policy_alone(fresh_project: Project, account: Account) -> None:
    """The runner is killed; from then on only the watchdog's policy counts: the pool is released, with all of it."""
    script, go = fresh_project.root / "experiments/scripts/tiny/train.py", fresh_project.root / "go"
    script.write_text(script.read_text() + f"while not os.path.exists('{go}'): time.sleep(0.02)\n")
    document = printed(fresh_project, "watchdog")
    runner = fresh_project.start(*AWS)
    wait_for(fresh_project.begun, "the job trains")
    account.serve(document)
    runner.kill()
    runner.communicate()
    go.touch()
    log = fresh_project.root / "runs/tiny@123456789012.us-east-1/watchdog.log"
    wait_for(lambda: "every pool is closed" in _text(log), "the watchdog releases")
    closing = [one for one in account.asked() if Policy.parse(document).decides(one) is Decision.ALLOWED]
    assert superfluous(document, closing) == []


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
