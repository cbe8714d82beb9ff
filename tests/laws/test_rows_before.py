"""Rows 1 to 22 of the fault matrix: what is refused, told or taken over before a job is sent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper import config
from sweeper.aws.clients import Clients
from sweeper.aws.permissions import Wanted
from sweeper.aws.quotas import Quotas
from sweeper.backends.on_demand import OnDemand
from sweeper.commands.run import run
from sweeper.core import events as ev
from sweeper.core.costs import keeps
from sweeper.core.events import TrialStatus
from sweeper.core.model import PoolSettings, Sweep
from sweeper.core.request import FINGERPRINT, Staged, job_name
from sweeper.core.scope import EngineKind, Scope
from sweeper.core.verdict import Check, Verdict, failed
from sweeper.engine import launch
from sweeper.engine.training.settings import ServiceSettings
from sweeper.errors import ApiError, ApiErrorKind, LockHeldError, UsageError
from sweeper.record.locks import boot_id, held, holder
from sweeper.run.checks import quota
from sweeper.run.checks.permission import May, Permission
from sweeper.run.checks.pools import pools
from sweeper.run.checks.subject import Subject
from sweeper.simulation.drawn import LOCKED, ListedTrials
from sweeper.simulation.simulation import OWNER
from tests.laws.outside import STAGED, Outside, Trouble, denied, make_sweep

Make = Callable[..., Outside]

EXPERIMENT = """\
name: tiny
locked: {role_arn: "arn:aws:iam::123456789012:role/sweeper-local", instance_type: ml.m5.large}
job: {image_uri: "r/train:1", source_dir: code, entry_script: train.py, max_runtime_s: 600}
hyperparameters: {x: 1}
"""


class Declared:
    """An experiment in a project of its own; counts how often anything was handed to the runner."""

    def __init__(self, root: Path) -> None:
        self.root, self.handed = root, 0
        (root / "code").mkdir()
        (root / "code/train.py").write_text("print('m=1')\n")
        (root / "experiments").mkdir()
        self.write("")

    def write(self, more: str) -> None:
        """The experiment, with these lines after its own."""
        (self.root / "experiments/tiny.yaml").write_text(EXPERIMENT + more)

    def sweep(self, *words: str) -> Sweep:
        """What would be run."""
        found: list[Sweep] = []
        assert config.run(["+experiment=tiny", *words], lambda sweep: found.append(sweep) or 0) == 0
        return found[0]

    def refused(self, *words: str) -> str:
        """The refusal; nothing was handed to the runner, and no file was made."""
        before = sorted(self.root.rglob("*"))
        with pytest.raises(UsageError) as error:
            config.run(["+experiment=tiny", *words], lambda sweep: pytest.fail("it was handed on"))
        assert error.value.exit_code == 2
        assert sorted(self.root.rglob("*")) == before
        return str(error.value)


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declared:
    """An experiment of one trial; the test runs in its folder with a state folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SWEEPER_PROJECT", raising=False)
    return Declared(tmp_path)


@pytest.mark.parametrize("more", ["jbo: {}\n", "sweep: [1,\n", "hyperparameters: {x: 1, x: 2}\n", "pool: {keep: 3}\n"])
def test_row_01_a_file_with_a_mistake_is_refused_with_its_place(declared: Declared, more: str) -> None:
    """A syntax error, an unknown or doubled key: exit code 2 with file and line, before anything is touched."""
    declared.write(more)
    assert "experiments/tiny.yaml:" in declared.refused()


def test_row_02_nothing_to_run_is_a_success_without_a_call(
    declared: Declared, capfd: pytest.CaptureFixture[str]
) -> None:
    """When every trial is excluded the exit code is 0, it says so, and no engine is started."""
    declared.write('sweep: {grid: {hyperparameters.x: [1, 2]}, exclude: ["x > 0"]}\n')
    sweep = declared.sweep()
    assert (len(sweep.trials), run(sweep)) == (0, 0)
    told = capfd.readouterr()
    assert "nothing to do" in told.out + told.err
    assert launch.status(declared.root / ".sweeper/engine") is None


@pytest.mark.parametrize(
    "words",
    [
        ("+locked.instance_groups=[{name: a}]",),
        ("+locked.instance_preferences=[a]",),
        ("backend=spot", "pool.keep_alive_s=300"),
        ("backend=batch", "pool.keep_alive_s=300"),
    ],
)
def test_row_03_what_no_warm_pool_can_have_is_refused(declared: Declared, words: tuple[str, ...]) -> None:
    """Instance groups and preferences, spot and Batch with a keep-alive: exit code 2, with the reason."""
    assert declared.refused(*words)


