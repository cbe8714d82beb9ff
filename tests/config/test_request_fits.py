"""What an experiment says of a request: what is sent of it, what is refused, and what makes no new trial."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sweeper.core import pieces
from sweeper.core.members import put
from sweeper.core.request import PoolKey, Staged, build, locked_key
from sweeper.engine.wire import rules
from tests.config.conftest import EXPERIMENT

SAID = """\
  launch: image
  input_mode: FastFile
  container_entrypoint: [python, -m, train]
  container_arguments: [--fast]
  output_compression: NONE
  max_pending_s: 7200
  max_retry_attempts: 3
  enable_remote_debug: true
  enable_infra_check: false
  training_repository_access_mode: Vpc
  tags: {team: vision, trial: "rank-${hyperparameters.rank}", round: 2, gone: null}
  tensor_board_output_config: {s3_output_path: s3://bucket/boards}
  experiment_config: {experiment_name: lora, run_name: first}
  mlflow_config: {mlflow_resource_arn: "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/team"}
  inputs:
    train: {uri: s3://bucket/train, content_type: text/csv, distribution: ShardedByS3Key, input_mode: Pipe, shuffle: 7}
    lists: {uri: s3://bucket/lists, data_type: AugmentedManifestFile, attribute_names: [source-ref], input_mode: Pipe}
    shared: {fsx: {id: fs-0123456789abcdef0, path: /shared, access: rw}, input_mode: File}
    plain: s3://bucket/plain
"""
VPC = ("locked.subnets=[subnet-1]", "locked.security_group_ids=[sg-1]")
OTHERS = {
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out", "CompressionType": "NONE"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxPendingTimeInSeconds": 7200},
    "RetryStrategy": {"MaximumRetryAttempts": 3},
    "RemoteDebugConfig": {"EnableRemoteDebug": True},
    "InfraCheckConfig": {"EnableInfraCheck": False},
    "TensorBoardOutputConfig": {"S3OutputPath": "s3://bucket/boards"},
    "ExperimentConfig": {"ExperimentName": "lora", "RunName": "first"},
    "MlflowConfig": {"MlflowResourceArn": "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/team"},
}
PLAN = "arn:aws:sagemaker:eu-west-1:123456789012:training-plan/mine"


def sent(project: Any, job: str = "", *words: str, more: str = "") -> dict[str, Any]:
    """The request of the only trial of an experiment with these lines under `job`; the service's model takes it."""
    project.write(
        "experiments/x.yaml", EXPERIMENT.replace("  source_dir: code\n  entry_script: train.py\n", job) + more
    )
    sweep = project.sweep("engine=aws", *words)
    config = sweep.resolve(next(iter(sweep.trials)))
    places = Staged("s3://bucket/source", {}, "s3://bucket/out")
    made = build(config, name="x-1", mark="m", sweep="x", max_runtime_s=600, staged=places, region="eu-west-1")
    assert rules.validated("CreateTrainingJob", made) == made
    assert PoolKey.of(made) == locked_key(sweep.locked)
    return made


def test_every_option_of_a_job_is_the_member_that_it_names(project: Any) -> None:
    """What is written arrives under SageMaker's names, its interpolations resolved, and the model takes it."""
    made = sent(project, SAID, *VPC, f"locked.training_plan_arn={PLAN}")
    assert made["AlgorithmSpecification"] == {
        "TrainingImage": "repository/train:1",
        "TrainingInputMode": "FastFile",
        "ContainerEntrypoint": ["python", "-m", "train"],
        "ContainerArguments": ["--fast"],
        "TrainingImageConfig": {"TrainingRepositoryAccessMode": "Vpc"},
        "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=(.+)"}],
    }
    assert {tag["Key"]: tag["Value"] for tag in made["Tags"] if ":" not in tag["Key"]} == {
        "team": "vision",
        "trial": "rank-8",
        "round": "2",
    }
    assert {name: made[name] for name in OTHERS} == OTHERS
    assert made["ResourceConfig"]["TrainingPlanArn"] == PLAN


def test_a_channel_says_where_it_lies_and_how_it_is_read(project: Any) -> None:
    """A mapping says more than a prefix; a file system is mounted and nothing of it lies in S3."""
    train, lists, shared, plain = sent(project, SAID, *VPC)["InputDataConfig"]
    usual = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated"}
    assert train == {
        "ChannelName": "train",
        "DataSource": {
            "S3DataSource": {**usual, "S3Uri": "s3://bucket/train", "S3DataDistributionType": "ShardedByS3Key"}
        },
        "ContentType": "text/csv",
        "InputMode": "Pipe",
        "ShuffleConfig": {"Seed": 7},
    }
    lists_source = {**usual, "S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref"]}
    assert lists["DataSource"]["S3DataSource"] == {**lists_source, "S3Uri": "s3://bucket/lists"}
    assert shared["DataSource"] == {
        "FileSystemDataSource": {
            "FileSystemId": "fs-0123456789abcdef0",
            "FileSystemType": "FSxLustre",
            "FileSystemAccessMode": "rw",
            "DirectoryPath": "/shared",
        }
    }
    assert plain["DataSource"]["S3DataSource"] == {**usual, "S3Uri": "s3://bucket/plain"}


