"""What is looked at before a run, asked of a served engine that stands for an account."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from sweeper import config
from sweeper.aws import batch, queues
from sweeper.aws.clients import Clients, Endpoint
from sweeper.backends.batch import Batch
from sweeper.core.model import PoolSettings, Sweep
from sweeper.core.queued import QueueOptions, envelope
from sweeper.core.request import FINGERPRINT
from sweeper.core.scope import EngineKind, Scope
from sweeper.core.verdict import Check, Verdict
from sweeper.engine import launch
from sweeper.run.checks import every
from sweeper.run.checks.asked import unanswered
from sweeper.run.checks.queue import queue
from sweeper.run.checks.subject import Subject
from sweeper.run.clock import SystemClock
from tests.end_to_end.conftest import EXPERIMENT
from tests.engine.conftest import request, wait_for
from tests.forked import start_engine

ACCOUNT, REGION = "123456789012", "us-east-1"
IAM, ECR = f"arn:aws:iam::{ACCOUNT}:role", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}],
}
SSO = "AWSReservedSSO_Team_0123456789abcdef"
SSO_PATH = "/aws-reserved/sso.amazonaws.com/"
THERE = {
    "any_role": False,
    "any_image": False,
    "bucket_owners": {"somebodys": "999999999999"},
    "warm_pool_quota": {"ml.m5.large": 0, "ml.m5.xlarge": 5},
    "training_quota": {"ml.m5.xlarge": 1, "*": 100},
    "cold_start_s": 3600.0,
}
"""An account in which only that is there what was made, one machine of a type may train, and every start takes long."""
BORROWS = {"strategy": "LEND_AND_BORROW", "borrowLimit": 50}
DENIED = {"deny": ["iam:*", "servicequotas:*", "s3:*", "ecr:*", "sagemaker:ListTrainingJobs", "sagemaker:Search"]}


class Account:
    """An engine, and what is checked of it."""

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self.root, self.info = root, start_engine(root / "engine", settings)
        self.clients = Clients(Endpoint.local(self.info))
        self.sweep = composed(root)

    def subject(self, sweep: Sweep | None = None, clients: Clients | None = None, owner: str = "tester") -> Subject:
        """What is checked: the sweep in this account."""
        used = clients or self.clients
        api = batch.training_api(lambda: used)
        return Subject(Scope(EngineKind.AWS, ACCOUNT, REGION), owner, lambda: used, api, SystemClock(), sweep)

    def checked(self, **changes: Any) -> dict[str, Check]:
        """The checks of the sweep with other `locked` or `job` values, by their ids."""
        clients = changes.pop("clients", None)
        return {one.id: one for one in every.checked(self.subject(changed(self.sweep, **changes), clients))}

    def one(self, name: str, **changes: Any) -> tuple[Verdict, str]:
        """The verdict and the line of one check."""
        _, ask, _ = every.CHECKS[name]
        (found,) = ask(self.subject(changed(self.sweep, **changes)))
        return found.verdict, found.line

    def stop(self) -> None:
        """End it."""
        launch.stop(self.root / "engine")


def composed(root: Path) -> Sweep:
    """The experiment `tiny`, as engine=aws composes it."""
    (root / "experiments/scripts/tiny").mkdir(parents=True)
    (root / "experiments/scripts/tiny/train.py").write_text("print('score=1')\n")
    (root / "experiments/tiny.yaml").write_text(EXPERIMENT)
    found: list[Sweep] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWEEPER_PROJECT", str(root))
        patch.delenv("SAGEMAKER_ROLE_ARN", raising=False)
        assert config.run(["+experiment=tiny", "engine=aws"], lambda sweep: found.append(sweep) or 0) == 0
    return found[0]


def changed(sweep: Sweep, pool: PoolSettings | None = None, **values: Any) -> Sweep:
    """The same with other values of `locked` and `job`."""
    locked = {**sweep.locked, **{key: values.pop(key) for key in [*values] if key in sweep.locked}}

    def resolve(trial: Any, taken: Any = None) -> Any:
        found = sweep.resolve(trial)
        return {**found, "locked": locked, "job": {**found["job"], **values}}

    return replace(sweep, locked=locked, resolve=resolve, pool=pool or sweep.pool)


@contextmanager
def served(root: Path, settings: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account, and a state folder of its own for the person."""
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "state"))
    found = Account(root, settings)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    """The variables of this module's tests."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account in which only that is there what was made."""
    with served(tmp_path_factory.mktemp("account"), THERE, patched) as found:
        iam, s3 = found.clients.client("iam"), found.clients.client("s3")
        for name, path, trust in (
            ("jobs", "/service-role/", TRUST),
            ("flat", "/", TRUST),
            ("odd", "/", {}),
            (SSO, SSO_PATH, {}),
        ):
            iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))
        s3.create_bucket(Bucket="mine")
        s3.create_bucket(Bucket="somebodys")
        s3.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        ecr = found.clients.client("ecr")
        ecr.create_repository(repositoryName="train")
        ecr.put_image(repositoryName="train", imageTag="1", imageManifest='{"mediaType": "x", "layers": []}')
        yield found