@pytest.mark.parametrize("seconds", [3601, 21600, 21601])
def test_row_04_a_keep_alive_of_more_than_an_hour_is_refused(declared: Declared, seconds: int) -> None:
    """A pool that could idle for hours is not a value that slips in."""
    assert "pool.keep_alive_s" in declared.refused(f"pool.keep_alive_s={seconds}")


@pytest.mark.parametrize("name", ["x" * 200, "-a-", "Ünïcode näme!", "a.b/c d", "", "1" * 63])
def test_row_05_every_name_becomes_a_legal_job_name(name: str) -> None:
    """Shortened by a rule, at most 63 legal characters, and still another name for another sweep."""
    scope = Scope(EngineKind.LOCAL, "1", "us-east-1")
    made = [job_name("me", scope, name + more, "t" * 16, attempt) for more in ("", "2") for attempt in (1, 99)]
    assert len(set(made)) == 4
    for job in made:
        assert len(job) <= 63
        assert all(part.isascii() and part.isalnum() for part in job.split("-"))
    assert made[0] == job_name("me", scope, name, "t" * 16, 1)


def test_row_06_equal_trials_are_one_and_repeats_are_many(declared: Declared) -> None:
    """Two points with the same values are run once, and it is said; `repeat` makes trials of their own."""
    declared.write("sweep: {points: {a: {hyperparameters.x: 1}, b: {hyperparameters.x: 1}}}\n")
    sweep = declared.sweep()
    assert len(sweep.trials) == 1
    declared.write("sweep: {grid: {hyperparameters.x: [1]}, repeat: {times: 3, seed: null}}\n")
    assert len({trial.id for trial in declared.sweep().trials}) == 3


def test_row_07_a_secret_in_a_hyperparameter_is_warned_of(declared: Declared) -> None:
    """Everyone who may describe the job can read its hyperparameters: a name that tells of a secret is warned of."""
    warnings = "\n".join(declared.sweep("+hyperparameters.api_token=abcdefgh12345678").warnings)
    assert "hyperparameters.api_token" in warnings
    assert "abcdefgh12345678" not in warnings
    assert not [line for line in declared.sweep("+hyperparameters.max_tokens=8").warnings if "max_tokens" in line]


def test_row_08_a_changed_declaration_keeps_adds_and_drops(outside: Make) -> None:
    """Finished trials that are still declared are kept, new ones run, those not declared any more are told."""
    here = outside(sweep=make_sweep(3))
    here.run()
    trials = ListedTrials(4)
    del trials.known[1]
    here.sweep = replace(here.sweep, trials=trials)
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 3
    assert len(here.ledger.jobs) == 4
    assert "not declared any more" in here.said
    assert here.whole()