def test_an_algorithm_stands_in_place_of_an_image(project: Any) -> None:
    """One of yours or of the Marketplace has its own name, and no image."""
    made = sent(project, "  launch: image\n  algorithm_name: mine\n", "job.image_uri=null")
    assert made["AlgorithmSpecification"].keys() >= {"AlgorithmName"}
    assert "TrainingImage" not in made["AlgorithmSpecification"]


def test_code_comes_as_files_whatever_the_data_comes_as(project: Any) -> None:
    """Our own channel is unpacked by the driver, which cannot do that to a stream."""
    (own,) = sent(project, "  source_dir: code\n  entry_script: train.py\n  input_mode: Pipe\n")["InputDataConfig"]
    assert own["InputMode"] == "File"


def test_what_changes_no_result_makes_no_new_trial(project: Any) -> None:
    """Tags, waiting, retries and who looks on leave identities as they are; what a job reads and runs does not."""
    project.experiment()

    def identity(*words: str) -> str:
        return str(next(iter(project.sweep(*words).trials)).id)

    cosmetic = ["+job.tags.team=a", "job.max_pending_s=7200", "job.max_retry_attempts=2", "job.output_compression=NONE"]
    cosmetic += ["job.enable_remote_debug=true", "job.experiment_config={run_name: a}"]
    assert identity(*cosmetic) == identity()
    assert identity("job.input_mode=Pipe") != identity()


PIECE = """\
request:
  ProfilerConfig: {S3OutputPath: s3://bucket/profile}
  RetryStrategy: {MaximumRetryAttempts: 4}
  Tags: [{Key: cell, Value: "r${hyperparameters.rank}"}]
  InputDataConfig:
    - {ChannelName: train, ContentType: text/csv}
"""


def test_a_piece_of_the_request_is_merged_last(project: Any) -> None:
    """What no option says, and what one does, in SageMaker's words; named items of a list are merged by their names."""
    channel = "  launch: image\n  max_retry_attempts: 2\n  inputs: {train: s3://bucket/train}\n  tags: {team: a}\n"
    made = sent(project, channel, more=PIECE)
    assert made["ProfilerConfig"] == {"S3OutputPath": "s3://bucket/profile"}
    assert made["RetryStrategy"] == {"MaximumRetryAttempts": 4}
    assert {tag["Key"]: tag["Value"] for tag in made["Tags"]}.items() >= {"team": "a", "cell": "r8"}.items()
    (train,) = made["InputDataConfig"]
    assert (train["ContentType"], train["DataSource"]["S3DataSource"]["S3Uri"]) == ("text/csv", "s3://bucket/train")


def test_a_piece_never_leaves_the_pool_nor_decides_what_sweeper_does(project: Any) -> None:
    """Every locked member, and every one that something depends on, is refused where it is written."""
    piece: dict[str, Any] = {}
    for member in pieces.forbidden():
        put(piece, member, "x")
    piece["InputDataConfig"] = [piece["InputDataConfig"] | {"ChannelName": "x"}]
    piece["ResourceConfig"]["InstancePreferences"] = [piece["ResourceConfig"]["InstancePreferences"]]
    project.experiment(f"request: {json.dumps(piece)}\n")
    said = sorted(line.partition(": ")[2] for line in project.refused("engine=aws"))
    assert said == sorted(f"request.{member}: {what}" for member, what in pieces.forbidden().items())


PIECE_WRONG = """\
request:
  RetryStrategi: {MaximumRetryAttempts: 1}
  RetryStrategy: {MaximumRetryAttempts: 0}
  InfraCheckConfig: 3
  Tags: [{Key: 'sweeper:sweep', Value: x}]
"""
SAID_OF_IT = [
    "14:3: request.RetryStrategi: is no member of CreateTrainingJobRequest; did you mean 'RetryStrategy'?",
    "15:19: request.RetryStrategy.MaximumRetryAttempts: Member must have value greater than or equal to 1",
    "16:3: request.InfraCheckConfig: must be a mapping",
    "17:10: request.Tags.0: has a key that begins with one of sweeper:, aws:",
]