@pytest.fixture(scope="module")
def denying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account in which nothing may be asked that only a check asks."""
    with pytest.MonkeyPatch.context() as patch, served(tmp_path_factory.mktemp("denying"), DENIED, patch) as found:
        yield found


# -- who asks ------------------------------------------------------------------------------------------------------


def test_who_asks_is_told_with_what_leads_there(account: Account) -> None:
    """The account, the region, the ARN and the endpoint."""
    told = account.checked()["caller"]
    assert told.verdict is Verdict.PASS
    assert all(part in told.found for part in (ACCOUNT, REGION, ":user/", account.info.url))


def as_role(account: Account, name: str, patch: pytest.MonkeyPatch, path: str = "/") -> Clients:
    """Clients whose credentials are a session of this role, from environment variables."""
    role = f"{IAM}{path}{name}"
    told = account.clients.client("sts").assume_role(RoleArn=role, RoleSessionName="ann@example.org")["Credentials"]
    patch.setenv("AWS_ACCESS_KEY_ID", told["AccessKeyId"])
    patch.setenv("AWS_SECRET_ACCESS_KEY", told["SecretAccessKey"])
    patch.setenv("AWS_SESSION_TOKEN", told["SessionToken"])
    return Clients(Endpoint(account.info.url, REGION))


def test_what_cannot_be_renewed_in_a_run_is_told_before_it(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's token in environment variables warns; a key that lasts does not."""
    assert account.checked()["credentials"].verdict is Verdict.PASS
    told = account.checked(clients=as_role(account, "flat", monkeypatch))["credentials"]
    assert (told.verdict, "cannot be renewed in a run" in told.found, "aws sso login" in told.do) == (
        Verdict.WARN,
        True,
        True,
    )


# -- the role of the jobs ------------------------------------------------------------------------------------------

ROLES = {
    "there, with its path": (f"{IAM}/service-role/jobs", Verdict.PASS, "is there"),
    "without its path": (f"{IAM}/jobs", Verdict.FAIL, f"there is no role {IAM}/jobs; write {IAM}/service-role/jobs"),
    "not there": (f"{IAM}/nobody", Verdict.FAIL, f"there is no role {IAM}/nobody; set locked.role_arn"),
    "that SageMaker may not take": (f"{IAM}/odd", Verdict.WARN, "sts:AssumeRole to sagemaker.amazonaws.com"),
    "of another account": (
        "arn:aws:iam::210987654321:role/x",
        Verdict.FAIL,
        f"210987654321 in aws, and you are of {ACCOUNT}",
    ),
    "of another partition": (f"arn:aws-cn:iam::{ACCOUNT}:role/flat", Verdict.FAIL, "in aws-cn, and you are of"),
}