def test_row_09_without_credentials_nothing_is_begun(declared: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials for engine=aws: exit code 2 before the journal exists."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(declared.root))
    with pytest.raises(ApiError) as error:
        run(declared.sweep("engine=aws", "engine.region=us-east-1"))
    assert (error.value.kind, error.value.exit_code) == (ApiErrorKind.DENIED, 2)
    assert not (declared.root / "runs").exists()


def test_row_10_another_account_or_region_is_another_folder_and_other_jobs() -> None:
    """The place belongs to the folder and to every job's name: two accounts never share either."""
    scopes = [Scope(EngineKind.AWS, account, region) for account in ("1", "2") for region in ("us-east-1", "eu-west-1")]
    assert len({scope.folder("s") for scope in scopes}) == 4
    assert len({job_name("me", scope, "s", "t" * 16, 1) for scope in scopes}) == 4


# -- preflight --------------------------------------------------------------------------------------------------


def permission(here: Outside, may: May, sweep: Sweep | None = None) -> list[Check]:
    """What comes of the questions about permissions before this sweep."""
    keep_alive_s, jobs = keeps(sweep or here.sweep), "arn:aws:sagemaker:us-east-1:1:training-job/x"
    return list(Permission(may, here.api, jobs, LOCKED["role_arn"], "nobody", keep_alive_s).checks())


def failures(checks: Iterable[Check]) -> list[str]:
    """The ids of those that end a run before anything is sent."""
    return [check.id for check in failed(checks)]


def test_row_11_who_may_not_release_may_not_keep(outside: Make) -> None:
    """With UpdateTrainingJob denied a pool could never be released: refused on a warm pool, fine on demand."""
    here = outside()

    def may(wanted: Wanted) -> bool:
        return wanted.action != "sagemaker:UpdateTrainingJob"

    checks = permission(here, may)
    assert failures(checks) == ["permission.release"]
    assert "may not release" in checks[0].line and "backend=on_demand" in checks[0].line
    on_demand = permission(here, may, replace(here.sweep, backend=OnDemand()))
    assert [(check.id, check.verdict) for check in on_demand] == [
        (f"permission.{what}", Verdict.PASS) for what in ("create", "stop", "tag", "pass")
    ]


@pytest.mark.parametrize(
    ("denied", "ends"),
    [("batch:SubmitServiceJob", ["create"]), ("batch:TagResource", ["tag"]), ("batch:TerminateServiceJob", [])],
)
def test_row_11_of_a_queue_its_own_actions_are_asked_for(outside: Make, denied: str, ends: list[str]) -> None:
    """On the queue and its service jobs; what is denied fails, but that jobs could not be ended is a warning."""
    asked: dict[str, str] = {}

    def may(wanted: Wanted) -> bool:
        asked[wanted.action] = wanted.resource
        return wanted.action != denied

    queue, jobs = "arn:aws:batch:us-east-1:1:job-queue/q", "arn:aws:batch:us-east-1:1:service-job/x"
    every = Permission(may, outside().api, "", LOCKED["role_arn"], "nobody", 0, queue, jobs)
    checks = list(every.checks())
    assert failures(checks) == [f"permission.{what}" for what in ends]
    assert [denied in check.line for check in checks if check.verdict is not Verdict.PASS] == [True]
    assert asked.pop("iam:PassRole") == LOCKED["role_arn"]
    assert asked == {"batch:SubmitServiceJob": queue, "batch:TerminateServiceJob": jobs, "batch:TagResource": jobs}


@pytest.mark.parametrize("deny", [(), ("sagemaker:UpdateTrainingJob",)])
@pytest.mark.parametrize("kind", [ApiErrorKind.DENIED, ApiErrorKind.INVALID, ApiErrorKind.THROTTLED])
def test_row_11_who_may_not_ask_iam_is_told_by_the_service(
    outside: Make, deny: tuple[str, ...], kind: ApiErrorKind
) -> None:
    """Whatever IAM's simulator answers in its place, releasing the pool of a job that never was tells."""

    def may(wanted: Wanted) -> bool:
        raise ApiError(kind, "SimulatePrincipalPolicy", "No", "no")

    here = outside(settings=ServiceSettings(deny=deny))
    checks = permission(here, may)
    assert failures(checks) == (["permission.release"] if deny else [])
    unknown = [check for check in checks if check.verdict is Verdict.UNKNOWN]
    assert [check.id for check in unknown] == ["permission.create", "permission.tag", "permission.pass"]
    assert [(call.operation, call.name) for call in here.twin.calls] == [
        ("UpdateTrainingJob", "nobody"),
        ("StopTrainingJob", "nobody"),
    ]


def test_row_12_a_keep_alive_that_the_policy_forbids_is_told_clearly(outside: Make) -> None:
    """A condition on sagemaker:KeepAlivePeriod is named, with the field to change."""

    def may(wanted: Wanted) -> bool:
        return int(wanted.context.get("sagemaker:KeepAlivePeriod", 0)) <= 60

    (refused,) = failed(permission(outside(), may))
    assert re.match(r"pool\.keep_alive_s: .*sagemaker:KeepAlivePeriod.* 300", refused.line)


def test_row_13_no_warm_quota_is_a_refusal_or_a_warning_as_declared(outside: Make) -> None:
    """Quota 0 for warm pools is refused, and the line says that `cold` goes on; `cold` warns that every job is cold."""
    here = outside()
    (refused,) = failed(quota.judged(here.sweep, [Quotas(10, 0)], []))
    assert "go on without a pool: pool.on_no_quota=cold" in refused.line
    cold = replace(here.sweep, pool=PoolSettings(on_no_quota="cold"))
    told = list(quota.judged(cold, [Quotas(10, 0)], []))
    assert [check.verdict for check in told] == [Verdict.PASS, Verdict.WARN]
    assert "start cold" in told[1].line


def test_row_14_what_the_quotas_do_not_say_is_not_held_against_a_run(outside: Make) -> None:
    """A quota that is not told is unknown, and nobody who starts a run need hear of it."""
    told = list(quota.judged(outside().sweep, [Quotas(None, None)], []))
    assert [(check.verdict, check.concerns) for check in told] == [(Verdict.UNKNOWN, False)] * 2


def test_row_15_no_quota_for_the_type_is_refused(outside: Make) -> None:
    """Quota 0 for training on this type can only fail: refused before anything is sent."""
    here = outside()
    (refused,) = failed(quota.judged(here.sweep, [Quotas(0, 10)], []))
    assert "ml.m5.large for training job usage" in refused.line


def test_row_16_a_missing_pass_role_is_an_end_before_any_pool(outside: Make) -> None:
    """The first Create is denied: an error with the service's text, no job, no pool, no second try."""
    here = outside(Trouble("CreateTrainingJob", denied("iam:PassRole on resource: arn:aws:iam::1:role/x"), times=1e9))
    with pytest.raises(ApiError, match="iam:PassRole"):
        here.run()
    assert len(here.calls("CreateTrainingJob")) == 1
    assert here.twin.service.jobs == {}


def leave_a_pool(here: Outside, owner: str, instance_type: str = "ml.m5.large") -> str:
    """Someone's pool idles."""
    name = f"left-by-{owner}"
    resources = {"InstanceType": instance_type, "InstanceCount": 1, "VolumeSizeInGB": 30}
    here.twin.apply(
        "CreateTrainingJob",
        {
            "TrainingJobName": name,
            "RoleArn": LOCKED["role_arn"],
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "HyperParameters": {"x": "9"},
            "ResourceConfig": {**resources, "KeepAlivePeriodInSeconds": 3600},
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "Environment": {FINGERPRINT: f"{owner}/older/{'t' * 16}/1"},
        },
    )
    here.clock.sleep(200.0)
    return name


def idle(here: Outside) -> str:
    """What is told of pools that idle before this sweep."""

    def nobody() -> Clients:
        raise AssertionError("only the jobs are asked for")

    subject = Subject(Scope(EngineKind.AWS, "1", "us-east-1"), OWNER, nobody, here.api, here.clock, here.sweep)
    return "\n".join(check.line for check in pools(subject))


def test_row_17_an_own_pool_from_an_older_sweep_is_told_with_what_to_do(outside: Make) -> None:
    """A pool of ours that idles is named: the first job takes it over, or the command that releases it."""
    here = outside()
    name = leave_a_pool(here, OWNER)
    assert "the first job takes it over" in idle(here)
    here = outside()
    name = leave_a_pool(here, OWNER, "ml.m5.xlarge")
    assert f"sweeper pools release {name}" in idle(here)
    assert not here.calls("UpdateTrainingJob")


def test_row_18_a_strangers_pool_with_our_key_is_told_and_not_touched(outside: Make) -> None:
    """A matching pool of someone else may be taken over by our first job: it is said, and nothing is sent to it."""
    here = outside()
    name = leave_a_pool(here, "stranger")
    assert f"{name}, which is not yours" in idle(here)
    assert {call.operation for call in here.twin.calls} <= {"ListTrainingJobs", "Search", "DescribeTrainingJob"}
    here.run()
    assert here.whole()


# -- locks ------------------------------------------------------------------------------------------------------


def test_row_19_20_a_second_runner_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    """The same sweep, or another one on the same pool: exit code 4 with process and host of the holder."""
    with held(tmp_path / "lock", "the sweep tiny", 0.0):
        with (
            pytest.raises(LockHeldError, match=f"process {os.getpid()} on .* since 1970") as error,
            held(tmp_path / "lock", "the sweep tiny", 1.0),
        ):
            pass
        assert error.value.exit_code == 4


@contextmanager
def left_behind(path: Path, **changes: Any) -> Iterator[None]:
    """A lock file whose holder is gone, as it told of itself."""
    with held(path, "it", 0.0):
        told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, **changes}))
    yield


