"""What an experiment says of a request: what is sent of it, what is refused, and what makes no new trial."""

from __future__ import annotations

from typing import Any

import pytest

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
    lists: {uri: s3://bucket/lists, data_type: AugmentedManifestFile, attribute_names: [source-ref], compression: Gzip}
    shared: {fsx: {id: fs-0123456789abcdef0, path: /shared, access: rw}}
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


def sent(project: Any, more: str = "", *words: str) -> dict[str, Any]:
    """The request of the only trial of an experiment with these lines under `job`; the service's model takes it."""
    project.write("experiments/x.yaml", EXPERIMENT.replace("  source_dir: code\n  entry_script: train.py\n", more))
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


REFUSED = {
    "two places": (
        ["+job.inputs.train={uri: s3://b/1, folder: code}"],
        "job.inputs.train: lies in one place, of uri, folder, efs, fsx and dataset_arn; there is uri and folder",
    ),
    "no place": (
        ["+job.inputs.train={content_type: text/csv}"],
        "job.inputs.train: lies in one place, of uri, folder, efs, fsx and dataset_arn; there is none",
    ),
    "an unknown key": (
        ["+job.inputs.train={uri: s3://b/1, contenttype: text/csv}"],
        "job.inputs.train.contenttype: is not a field of job.inputs.train; did you mean 'content_type'?",
    ),
    "an unknown mode": (
        ["+job.inputs.train={uri: s3://b/1, input_mode: Pip}"],
        "job.inputs.train.input_mode: 'Pip' is not one of File, FastFile, Pipe; did you mean 'Pipe'?",
    ),
    "a folder that is not there": (
        ["+job.inputs.train={folder: cod}"],
        "job.inputs.train.folder: there is no folder 'cod'; did you mean 'code'?",
    ),
    "a file system without a network": (
        ["+job.inputs.train={efs: {id: fs-01234567, path: /data}}"],
        "job.inputs.train: is a file system, which is mounted in a VPC: set locked.subnets and "
        "locked.security_group_ids",
    ),
    "a tag of ours": (
        [r"+job.tags={sweeper\:sweep: a}"],
        "job.tags.sweeper:sweep: begins with one of sweeper:, aws:, which are not yours to set",
    ),
    "a command under the driver": (
        ["job.container_arguments=[a]"],
        "job.container_arguments: is for launch: image; under launch: driver the command of the container is not yours",
    ),
    "an image and an algorithm": (
        ["job.launch=image", "job.algorithm_name=mine"],
        "job.algorithm_name: stands in place of an image: set job.image_uri: null",
    ),
    "neither of them": (["job.image_uri=null"], "job.image_uri: is missing: it has no default"),
    "a plan that is none": (
        ["locked.training_plan_arn=mine"],
        "locked.training_plan_arn: must be a training plan's ARN: "
        "arn:aws:sagemaker:REGION:123456789012:training-plan/NAME, not 'mine'",
    ),
    "a swept tag": (
        ["+job.tags.team=a,b"],
        "job.tags.team: cannot be swept: it changes no result, so all its trials would be one and the same",
    ),
}


@pytest.mark.parametrize(("words", "line"), REFUSED.values(), ids=REFUSED)
def test_what_no_request_may_say_is_refused_where_it_is_written(project: Any, words: list[str], line: str) -> None:
    """Each mistake is one line at its key, before anything is sent."""
    project.experiment()
    assert project.refused("engine=aws", *words) == ["command line: " + line]


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
