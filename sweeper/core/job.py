"""What an experiment says of its jobs: what all of them share, what one of them runs, and with which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from sweeper.core.channels import INPUT_MODES, Channel
from sweeper.core.model import Launch, MetricDefinition
from sweeper.core.options import Bounds, option
from sweeper.driver.arguments import STYLES
from sweeper.driver.launchers import LAUNCHERS


def _id(prefix: str) -> Bounds:
    return Bounds(pattern=f"^{prefix}-[0-9a-zA-Z]+$", says=f"must look like {prefix}-0123456789abcdef0")


_INSTANCE_TYPE: Mapping[str, str] = {
    "pattern": r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$",
    "says": "must look like ml.g6e.2xlarge",
}
_TRAINING_PLAN: Mapping[str, str] = {
    "pattern": r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:\d{12}:training-plan/.+$",
    "says": "must be a training plan's ARN: arn:aws:sagemaker:REGION:123456789012:training-plan/NAME",
}


@dataclass(frozen=True, kw_only=True)
class InstancePreference:
    """A type of machine that a job may get, and how many of them it needs then."""

    instance_type: str = option("The machine.", sends="InstanceType", **_INSTANCE_TYPE)
    instance_count: int | None = option(
        "How many of them, where each type needs another number; default: locked.instance_count.",
        default=None,
        low=1,
        high=10000,
        sends="InstanceCount",
    )
    training_plan_arns: Sequence[Annotated[str, Bounds(**_TRAINING_PLAN)]] | None = option(
        "The training plan whose machines they are.", default=None, low=1, high=1, sends="TrainingPlanArns"
    )


@dataclass(frozen=True, kw_only=True)
class Locked:
    """What every job of a sweep shares: the fields a warm pool matches on. Validated, frozen, never swept."""

    role_arn: str = option(
        "The execution role of the jobs.",
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$",
        says="must be a role's ARN: arn:aws:iam::123456789012:role/NAME",
        sends="RoleArn",
    )
    instance_type: str | None = option(
        "The machine, for example ml.g6e.2xlarge. Needed, unless instance_preferences are said.",
        default=None,
        **_INSTANCE_TYPE,
        sends="ResourceConfig.InstanceType",
    )
    instance_count: int = option(
        "How many machines a job uses.", default=1, low=1, high=10000, sends="ResourceConfig.InstanceCount"
    )
    volume_size_in_gb: int = option(
        "The size of the machine's volume in GB.", default=30, low=1, high=65536, sends="ResourceConfig.VolumeSizeInGB"
    )
    volume_kms_key_id: str | None = option(
        "The key that encrypts the volume.", default=None, high=2048, sends="ResourceConfig.VolumeKmsKeyId"
    )
    security_group_ids: Sequence[Annotated[str, _id("sg")]] | None = option(
        "The security groups of the VPC.", default=None, high=5, sends="VpcConfig.SecurityGroupIds"
    )
    subnets: Sequence[Annotated[str, _id("subnet")]] | None = option(
        "The subnets of the VPC.", default=None, high=16, sends="VpcConfig.Subnets"
    )
    training_plan_arn: str | None = option(
        "The training plan whose machines are used.",
        default=None,
        **_TRAINING_PLAN,
        sends="ResourceConfig.TrainingPlanArn",
    )
    instance_preferences: Sequence[InstancePreference] | None = option(
        "Types of machines in place of instance_type: each job gets the first one that there is capacity for. With "
        "backend=on_demand alone.",
        default=None,
        low=1,
        high=5,
        sends="ResourceConfig.InstancePreferences",
    )
    enable_network_isolation: bool = option(
        "No network for the container.", default=False, sends="EnableNetworkIsolation"
    )
    enable_inter_container_traffic_encryption: bool = option(
        "Encrypt the traffic between machines.", default=False, sends="EnableInterContainerTrafficEncryption"
    )
    enable_session_tag_chaining: bool = option(
        "Pass the session's tags on to the job.", default=False, sends="SessionChainingConfig.EnableSessionTagChaining"
    )
    session_tag_keys: Sequence[str] | None = option(
        "The keys of the session's tags that are passed on, for the record: your session has them, and no request. A "
        "warm pool takes only jobs of sessions with the same ones.",
        default=None,
        high=50,
    )


_S3: Mapping[str, str] = {"pattern": "^s3://[^/]+", "says": "must begin with s3://BUCKET"}
_CHANNEL = Bounds(pattern=r"^[A-Za-z0-9._-]{1,64}$", says="letters, digits, '.', '_' or '-', at most 64 of them")
_Style = Annotated[str, Bounds(choices=STYLES)]


@dataclass(frozen=True, kw_only=True)
class TensorBoard:
    """Where the job's TensorBoard data is kept."""

    s3_output_path: str = option("Where it goes in S3.", sends="S3OutputPath", high=1024, **_S3)
    local_path: str | None = option(
        "Where the script writes it; default /opt/ml/output/tensorboard.", default=None, sends="LocalPath", high=4096
    )


