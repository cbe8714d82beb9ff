"""The request, its name and its pool key."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.backends.spot import Spot
from sweeper.commands import rerun
from sweeper.core.chain import Job
from sweeper.core.events import Intent
from sweeper.core.model import Launch
from sweeper.core.request import PoolKey, Staged, build, differing, encode_hyperparameters, job_name, locked_key
from sweeper.core.scope import EngineKind, Scope
from sweeper.errors import UsageError

SCOPE = Scope(EngineKind.AWS, "123456789012", "eu-west-1")
LOCKED = {
    "role_arn": "arn:aws:iam::123456789012:role/x",
    "instance_type": "ml.m5.large",
    "instance_count": 1,
    "volume_size_in_gb": 30,
    "subnets": ["subnet-b", "subnet-a"],
    "security_group_ids": ["sg-1"],
}


def a_request(locked=LOCKED, launch="driver", job=None, **hyperparameters):  # type: ignore[no-untyped-def]
    """A request as the runner builds it."""
    config = {
        "locked": locked,
        "job": {
            "launch": launch,
            "image_uri": "repo/train:1",
            "entry_script": "train.py",
            "metrics": [],
            **(job or {}),
        },
        "hyperparameters": hyperparameters,
        "environment": {"A": "b"},
    }
    return build(
        config,
        name="n",
        mark="me/s/t/1",
        sweep="s",
        max_runtime_s=60,
        staged=Staged("s3://b/source/1", {"train": "s3://b/data"}, "s3://b/out"),
        region="eu-west-1",
    )


@given(
    sweep=st.text(), owner=st.text(), trial=st.text("0123456789abcdef", min_size=16, max_size=16), n=st.integers(1, 99)
)
def test_a_job_name_is_always_one_that_sagemaker_takes(sweep: str, owner: str, trial: str, n: int) -> None:
    """Whatever the sweep is called, the name fits SageMaker's pattern and length and depends on nothing else."""
    name = job_name(owner, SCOPE, sweep, trial, n)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
    assert name == job_name(owner, SCOPE, sweep, trial, n)


def test_two_owners_never_share_a_name() -> None:
    """The same file run by two people gives different names."""
    assert job_name("ann", SCOPE, "s", "0" * 16, 1) != job_name("bob", SCOPE, "s", "0" * 16, 1)


def test_no_name_is_a_prefix_of_another() -> None:
    """Log streams are found by prefix, so attempts have a fixed width and end at 99."""
    names = [job_name("ann", SCOPE, "s", "0" * 16, n) for n in range(1, 100)]
    assert not any(a != b and b.startswith(a) for a in names for b in names)
    with pytest.raises(ValueError, match="at most 99"):
        job_name("ann", SCOPE, "s", "0" * 16, 100)


def test_hyperparameters_are_strings_on_the_wire() -> None:
    """str goes verbatim, None is left out, everything else is JSON."""
    values = {"a": "1.10", "b": 0.1, "c": True, "d": None, "e": [1, 2], "f": {"k": "v"}}
    encoded = {"a": "1.10", "b": "0.1", "c": "true", "e": "[1, 2]", "f": '{"k": "v"}'}
    assert encoded == encode_hyperparameters(values)


def test_every_request_of_a_sweep_has_the_key_of_its_locked_section() -> None:
    """Hyperparameters, image, environment and keep-alive leave the pool key alone; the order of subnets does too."""
    reordered = {**LOCKED, "subnets": ["subnet-a", "subnet-b"]}
    keys = {PoolKey.of(a_request(rank=1)), PoolKey.of(a_request(launch="image", rank=2)), locked_key(reordered)}
    assert keys == {locked_key(LOCKED)}


@pytest.mark.parametrize(
    "change",
    [{"instance_count": 2}, {"volume_size_in_gb": 31}, {"enable_network_isolation": True}, {"subnets": ["subnet-c"]}],
)
def test_a_changed_locked_field_changes_the_pool_key(change: dict[str, object]) -> None:
    """A request that would leave the pool has another key."""
    assert locked_key({**LOCKED, **change}) != locked_key(LOCKED)