def test_row_21_a_lock_from_before_the_reboot_is_taken_over(tmp_path: Path) -> None:
    """A file that names a living pid of an earlier boot holds nobody off, and names no holder."""
    path = tmp_path / "lock"
    with left_behind(path, boot="an-earlier-boot"):
        assert holder(path) is None
        with held(path, "it", 1.0):
            found = holder(path)
            assert found is not None
            assert (found.pid, found.boot) == (os.getpid(), boot_id())


@pytest.mark.parametrize("beats", [1, 8])
def test_row_22_a_lost_lease_finishes_the_running_job_and_creates_none(outside: Make, beats: int) -> None:
    """When the lease is someone else's, the job that runs is finished, no other is created, the pool is closed."""
    here = outside(sweep=make_sweep(3))
    left = [beats]

    def lease() -> bool:
        left[0] -= 1
        return left[0] > 0

    here.lease_held = lease
    ending = here.run()
    assert "lease" in ending.why
    jobs = len(here.ledger.jobs)
    assert jobs == (beats > 1)
    assert here.statuses == [TrialStatus.COMPLETED] * jobs + [TrialStatus.PLANNED] * (3 - jobs)
    assert here.nothing_is_open()


def test_what_the_next_trial_reads_is_staged_while_the_one_before_it_runs(outside: Make) -> None:
    """No pool waits for an upload: after the end of a job only what was put there already is asked for."""
    here = outside(sweep=make_sweep(4))
    first: dict[int, int] = {}

    def stage(config: Mapping[str, Any]) -> Staged:
        ended = sum(isinstance(event, ev.Outcome) for event in here.journal)
        first.setdefault(config["hyperparameters"]["x"], ended)
        return STAGED

    here.stage = stage
    here.run()
    assert first == {0: 0, 1: 0, 2: 1, 3: 2}
    assert here.whole()