_NAME = Bounds(
    high=120, pattern="^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}$", says="must be letters, digits and -, at most 120 of them"
)
_Name = Annotated[str, _NAME]


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Where the job stands in SageMaker Experiments."""

    experiment_name: _Name | None = option("The experiment.", default=None, sends="ExperimentName")
    trial_name: _Name | None = option("The trial of it.", default=None, sends="TrialName")
    trial_component_display_name: _Name | None = option(
        "The name that is shown of the job.", default=None, sends="TrialComponentDisplayName"
    )
    run_name: _Name | None = option("The run of it.", default=None, sends="RunName")


@dataclass(frozen=True, kw_only=True)
class Mlflow:
    """The MLflow of SageMaker that the job reports to."""

    mlflow_resource_arn: str = option("The tracking server or app.", sends="MlflowResourceArn", high=2048)
    mlflow_experiment_name: str | None = option(
        "The experiment.", default=None, sends="MlflowExperimentName", low=1, high=256
    )
    mlflow_run_name: str | None = option("The run.", default=None, sends="MlflowRunName", low=1, high=256)


_Words = Sequence[Annotated[str, Bounds(high=256)]]
_TagKey = Annotated[
    str, Bounds(low=1, high=128, pattern=r"^[\w\s.:/=+\-@]*$", says="letters, digits, blanks and .:/=+-@_, at most 128")
]
_TagValue = Annotated[str | int | float | bool | None, Bounds(high=256)]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one job runs. Not part of the pool key: it may differ from trial to trial."""

    image_uri: str | None = option(
        "The training image. Needed, unless algorithm_name is said.",
        default=None,
        low=1,
        high=255,
        pattern=r"^\S+$",
        says="must be an image's URI, without blanks",
        sends="AlgorithmSpecification.TrainingImage",
    )
    # its content is part of a trial's identity, its place is not
    source_dir: str | None = option("The folder with the code, relative to the project.", default=None)
    entry_script: str | None = option("The script to start, a file in source_dir.", default=None)
    requirements: str | None = option("A requirements file in source_dir.", default=None)
    launch: Launch = option(
        "How the script starts: our driver, the image's sagemaker-training toolkit, or the image.",
        default=Launch.DRIVER,
    )
    arguments: _Style | Mapping[str, _Style] | None = option(
        "How hyperparameters become arguments under launch: driver. options, the default: --name value; flags: --name "
        "for true, nothing for false, --name a b for a list; hydra: name=value.",
        default=None,
        says="must be options, flags or hydra, or a mapping of hyperparameters to one of them",
    )
    launcher: str | None = option(
        "What starts a script that is several processes, on each of the job's machines; none, the default: it is one.",
        default=None,
        choices=LAUNCHERS,
    )
    processes_per_host: int | None = option(
        "How many processes the launcher starts on a machine; default: one for each GPU, else one.",
        default=None,
        low=1,
        high=1024,
    )
    inputs: Mapping[Annotated[str, _CHANNEL], Channel | Annotated[str, Bounds(low=1)] | None] = option(
        "Channels: a name, and an s3:// prefix, a local folder, or a mapping that says more.",
        default={},
        high=19,
        sends="InputDataConfig",
    )
    output_path: str | None = option(
        "Where the models go. Default: s3://sagemaker-REGION-ACCOUNT/sweeper/NAME.",
        default=None,
        **_S3,
        sends="OutputDataConfig.S3OutputPath",
    )
    max_runtime_s: int = option(
        "The longest a job may run, in seconds: the outermost safety net.",
        low=1,
        high=2419200,
        sends="StoppingCondition.MaxRuntimeInSeconds",
    )
    checkpoint_s3_uri: str | None = option(
        "Where checkpoints are kept, below a prefix for each trial. backend=spot needs it, or backend.allow_restart.",
        default=None,
        **_S3,
        sends="CheckpointConfig.S3Uri",
    )
    checkpoint_local_path: str | None = option(
        "Where the script writes checkpoints and finds them; default /opt/ml/checkpoints.",
        default=None,
        sends="CheckpointConfig.LocalPath",
    )
    metrics: Sequence[MetricDefinition] = option(
        "The metrics to read from the log.", default=(), high=40, sends="AlgorithmSpecification.MetricDefinitions"
    )
    allow_outside_project: bool = option(
        "Folders of source_dir and inputs may lie outside of the project.", default=False
    )
    output_kms_key_id: str | None = option(
        "The key that encrypts the models, and the code and data that are put into S3 (SSE-KMS).",
        default=None,
        high=2048,
        sends="OutputDataConfig.KmsKeyId",
    )
    expected_bucket_owner: str | None = option(
        "The account that the buckets of output_path and checkpoint_s3_uri must belong to. The default bucket must be "
        "the caller's own in any case.",
        default=None,
        pattern=r"^\d{12}$",
        says="must be an account's twelve digits, in quotes",
    )
    max_source_mb: float = option("The most that source_dir may hold, in MB.", default=500.0, above=0)
    max_input_mb: float = option("The most that a local folder of inputs may hold, in MB.", default=20000.0, above=0)
    algorithm_name: str | None = option(
        "An algorithm of yours or of the Marketplace in place of an image, by its name or ARN; with image_uri: null.",
        default=None,
        low=1,
        high=170,
        sends="AlgorithmSpecification.AlgorithmName",
    )
    container_entrypoint: _Words | None = option(
        "The command of the container under launch: image, in place of the image's own.",
        default=None,
        low=1,
        high=100,
        sends="AlgorithmSpecification.ContainerEntrypoint",
    )
    container_arguments: _Words | None = option(
        "The arguments of that command, under launch: image.",
        default=None,
        low=1,
        high=100,
        sends="AlgorithmSpecification.ContainerArguments",
    )
    input_mode: str | None = option(
        "How channels come into the container, unless they say so themselves; default File.",
        default=None,
        choices=INPUT_MODES,
        sends="AlgorithmSpecification.TrainingInputMode",
    )
    training_repository_access_mode: str | None = option(
        "Where the image is: in ECR, or in a registry of your VPC.",
        default=None,
        choices=("Platform", "Vpc"),
        sends="AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAccessMode",
    )
    training_repository_credentials_provider_arn: str | None = option(
        "The Lambda function that knows the credentials of that registry.",
        default=None,
        low=1,
        high=2048,
        sends="AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAuthConfig."
        "TrainingRepositoryCredentialsProviderArn",
    )
    enable_sagemaker_metrics_time_series: bool | None = option(
        "Keep the metrics as a time series, which SageMaker does for its own images.",
        default=None,
        sends="AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
    )
    output_compression: str | None = option(
        "GZIP, the default: the model is one model.tar.gz; NONE: its files as they are.",
        default=None,
        choices=("GZIP", "NONE"),
        sends="OutputDataConfig.CompressionType",
    )
    max_pending_s: int | None = option(
        "The longest a job may wait for machines, in seconds; heeded for types of ml.p, ml.g and ml.trn alone.",
        default=None,
        low=1800,
        high=2419200,
        sends="StoppingCondition.MaxPendingTimeInSeconds",
    )
    max_retry_attempts: int | None = option(
        "How often SageMaker itself starts a job again after an internal error. max_runtime_s counts all of them.",
        default=None,
        low=1,
        high=30,
        sends="RetryStrategy.MaximumRetryAttempts",
    )
    tags: Mapping[_TagKey, _TagValue] = option(
        "Tags of the job, as cost reports and policies know them; null takes one away.",
        default={},
        high=45,
        sends="Tags",
    )
    tensor_board_output_config: TensorBoard | None = option(
        "Where the job's TensorBoard data is kept.", default=None, sends="TensorBoardOutputConfig"
    )
    experiment_config: ExperimentConfig | None = option(
        "Where the job stands in SageMaker Experiments.", default=None, sends="ExperimentConfig"
    )
    mlflow_config: Mlflow | None = option(
        "The MLflow of SageMaker that the job reports to.", default=None, sends="MlflowConfig"
    )
    enable_remote_debug: bool | None = option(
        "Let people of the account into the running container, by AWS Systems Manager.",
        default=None,
        sends="RemoteDebugConfig.EnableRemoteDebug",
    )
    enable_infra_check: bool | None = option(
        "Check the machines before the job starts.", default=None, sends="InfraCheckConfig.EnableInfraCheck"
    )