def test_the_toolkit_gets_every_value_as_json() -> None:
    """The sagemaker-training toolkit reads JSON, strings included, and finds its program and tarball."""
    sent = a_request(launch="toolkit", optimizer="adam")["HyperParameters"]
    assert sent["optimizer"] == '"adam"'
    assert sent["sagemaker_submit_directory"] == '"s3://b/source/1/source.tar.gz"'


def test_the_toolkit_is_told_which_processes_it_starts() -> None:
    """In the hyperparameters by which SageMaker's SDK tells it; our driver is told in its own file."""
    torch = a_request(launch="toolkit", job={"launcher": "torchrun"})["HyperParameters"]
    assert torch["sagemaker_torch_distributed_enabled"] == "true"
    assert torch["sagemaker_instance_type"] == json.dumps(LOCKED["instance_type"])
    mpi = a_request(launch="toolkit", job={"launcher": "mpirun", "processes_per_host": 4})["HyperParameters"]
    told = {key: value for key, value in mpi.items() if key.startswith("sagemaker_mpi_")}
    assert told == {
        "sagemaker_mpi_enabled": "true",
        "sagemaker_mpi_num_of_processes_per_host": "4",
        "sagemaker_mpi_custom_mpi_options": '""',
    }
    assert a_request(job={"launcher": "torchrun"}) == a_request()


def test_a_toolkit_without_a_network_finds_its_source_in_a_channel() -> None:
    """An isolated container cannot fetch it from S3; the channel has the SDK's own name."""
    sent = a_request({**LOCKED, "enable_network_isolation": True}, launch="toolkit")
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in sent["InputDataConfig"]}
    assert channels == {"train": "s3://b/data", "code": "s3://b/source/1/"}
    assert sent["HyperParameters"]["sagemaker_submit_directory"] == '"/opt/ml/input/data/code/source.tar.gz"'


def test_a_channel_of_ours_never_takes_the_place_of_another() -> None:
    """Whatever a trial has made of its channels: one with the name of ours is refused, not replaced."""
    config = {
        "locked": LOCKED,
        "job": {"launch": "driver", "image_uri": "repo/train:1", "entry_script": "train.py"},
        "hyperparameters": {},
        "environment": {},
    }
    staged = Staged("s3://b/source/1", {"sweeper": "s3://b/data"}, "s3://b/out")
    with pytest.raises(UsageError, match=r"job\.inputs\.sweeper"):
        build(config, name="n", mark="m", sweep="s", max_runtime_s=60, staged=staged, region="eu-west-1")


def test_no_piece_of_a_request_takes_what_is_not_its_own() -> None:
    """Whatever a trial's values have made of it: the code's channel and what is locked are never replaced."""
    config = {
        "locked": LOCKED,
        "job": {"launch": "driver", "image_uri": "repo/train:1", "entry_script": "train.py"},
        "hyperparameters": {},
        "environment": {},
    }
    places = Staged("s3://b/source/1", {}, "s3://b/out")
    for piece, name in (
        ({"InputDataConfig": [{"ChannelName": "sweeper", "ContentType": "x"}]}, r"request\.InputDataConfig\.0"),
        ({"ResourceConfig": {"VolumeSizeInGB": 31}}, r"request\.ResourceConfig\.VolumeSizeInGB: is locked"),
    ):
        with pytest.raises(UsageError, match=name):
            build(
                {**config, "request": piece},
                name="n",
                mark="m",
                sweep="s",
                max_runtime_s=60,
                staged=places,
                region="eu-west-1",
            )


