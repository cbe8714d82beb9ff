"""What DescribeTrainingJob tells beyond the request itself: what is read of it, and what is left alone and why."""

from __future__ import annotations

from collections.abc import Mapping

READ: Mapping[str, str] = {
    "TrainingJobArn": "proof that a Create has made the job; its tags are asked by it",
    "TrainingJobStatus": "whether the job goes on, and how it has ended",
    "SecondaryStatus": "what it does now; why it was stopped",
    "SecondaryStatusTransitions": "the phases of `results.csv`, interruptions, and what a person is told meanwhile",
    "FailureReason": "the kind of a failure, and its message",
    "WarmPoolStatus": "whether the pool is kept, reused or closed, and what it has billed",
    "CreationTime": "how old a job is",
    "TrainingStartTime": "when it began",
    "TrainingEndTime": "when it ended",
    "LastModifiedTime": "when it ended, where the service does not say",
    "FinalMetricDataList": "its metrics, where the log does not have them",
    "TrainingTimeInSeconds": "`train_seconds`",
    "BillableTimeInSeconds": "`billable_seconds`, and the cost",
    "ModelArtifacts": "`model`, and what `sweeper pull` brings",
}
"""Members that something is made of."""
UNREAD: Mapping[str, str] = {
    "TuningJobArn": "no job of ours belongs to a tuning job",
    "LabelingJobArn": "no job of ours belongs to a labeling job",
    "AutoMLJobArn": "no job of ours belongs to an AutoML job",
    "BillableTokenCount": "serverless jobs alone have it",
    "ProgressInfo": "serverless jobs alone have it",
    "OutputModelPackageArn": "serverless jobs alone have it",
    "MlflowDetails": "MLflow shows its own runs",
    "DebugRuleEvaluationStatuses": "Debugger is closed to new customers",
    "ProfilerRuleEvaluationStatuses": "Profiler ends in June 2027",
    "ProfilingStatus": "Profiler ends in June 2027",
}
"""Members that are left alone, and why."""