OWNER = r"^[\w .:/=+@-]+$"
"""It stands in a tag of every job, which takes no other letters."""
OWNER_SAYS = "must be letters, digits, blanks or any of _.:/=+-@"
TAG = r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}$"
TAG_SAYS = "must be letters, digits or any of ._:/+-, at most 64, and begin with a letter or digit"
BUILDER = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
"""A function: its module, and its name there."""
_HYPERPARAMETER = Bounds(low=1, high=256, says="text of at most 256 characters")
_VARIABLE = Bounds(pattern="^[a-zA-Z_][a-zA-Z0-9_]{0,511}$", says="letters, digits and _, the first one no digit")
_Text = Annotated[str | float | bool | None, Bounds(says="must be text, a number or true/false")]
_Version = Annotated[str | None, Bounds(says="must be text: quote the version")]


@dataclass(frozen=True)
class Experiment:
    """What an experiment says at its top: what it is called, and the values that are an author's own."""

    name: str | None = option(
        "The sweep's name: its folder below runs/. Default: the file's stem.",
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        says="must be letters, digits, '.', '_' or '-', and begin with a letter or digit",
    )
    # two people with the same file never share a job name
    owner: str | None = option(
        "Whose sweep this is. Default: SWEEPER_OWNER, else the caller's ARN.",
        default=None,
        pattern=OWNER,
        says=OWNER_SAYS,
    )
    builder: str | None = option(
        "A function that returns a ModelTrainer or an Estimator of SageMaker's SDK, as module:function. What it would "
        "send is what trials begin with.",
        default=None,
        pattern=BUILDER,
        says="must be module:function, as trainers:make_trainer",
    )
    tags: Sequence[Annotated[str, Bounds(pattern=TAG, says=TAG_SAYS)]] = option(
        "Words by which the sweep is found again: sweeper list --tag T. They reach no job and change no result.",
        default=(),
        high=50,
    )
    hyperparameters: Mapping[Annotated[str, _HYPERPARAMETER], Any] = option(
        "What the script is called with: --name value. Text as it is, everything else as JSON.", default={}, high=100
    )
    environment: Mapping[Annotated[str, _VARIABLE], _Text] = option(
        "Environment variables of the job. Their values are masked wherever sweeper writes.", default={}, high=99
    )
    dependencies: Mapping[str, _Version] = option(
        "Versions that replace those of the requirements file: a name and a version or a specifier.", default={}
    )
    request: Mapping[str, Any] = option(
        "A piece of CreateTrainingJob in SageMaker's own words, merged into each request last: what no option says.",
        default={},
    )
    vars: Mapping[str, Any] = option("Values of your own, for ${vars.x}.", default={})