@pytest.mark.parametrize(("arn", "verdict", "said"), ROLES.values(), ids=ROLES)
def test_the_role_of_the_jobs_is_one_of_this_account(account: Account, arn: str, verdict: Verdict, said: str) -> None:
    """It is there, by its whole ARN, of the caller's account, and SageMaker may assume it."""
    found, line = account.one("role", role_arn=arn)
    assert (found, said in line) == (verdict, True), line


# -- permissions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "path"), [(SSO, SSO_PATH), ("jobs", "/service-role/")])
def test_a_session_is_asked_about_by_its_role_with_the_path(
    account: Account, monkeypatch: pytest.MonkeyPatch, name: str, path: str
) -> None:
    """The session does not tell the path, and IAM simulates nothing for an ARN that names no role."""
    clients = as_role(account, name, monkeypatch, path)
    assert f"assumed-role/{name}/" in clients.caller.arn
    told = [check for key, check in account.checked(clients=clients).items() if key.startswith("permission.")]
    assert [check.verdict for check in told] == [Verdict.PASS] * 5


ORDER = ["permission.release", "permission.create", "permission.stop", "permission.tag", "permission.pass"]
NOT = {
    "sagemaker:UpdateTrainingJob": "permission.release",
    "sagemaker:CreateTrainingJob": "permission.create",
    "sagemaker:StopTrainingJob": "permission.stop",
    "sagemaker:AddTags": "permission.tag",
    "iam:PassRole": "permission.pass",
}


def test_each_permission_is_asked_for_release_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is denied fails by its name; who may not stop a job is warned."""
    with served(tmp_path, {"deny": list(NOT)}, monkeypatch) as account:
        told = {key: check for key, check in account.checked().items() if key.startswith("permission.")}
        assert list(told) == ORDER
        assert {action: check.verdict for action, check in zip(NOT, told.values(), strict=True)} == {
            action: Verdict.WARN if "Stop" in action else Verdict.FAIL for action in NOT
        }
        assert all(action in told[name].found for action, name in NOT.items())


# -- quotas --------------------------------------------------------------------------------------------------------


def test_no_warm_pool_quota_ends_a_run_unless_it_is_to_go_on_cold(account: Account) -> None:
    """The quota is 0: the line says how to go on; `cold` warns. Where it is granted the number is told."""
    told = account.checked()
    assert told["quota"].verdict is Verdict.PASS
    refused = told["quota.warm_pool"]
    assert (refused.verdict, "pool.on_no_quota=cold" in refused.do) == (Verdict.FAIL, True)
    cold = account.checked(pool=PoolSettings(on_no_quota="cold"))["quota.warm_pool"]
    assert (cold.verdict, "every job will start cold" in cold.found) == (Verdict.WARN, True)
    two = {"instance_type": "ml.m5.xlarge", "instance_count": 2}
    plan = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-plan/mine"  # who has reserved machines is not held up
    few = [account.checked(**two)["quota"].verdict, account.checked(**two, training_plan_arn=plan)["quota"].verdict]
    assert few == [Verdict.FAIL, Verdict.WARN]
    enough = account.checked(instance_type="ml.m5.xlarge")["quota.warm_pool"]
    assert (enough.verdict, "is 5, none in use" in enough.found) == (Verdict.PASS, True)


def test_what_is_in_use_counts_against_a_quota(account: Account) -> None:
    """A job of anybody that starts on the only machine of the type makes the first job wait, and is named."""
    sagemaker = account.clients.client("sagemaker")
    assert account.checked(instance_type="ml.m5.xlarge")["quota"].verdict is Verdict.PASS
    sagemaker.create_training_job(**request("theirs", resources={"InstanceType": "ml.m5.xlarge"}))
    try:
        told = account.checked(instance_type="ml.m5.xlarge")["quota"]
        assert (told.verdict, "is 1, 1 in use by theirs" in told.found) == (Verdict.WARN, True)
        assert account.checked()["quota"].verdict is Verdict.PASS
    finally:
        sagemaker.stop_training_job(TrainingJobName="theirs")


def test_the_codes_of_quotas_are_looked_for_once(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look asks for its quotas alone: who may not list them any more is told them all the same."""
    kind = "ml.m5.xlarge"
    before = account.checked(instance_type=kind)["quota.warm_pool"]
    known = (account.root / "state/sweeper/quota-codes.json").read_text()
    with served(tmp_path, {**THERE, "deny": ["servicequotas:List*"]}, monkeypatch) as other:
        assert other.checked(instance_type=kind)["quota"].verdict is Verdict.UNKNOWN
        codes = tmp_path / "state/sweeper/quota-codes.json"
        codes.parent.mkdir(parents=True)
        codes.write_text(known)
        assert other.checked(instance_type=kind)["quota.warm_pool"].found == before.found