def test_a_piece_is_judged_by_the_model(project: Any) -> None:
    """What the service would refuse is told with its place, before anything is sent; so is what would be incomplete."""
    project.experiment(PIECE_WRONG)
    assert project.refused("engine=aws") == [f"experiments/x.yaml:{line}" for line in SAID_OF_IT]
    project.experiment("request: {DebugHookConfig: {LocalPath: /opt}}\n")
    (line,) = project.refused("engine=aws")
    what = "request.DebugHookConfig.S3OutputPath: SageMaker would refuse the request: Member must not be null"
    assert line.startswith("experiments/x.yaml:13:") and line.endswith(what)


FS = "{efs: {id: fs-01234567, path: /data}}"
REFUSED = {
    "by the schema": {
        "+job.inputs.a={uri: s3://b/1, contenttype: text/csv}": "job.inputs.a.contenttype: is not a field of "
        "job.inputs.a; did you mean 'content_type'?",
        "+job.inputs.b={uri: s3://b/1, input_mode: Pip}": "job.inputs.b.input_mode: 'Pip' is not one of File, "
        "FastFile, Pipe; did you mean 'Pipe'?",
        "locked.training_plan_arn=mine": "locked.training_plan_arn: must be a training plan's ARN: "
        "arn:aws:sagemaker:REGION:123456789012:training-plan/NAME, not 'mine'",
        "+job.inputs.c=''": "job.inputs.c: is empty",
        "+job.experiment_config={experiment_name: a b}": "job.experiment_config.experiment_name: must be letters, "
        "digits and -, at most 120 of them, not 'a b'; did you mean 'a-b'?",
        "job.training_repository_access_mode=VPC": "job.training_repository_access_mode: 'VPC' is not one of Platform, "
        "Vpc; did you mean 'Vpc'?",
        "+job.tags.team=a,b": "job.tags.team: cannot be swept: it changes no result, so all its trials would be one "
        "and the same",
        "job.image_uri=null": "job.image_uri: is missing: it has no default",
    },
    "by what fits together": {
        "+job.inputs.a={uri: s3://b/1, folder: code}": "job.inputs.a: lies in one place, of uri, folder, efs, fsx and "
        "dataset_arn; there is uri and folder",
        "+job.inputs.b={content_type: text/csv}": "job.inputs.b: lies in one place, of uri, folder, efs, fsx and "
        "dataset_arn; there is none",
        f"+job.inputs.c={FS}": "job.inputs.c: is a file system, which is mounted in a VPC: set locked.subnets and "
        "locked.security_group_ids",
        r"+job.tags={sweeper\:sweep: a}": "job.tags.sweeper:sweep: begins with one of sweeper:, aws:, which are not "
        "yours to set",
        "job.container_arguments=[a]": "job.container_arguments: is for launch: image; under launch: driver the "
        "command of the container is not yours",
    },
    "by what goes with it": {
        "locked.session_tag_keys=[team]": "locked.session_tag_keys: need locked.enable_session_tag_chaining too: no "
        "tag is passed on else",
    },
    "by what is there": {
        "+job.inputs.a={folder: cod}": "job.inputs.a.folder: there is no folder 'cod'; did you mean 'code'?",
        "job.algorithm_name=mine": "job.algorithm_name: stands in place of an image: set job.image_uri: null",
    },
    "by what a channel's mode goes with": {
        "+job.inputs.a={uri: s3://b/1, data_type: ManifestFile, input_mode: FastFile}": "job.inputs.a: SageMaker would "
        "refuse the request: Invalid InputMode FastFile for channel a. FastFile mode supports S3Prefix only, not "
        "ManifestFile.",
    },
    "swept": {
        "+request.RetryStrategy.MaximumRetryAttempts=1,31": "request.RetryStrategy.MaximumRetryAttempts: Member must "
        "have value less than or equal to 30",
    },
}


@pytest.mark.parametrize("mistakes", REFUSED.values(), ids=REFUSED)
def test_what_no_request_may_say_is_refused_where_it_is_written(project: Any, mistakes: dict[str, str]) -> None:
    """Each mistake is one line at its key, before anything is sent."""
    project.experiment()
    assert project.refused("engine=aws", *mistakes) == sorted("command line: " + line for line in mistakes.values())


def test_a_folder_in_a_mapping_counts_by_its_content(project: Any) -> None:
    """Where a channel's files lie on this machine is no part of a trial; what is in them is."""
    project.experiment()
    for name in ("one", "two"):
        project.write(f"{name}/a.txt", "a")

    def identity(folder: str) -> str:
        return str(next(iter(project.sweep(f"+job.inputs.train={{folder: {folder}}}").trials)).id)

    before = identity("one")
    assert identity("two") == before
    project.write("one/a.txt", "b")
    assert identity("one") != before


