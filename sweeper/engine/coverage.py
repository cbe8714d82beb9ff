"""What of botocore's model the engine does not act on: the honest list that docs/engine.md prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import botocore
from botocore.model import ListShape, Shape, StructureShape

from sweeper.engine.training.service import Service
from sweeper.engine.wire import rules

# Members that change what happens. All others are checked against the model, kept and described, and do nothing.
ACTED_ON: dict[str, tuple[str, ...]] = {
    "CreateTrainingJob": (
        "TrainingJobName", "HyperParameters", "RoleArn", "Environment", "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "Tags", "Tags.Key", "Tags.Value",
        "AlgorithmSpecification.TrainingImage", "AlgorithmSpecification.AlgorithmName",
        "AlgorithmSpecification.TrainingInputMode", "AlgorithmSpecification.MetricDefinitions.Name",
        "AlgorithmSpecification.MetricDefinitions.Regex", "AlgorithmSpecification.ContainerEntrypoint",
        "AlgorithmSpecification.ContainerArguments", "InputDataConfig.ChannelName", "InputDataConfig.ContentType",
        "InputDataConfig.RecordWrapperType", "InputDataConfig.InputMode", "InputDataConfig.CompressionType",
        "InputDataConfig.DataSource.FileSystemDataSource.FileSystemId",
        "InputDataConfig.DataSource.FileSystemDataSource.FileSystemAccessMode",
        "InputDataConfig.DataSource.FileSystemDataSource.DirectoryPath",
        "InputDataConfig.ShuffleConfig.Seed", "InputDataConfig.DataSource.S3DataSource.AttributeNames",
        "InputDataConfig.DataSource.S3DataSource.S3DataType", "InputDataConfig.DataSource.S3DataSource.S3Uri",
        "InputDataConfig.DataSource.S3DataSource.S3DataDistributionType", "OutputDataConfig.S3OutputPath",
        "OutputDataConfig.CompressionType", "ResourceConfig.InstanceType", "ResourceConfig.InstanceCount",
        "ResourceConfig.VolumeSizeInGB", "ResourceConfig.VolumeKmsKeyId", "ResourceConfig.KeepAlivePeriodInSeconds",
        "ResourceConfig.TrainingPlanArn", "ResourceConfig.InstancePreferences.InstanceType",
        "ResourceConfig.InstancePreferences.InstanceCount", "ResourceConfig.SelectedInstanceType",
        "ResourceConfig.SelectedInstanceCount", "VpcConfig.SecurityGroupIds", "VpcConfig.Subnets",
        "StoppingCondition.MaxRuntimeInSeconds", "StoppingCondition.MaxWaitTimeInSeconds",
        "StoppingCondition.MaxPendingTimeInSeconds", "RetryStrategy.MaximumRetryAttempts", "CheckpointConfig.S3Uri",
        "CheckpointConfig.LocalPath", "SessionChainingConfig.EnableSessionTagChaining",
    ),
    "UpdateTrainingJob": ("TrainingJobName", "ResourceConfig.KeepAlivePeriodInSeconds"),
    "ListTags": ("ResourceArn",),
    "Search": (
        "Resource", "SortBy", "SortOrder", "NextToken", "MaxResults", "SearchExpression.Operator",
        "SearchExpression.SubExpressions", "SearchExpression.Filters.Name", "SearchExpression.Filters.Operator",
        "SearchExpression.Filters.Value", "SearchExpression.NestedFilters.NestedPropertyName",
        "SearchExpression.NestedFilters.Filters.Name", "SearchExpression.NestedFilters.Filters.Operator",
        "SearchExpression.NestedFilters.Filters.Value",
    ),
}  # fmt: skip
_ALL = ("AddTags", "DeleteTags", "DeleteTrainingJob", "DescribeTrainingJob", "ListTrainingJobs", "StopTrainingJob")


def operations() -> tuple[list[str], list[str]]:
    """The operations that are emulated, and those of the model that are not."""
    emulated = Service().operations
    return sorted(emulated), sorted(set(rules.model().operation_names) - emulated)


def members(operation: str) -> list[str]:
    """Every member of an operation's input, as dotted names."""
    known = rules.operation(operation)
    assert known is not None and known.input_shape is not None
    return list(dict.fromkeys(_members(known.input_shape, "", ())))


def idle_members(operation: str) -> list[str]:
    """The members that change nothing here; where a whole structure is idle only its own name is given."""
    if operation in _ALL:
        return []
    acted = ACTED_ON[operation]
    found: list[str] = []
    for name in members(operation):
        touched = any(a == name or a.startswith(f"{name}.") or name.startswith(f"{a}.") for a in acted)
        covered_by_parent = any(name.startswith(f"{parent}.") for parent in found)
        if not touched and not covered_by_parent:
            found.append(name)
    return found


def report() -> str:
    """The list as docs/engine.md holds it."""
    emulated, others = operations()
    lines = [f"botocore {botocore.__version__}. Emulated: {', '.join(f'`{name}`' for name in emulated)}.", ""]
    lines.append(f"The {len(others)} other operations of the model answer `UnknownOperationException`.")
    lines.append("")
    for name in emulated:
        idle = idle_members(name)
        lines.append(f"* `{name}`: " + (", ".join(f"`{member}`" for member in idle) if idle else "nothing left out"))
    return "\n".join(lines) + "\n"


def _members(shape: Shape, at: str, seen: tuple[str, ...]) -> Iterator[str]:
    if isinstance(shape, ListShape):
        shape = shape.member
    if not isinstance(shape, StructureShape) or shape.name in seen:
        return
    for name, inner in shape.members.items():
        path = f"{at}.{name}" if at else name
        yield path
        yield from _members(inner, path, (*seen, shape.name))


if __name__ == "__main__":
    sys.stdout.write(report())