def test_a_code_that_is_of_another_quota_by_now_is_looked_for_anew(account: Account) -> None:
    """What is remembered is believed only where the quota bears the name that was meant."""
    kind, codes = "ml.m5.xlarge", account.root / "state/sweeper/quota-codes.json"
    before = account.checked(instance_type=kind)["quota"].found
    known = json.loads(codes.read_text())
    codes.write_text(
        json.dumps({**known, f"{kind} for training job usage": known[f"{kind} for spot training job usage"]})
    )
    assert account.checked(instance_type=kind)["quota"].found == before
    assert json.loads(codes.read_text()) == known


# -- buckets -------------------------------------------------------------------------------------------------------

BUCKETS: Mapping[str, tuple[dict[str, Any], Verdict, str]] = {
    "one's own": ({"output_path": "s3://mine/x"}, Verdict.PASS, "in us-east-1, encrypted by AES256"),
    "none yet": ({}, Verdict.PASS, "is not there yet: it will be made"),
    "one that was named and is not there": ({"output_path": "s3://misspelt/x"}, Verdict.WARN, "correct its name"),
    "of another region": ({"output_path": "s3://elsewhere/x"}, Verdict.FAIL, "is in eu-west-1"),
    "somebody's": ({"output_path": "s3://somebodys/x"}, Verdict.WARN, "job.expected_bucket_owner"),
    "as it was said": (
        {"output_path": "s3://somebodys/x", "expected_bucket_owner": "999999999999"},
        Verdict.PASS,
        "of account 999999999999",
    ),
    "of another owner than was said": (
        {"output_path": "s3://mine/x", "expected_bucket_owner": "999999999999"},
        Verdict.FAIL,
        "is not of account 999999999999",
    ),
}


@pytest.mark.parametrize(("job", "verdict", "said"), BUCKETS.values(), ids=BUCKETS)
def test_a_bucket_is_of_the_region_and_of_who_is_meant(
    account: Account, job: dict[str, Any], verdict: Verdict, said: str
) -> None:
    """Its region and its owner; how it encrypts is told."""
    found, line = account.one("bucket", **job)
    assert (found, said in line) == (verdict, True), line