def test_a_channel_that_is_mounted_is_nothing_that_lies_in_s3() -> None:
    """Running a job again finds what lay in S3 where it was, and leaves file systems to the experiment."""
    mounted = {"FileSystemDataSource": {"FileSystemId": "fs-01234567"}}
    there = {"S3DataSource": {"S3Uri": "s3://b/data"}}
    was = {
        "InputDataConfig": [
            {"ChannelName": "shared", "DataSource": mounted},
            {"ChannelName": "train", "DataSource": there},
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
    }
    job = Job(Intent("job", "t", 0, "x", {}, 1, "f", 0, 60, "s3://b/source"))
    assert rerun.staged(job, was, Launch.IMAGE).inputs == {"train": "s3://b/data"}


def test_each_trial_has_a_prefix_for_its_checkpoints() -> None:
    """The service restores all that is below: attempts share a prefix, trials, sweeps and owners never do."""
    job = {
        "launch": "image",
        "image_uri": "repo/train:1",
        "checkpoint_s3_uri": "s3://b/ck/",
        "checkpoint_local_path": "/x",
    }
    config = {"locked": LOCKED, "job": job, "hyperparameters": {}, "environment": {}}

    def prefix(owner: str, sweep: str, trial: str, attempt: int) -> str:
        made = job_name(owner, SCOPE, sweep, trial, attempt)
        staged = Staged("", {}, "s3://b/out")
        request = build(config, name=made, mark="m", sweep=sweep, max_runtime_s=60, staged=staged, region="eu-west-1")
        assert request["CheckpointConfig"]["LocalPath"] == "/x"
        return str(request["CheckpointConfig"]["S3Uri"])

    first = prefix("ann", "s", "0" * 16, 1)
    assert re.fullmatch("s3://b/ck/s-[0-9a-f]{16}", first)
    assert prefix("ann", "s", "0" * 16, 2) == first
    others = {prefix("bob", "s", "0" * 16, 1), prefix("ann", "t", "0" * 16, 1), prefix("ann", "s", "1" * 16, 1)}
    assert len({first, *others}) == 4


def test_a_spot_request_has_no_keep_alive_and_may_wait() -> None:
    """The service refuses the two together; MaxWaitTimeInSeconds is the run and the waits."""
    shaped = Spot(wait_s=100).shape(a_request(), keep_alive_s=300)
    assert "KeepAlivePeriodInSeconds" not in shaped["ResourceConfig"]
    assert shaped["EnableManagedSpotTraining"] is True
    assert shaped["StoppingCondition"] == {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 160}
    assert PoolKey.of(shaped) == locked_key(LOCKED, Spot()) != locked_key(LOCKED)


DESCRIBED = {
    "TrainingJobStatus": "Completed",
    "EnableNetworkIsolation": False,
    "EnableInterContainerTrafficEncryption": False,
    "EnableManagedSpotTraining": False,
}


@pytest.mark.parametrize(
    "shown",
    [{"SelectedInstanceType": "ml.m5.large"}, {"KeepAlivePeriodInSeconds": 60}, {"VolumeKmsKeyId": ""}, {"New": [1]}],
)
def test_a_job_as_described_matches_the_request_that_it_was_created_with(shown: dict[str, object]) -> None:
    """Describe never shows session chaining, fills in what was left out, and has members that match nothing."""
    locked = {**LOCKED, "enable_session_tag_chaining": True}
    request = a_request(locked)
    assert "SessionChainingConfig" in request
    described = {**DESCRIBED, **{k: v for k, v in request.items() if k not in ("Tags", "SessionChainingConfig")}}
    described["ResourceConfig"] = {**request["ResourceConfig"], **shown}
    assert locked_key(locked).may_match(PoolKey.of(described))
    assert not locked_key({**locked, "instance_count": 3}).may_match(PoolKey.of(described))


def test_what_differs_is_told_by_the_fields_of_the_request() -> None:
    """Each differing field by its name, with what it is and was; nothing else."""
    other = {**LOCKED, "volume_size_in_gb": 31, "subnets": ["subnet-c"]}
    assert differing(locked_key(LOCKED), a_request(other)) == (
        'ResourceConfig.VolumeSizeInGB is 31 and not 30, VpcConfig.Subnets is ["subnet-c"] and not '
        '["subnet-a","subnet-b"]'
    )
    assert differing(locked_key(LOCKED), a_request(LOCKED)) == ""