SEVERAL = """\
locked:
  role_arn: arn:aws:iam::123456789012:role/sweeper
  instance_preferences: [{instance_type: ml.g5.xlarge}, {instance_type: ml.g4dn.xlarge}]
"""
AS_ONE = ("or name one locked.instance_type", "choose backend=on_demand")


def test_of_several_types_the_service_chooses_where_no_pool_and_no_queue_counts_on_one(project: Any) -> None:
    """A list of preferences is sent as it is on demand; every other backend refuses it where it is written, and why."""
    project.write("experiments/x.yaml", SEVERAL + EXPERIMENT.partition("  instance_type: ml.g5.xlarge\n")[2])
    sweep = project.sweep("backend=on_demand")
    config = sweep.resolve(next(iter(sweep.trials)))
    places = Staged("s3://bucket/source", {}, "s3://bucket/out")
    made = build(config, name="x-1", mark="m", sweep="x", max_runtime_s=600, staged=places, region="eu-west-1")
    kinds = [{"InstanceType": "ml.g5.xlarge"}, {"InstanceType": "ml.g4dn.xlarge"}]
    assert made["ResourceConfig"] == {"InstanceCount": 1, "VolumeSizeInGB": 30, "InstancePreferences": kinds}
    for words, why in {
        ("backend=warm_pool",): "no warm pool is sure to match the next one",
        ("backend=spot", "backend.allow_restart=true"): "SageMaker refuses the two together",
        ("backend=batch", "backend.queue=q"): "a queue: it counts machines of one type",
    }.items():
        (line,) = project.refused(*words)
        assert line.startswith("experiments/x.yaml:3:3: locked.instance_preferences: ")
        assert why in line and line.endswith(f"{AS_ONE[1]}, {AS_ONE[0]}")


def test_what_the_service_refuses_of_preferences_is_told_before(project: Any) -> None:
    """One type or several, a number for each or one for all, and each type once; or there is none at all."""
    project.experiment()
    several = "locked.instance_preferences=[{instance_type: ml.a.b%s}, {instance_type: %s}]"
    alone = ("backend=on_demand", "locked.instance_type=null")

    def said(*words: str) -> str:
        (line,) = project.refused("backend=on_demand", *words)
        return str(line.partition(": ")[2])

    assert said(several % ("", "ml.c.d")).startswith("locked.instance_preferences: stand in place of a type")
    assert said("locked.instance_type=null") == "locked.instance_type: is missing: it has no default"
    twice, half = (several % more for more in (("", "ml.a.b"), (", instance_count: 2", "ml.c.d")))
    assert "must have unique instance types" in said(*alone[1:], twice)
    assert "must have InstanceCount on every preference, or on none" in said(*alone[1:], half)
    plan = several % (f", training_plan_arns: ['{PLAN[:44]}']", "ml.c.d")
    assert said(*alone[1:], plan).startswith("locked.instance_preferences.0.training_plan_arns.0: must be")
    assert said(*alone[1:], half).startswith("locked.instance_preferences: SageMaker would refuse the request")


@pytest.mark.parametrize("launch", ["toolkit", "image", "driver"])
def test_what_a_job_downloads_is_kept_in_the_cache_of_its_pool(project: Any, launch: str) -> None:
    """Said by the request of what starts without our driver, on a pool alone; what the user says there counts."""
    code = "  source_dir: code\n  entry_script: train.py\n"
    project.write("experiments/x.yaml", EXPERIMENT.replace(code, f"  launch: {launch}\n" + code * (launch != "image")))

    def said(*words: str) -> dict[str, str]:
        sweep = project.sweep("engine=aws", "+environment.HF_HOME=/models", *words)
        config = sweep.resolve(next(iter(sweep.trials)))
        places = Staged("s3://bucket/source", {}, "s3://bucket/out")
        of = {"name": "x-1", "mark": "m", "sweep": "x", "max_runtime_s": 600, "region": "eu-west-1"}
        made = build(config, staged=places, caches=sweep.caches, **of)
        return {
            name: value for name, value in made["Environment"].items() if name not in ("MODE", "SWEEPER_FINGERPRINT")
        }

    cache = "/opt/ml/sagemaker/warmpoolcache"
    kept = {"PIP_CACHE_DIR": f"{cache}/pip", "TORCH_HOME": f"{cache}/torch"} if launch != "driver" else {}
    assert said() == {"HF_HOME": "/models", **kept}
    for words in ("pool.keep_alive_s=0",), ("backend=on_demand",), ("pool.caches=false",):
        assert said(*words) == {"HF_HOME": "/models"}
    assert said("locked.enable_network_isolation=true") == {"HF_HOME": "/models"}
    (one,), (other,) = (project.sweep("engine=aws", word).trials for word in ("pool.caches=true", "pool.caches=false"))
    assert one.id == other.id