def test_somebody_elses_default_bucket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name can be guessed: whoever made it first would receive the code."""
    name = f"sagemaker-{REGION}-{ACCOUNT}"
    with served(tmp_path, {"bucket_owners": {name: "999999999999"}}, monkeypatch) as account:
        account.clients.client("s3").create_bucket(Bucket=name)
        found, line = account.one("bucket")
        assert (found, "somebody else has made" in line) == (Verdict.FAIL, True), line


# -- image ---------------------------------------------------------------------------------------------------------

IMAGES = {
    "there": (f"{ECR}/train:1", Verdict.PASS, "is there"),
    "of another tag": (f"{ECR}/train:2", Verdict.FAIL, "there is no 2 in train of account"),
    "of no repository": (f"{ECR}/other:1", Verdict.FAIL, "there is no repository other"),
    "of another region": (
        f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/train:1",
        Verdict.FAIL,
        "take the one of us-east-1",
    ),
    "of no ECR": ("docker.io/library/python:3", Verdict.WARN, "is not in ECR"),
}


@pytest.mark.parametrize(("uri", "verdict", "said"), IMAGES.values(), ids=IMAGES)
def test_the_image_is_of_the_region_and_there(account: Account, uri: str, verdict: Verdict, said: str) -> None:
    """ECR is asked for the very tag."""
    found, line = account.one("image", image_uri=uri)
    assert (found, said in line) == (verdict, True), line


# -- pools, and all of it ------------------------------------------------------------------------------------------


def test_a_price_that_is_not_known_is_told_with_what_to_set(account: Account) -> None:
    """The rate where there is one; else the keys that make it known."""
    assert account.checked()["price"].verdict is Verdict.PASS
    unknown = {check.id: check for check in every.checked(account.subject(replace(account.sweep, rate=None)))}["price"]
    assert (unknown.verdict, unknown.do) == (
        Verdict.UNKNOWN,
        "set prices.region=us-east-1 and prices.usd_per_hour.ml.m5.large",
    )


def test_an_account_alone_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an experiment: who asks, the default bucket, and pools of one's own, with the command."""
    with served(tmp_path, {}, monkeypatch) as account:
        mark = {FINGERPRINT: f"tester/older/{'0' * 16}/1"}
        script = b"print(1)\n"
        account.clients.client("s3").create_bucket(Bucket="bucket")
        account.clients.client("s3").put_object(Bucket="bucket", Key="code/left/train.py", Body=script)
        sagemaker = account.clients.client("sagemaker")
        kept = {"KeepAlivePeriodInSeconds": 600}
        sagemaker.create_training_job(**request("left", Environment=mark, resources=kept))
        wait_for(lambda: pool_of(sagemaker, "left") == "Available")
        told = list(every.checked(account.subject()))
        assert [check.id for check in told] == ["caller", "credentials", "bucket", "pools"]
        assert told[-1].line.endswith("release it with: sweeper pools release left")
        sagemaker.update_training_job(TrainingJobName="left", ResourceConfig={"KeepAlivePeriodInSeconds": 0})


def pool_of(sagemaker: Any, name: str) -> str:
    """Where the pool of a job is."""
    told = sagemaker.describe_training_job(TrainingJobName=name)
    return str((told.get("WarmPoolStatus") or {}).get("Status", ""))


def test_a_check_that_cannot_be_asked_hides_no_other(denying: Account) -> None:
    """Where nearly everything is denied each check is unknown by itself; the service tells of two permissions."""
    told = denying.checked()
    unknown = [key for key, check in told.items() if check.verdict is Verdict.UNKNOWN]
    assert unknown == [
        "role",
        "permission.create",
        "permission.tag",
        "permission.pass",
        "quota",
        "bucket",
        "image",
        "pools",
    ]
    others = ["caller", "credentials", "permission.release", "permission.stop", "price"]
    assert [told[name].verdict for name in others] == [Verdict.PASS] * len(others)
    assert all(told[key].concerns for key in unknown if key not in ("permission.tag", "permission.pass"))


def test_without_an_account_what_needs_none_is_checked(account: Account) -> None:
    """Nobody is signed in: the request and the price are told, and of all else that it is not known."""
    told = {check.id: check.verdict for check in every.checked(unanswered(account.sweep))}
    assert {name for name, verdict in told.items() if verdict is Verdict.PASS} == {"request", "price"}
    assert set(told.values()) == {Verdict.PASS, Verdict.UNKNOWN}
    assert told.keys() == every.CHECKS.keys() - {"queue"}


def test_a_queue_is_one_that_takes_the_jobs(account: Account) -> None:
    """By way of AWS Batch: one that is not there fails by its name; then its room, and who is there, are told too."""
    options = QueueOptions("team")
    sweep = replace(account.sweep, backend=Batch("team"))
    (missing,) = queue(account.subject(sweep))
    assert (missing.verdict, "there is no job queue team" in missing.found) == (Verdict.FAIL, True)
    call = batch.calls(lambda: account.clients)
    queues.ensure(call, options, 1)

    def told(**locked: Any) -> dict[str, tuple[Verdict, str]]:
        """By id: the verdict and the line of each check of a queue."""
        found = queue(account.subject(replace(changed(sweep, **locked), backend=Batch("team"))))
        return {check.id: (check.verdict, check.line) for check in found}

    there = told()
    assert [verdict for verdict, _ in there.values()] == [Verdict.PASS] * 3
    assert there["queue"][1] == "the job queue team takes jobs"
    room = "the service environment team has room for 1 machine"
    assert there["queue.room"][1] == f"{room}: for 1 job of this sweep at a time"
    assert there["queue.crowd"][1] == "0 machines of team are in use, and no job waits"
    limit = {"reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", "state": "RUNNABLE", "action": "TERMINATE"}
    limits = [{**limit, "maxTimeSeconds": 600}]
    account.clients.client("batch").update_job_queue(jobQueue="team", jobStateTimeLimitActions=limits)
    verdict, line = told()["queue.limits"]
    assert (verdict, "team ends a job at its head that waits for 10:00 min" in line) == (Verdict.WARN, True)
    verdict, line = told(instance_count=2)["queue.room"]
    assert (verdict, f"locked.instance_count: {room}, and a job needs 2" in line) == (Verdict.FAIL, True)
    sent = [request(name, RoleArn=f"{IAM}/flat", Tags=[{"Key": "a", "Value": "b"}]) for name in ("one", "two")]
    jobs = [call("SubmitServiceJob", envelope(one, options))["jobId"] for one in sent]
    wait_for(lambda: told()["queue.crowd"][0] is Verdict.WARN)
    assert told()["queue.crowd"][1] == (
        "1 machine of team is in use, and 1 job waits there already: the first job of this sweep waits too"
    )
    for job in jobs:
        call("TerminateServiceJob", {"jobId": job, "reason": "seen"})
    account.clients.client("batch").update_service_environment(serviceEnvironment="team", state="DISABLED")
    verdict, line = told()["queue.room"]
    assert (verdict, "the service environment team is DISABLED" in line) == (Verdict.FAIL, True)


def test_whose_machines_a_queue_gives_is_told(account: Account) -> None:
    """A quota share's own and borrowed ones, that it can never give enough, and the weight of a fair share."""
    call, made = batch.calls(lambda: account.clients), account.clients.client("batch")

    def told(options: QueueOptions, **locked: Any) -> tuple[Verdict, str]:
        """What is said of the share."""
        sweep = replace(changed(account.sweep, **locked), backend=Batch(**asdict(options)))
        return next((one.verdict, one.line) for one in queue(account.subject(sweep)) if one.id == "queue.share")

    fair, divided = QueueOptions("fair", share_identifier="ann"), QueueOptions("divided", quota_share="research")
    queues.ensure(call, fair, 1)
    assert told(fair) == (Verdict.PASS, "the share ann has the weight 1")
    (policy,) = made.list_scheduling_policies()["schedulingPolicies"]
    shares = [{"shareIdentifier": "a*", "weightFactor": 0.5}, {"shareIdentifier": "bob"}]
    made.update_scheduling_policy(arn=policy["arn"], fairsharePolicy={"shareDistribution": shares})
    assert told(fair) == (Verdict.PASS, "the share ann has the weight 0.5; the others: bob 1")

    queues.ensure(call, divided, 2, "ml.m5.large")
    share = made.list_quota_shares(jobQueue="divided")["quotaShares"][0]["quotaShareArn"]
    has = "the quota share research has 2 of ml.m5.large, and borrows"
    assert told(divided, instance_count=9) == (Verdict.PASS, f"{has} whatever idles")
    for sharing, borrows in (({"strategy": "RESERVE"}, "nothing"), (BORROWS, "50 % more")):
        made.update_quota_share(quotaShareArn=share, resourceSharingConfiguration=sharing)
        assert told(divided, instance_count=2) == (Verdict.PASS, f"{has} {borrows}")
    verdict, line = told(divided, instance_count=4)
    assert (verdict, "the quota share research gets 3 machines, and a job needs 4" in line) == (Verdict.FAIL, True)
