"""From what DescribeTrainingJob says to data: the status, the metrics and the outcome of a job. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sweeper.core import events as ev
from sweeper.core import pool_caches
from sweeper.core.chain import Job
from sweeper.core.events import HAS_MACHINE, JobStatus, PoolStatus, TrialStatus
from sweeper.core.failures import Failure, classify, root_cause
from sweeper.core.machines import selected
from sweeper.core.phases import seconds_of, transitions
from sweeper.core.queued import INTERRUPTIONS

_SHOWN = 80  # characters of a match that is no number
_RAN_TOO_LONG, _WAITED_TOO_LONG = "MaxRuntimeExceeded", "MaxWaitTimeExceeded"


def observation(name: str, description: Mapping[str, Any]) -> ev.Observed:
    """The part of a description that the chain keeps."""
    pool = description.get("WarmPoolStatus") or {}
    status, secondary = str(description.get("TrainingJobStatus", "")), str(description.get("SecondaryStatus", ""))
    waits = JobStatus.of(status) is JobStatus.IN_PROGRESS and secondary not in HAS_MACHINE
    return ev.Observed(
        name=name,
        status=status,
        secondary=secondary,
        pool=PoolStatus.of(pool.get("Status")).value,
        reused_by=str(pool.get("ReusedByJob", "")),
        message=_said(description) if waits else "",
    )


def _said(description: Mapping[str, Any]) -> str:
    """What the service says of where the job is."""
    told = description.get("SecondaryStatusTransitions") or ()
    return str(told[-1].get("StatusMessage") or "") if told else ""


def final_metrics(description: Mapping[str, Any]) -> dict[str, float]:
    """The last value of each metric that the service computed; FinalMetricDataList may name one without a value."""
    told = description.get("FinalMetricDataList") or ()
    return {m["MetricName"]: float(m["Value"]) for m in told if m.get("MetricName") and m.get("Value") is not None}


def fingerprint_of(description: Mapping[str, Any]) -> str:
    """Whose job it is: the fingerprint in its environment, empty when it has none."""
    return str((description.get("Environment") or {}).get("SWEEPER_FINGERPRINT", ""))


def environment_of(description: Mapping[str, Any]) -> dict[str, str]:
    """What a job was given, without the fingerprint and the places of its pool's cache."""
    given = pool_caches.without(description.get("Environment") or {})
    return {k: v for k, v in given.items() if k != "SWEEPER_FINGERPRINT"}


def created_with(description: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """(keep-alive, longest run) in seconds that a job was created with; None where Describe does not say."""
    resources, stopping = description.get("ResourceConfig"), description.get("StoppingCondition")
    keep_alive = None if resources is None else int(resources.get("KeepAlivePeriodInSeconds") or 0)
    longest = (stopping or {}).get("MaxRuntimeInSeconds")
    return keep_alive, None if longest is None else int(longest)


def retained_seconds(description: Mapping[str, Any]) -> float | None:
    """Billable seconds the pool was kept after this job; None while the service does not say."""
    value = (description.get("WarmPoolStatus") or {}).get("ResourceRetainedBillableTimeInSeconds")
    return None if value is None else float(value)


def outcome(
    job: Job,
    description: Mapping[str, Any],
    metrics: Mapping[str, float],
    metrics_from: str,
    required: Collection[str],
    tail: str = "",
    odd: Mapping[str, str] = MappingProxyType({}),
) -> ev.Outcome:
    """The outcome of a job whose description is terminal; `required` are the metrics that something is decided by.

    `tail` is the end of its log, where the service's own reason says too little; `odd` is what an expression found for
    a metric that is no number.
    """
    status = JobStatus.of(description.get("TrainingJobStatus"))
    reason, secondary = (str(description.get(told) or "") for told in ("FailureReason", "SecondaryStatus"))
    trial_status, failure, message = _verdict(job, status, secondary, reason, tail)
    missing = sorted(set(required) - set(metrics))
    if trial_status is TrialStatus.COMPLETED and missing and not told_by(job, status):
        trial_status = TrialStatus.METRIC_MISSING
        message = _missing(missing, odd)
    return ev.Outcome(
        name=job.name,
        status=status.value,
        trial_status=trial_status.value,
        metrics=dict(metrics),
        metrics_from=metrics_from,
        failure=failure.value if failure else "",
        message=message,
        started_at=seconds_of(description.get("TrainingStartTime") or description.get("CreationTime")),
        ended_at=seconds_of(description.get("TrainingEndTime") or description.get("LastModifiedTime")),
        train_seconds=_number(description.get("TrainingTimeInSeconds")),
        billable_seconds=_number(description.get("BillableTimeInSeconds")),
        model=str((description.get("ModelArtifacts") or {}).get("S3ModelArtifacts") or ""),
        output=_output(job.name, description),
        checkpoints=str((description.get("CheckpointConfig") or {}).get("S3Uri") or ""),
        transitions=transitions(description),
        interruptions=[[*one] for one in description.get(INTERRUPTIONS) or ()],
        instance_type=selected(description),
    )


def _output(name: str, description: Mapping[str, Any]) -> str:
    """The S3 folder of what a job leaves; empty where Describe does not say. A queue names the training job itself."""
    path = str((description.get("OutputDataConfig") or {}).get("S3OutputPath") or "")
    _, trains, named = str(description.get("TrainingJobArn", "")).rpartition(":training-job/")
    name = named if trains else name
    return f"{path.rstrip('/')}/{name}/output/" if path else ""


def _missing(metrics: Sequence[str], odd: Mapping[str, str]) -> str:
    told = [f"{name} is no number in the job's log: {odd[name][:_SHOWN]!r}" for name in metrics if name in odd]
    absent = [name for name in metrics if name not in odd]
    told += [f"{', '.join(absent)} not found in the job's log"] if absent else []
    return "; ".join([*told, "check job.metrics' regex"])


def told_by(job: Job, status: JobStatus) -> ev.Judged | None:
    """What we had judged of a job while it ran, when that is why it ended."""
    ours = status is JobStatus.STOPPED or (status is JobStatus.FAILED and job.stop_reason)
    return job.judged if ours and job.judged and job.judged.stops else None


def _verdict(
    job: Job, status: JobStatus, secondary: str, reason: str, tail: str
) -> tuple[TrialStatus, Failure | None, str]:
    if status is JobStatus.COMPLETED:
        return TrialStatus.COMPLETED, None, ""
    if judged := told_by(job, status):
        verdict = TrialStatus(judged.verdict)
        failure = Failure.NO_OUTPUT if verdict is TrialStatus.FAILED else None
        return verdict, failure, f"{judged.rule}: {judged.why}"
    if secondary == _RAN_TOO_LONG and job.intent.clamped:
        return TrialStatus.INTERRUPTED, None, f"{job.intent.clamped}: ran out after {job.intent.max_runtime_s} s"
    if job.stop_reason:  # however it ended, that it did not go on was our doing
        came_to = f"; it ended as Failed: {root_cause(reason, tail)}" if status is JobStatus.FAILED else ""
        return TrialStatus.INTERRUPTED, None, job.stop_reason + came_to
    if status is JobStatus.FAILED:
        return TrialStatus.FAILED, classify(reason, tail), root_cause(reason, tail)
    if secondary == _WAITED_TOO_LONG:
        why = f"stopped by SageMaker: {secondary}: it waited for spot machines for longer than backend.wait_s"
        return TrialStatus.FAILED, Failure.CAPACITY, why
    if secondary == _RAN_TOO_LONG:
        return TrialStatus.FAILED, Failure.TIMEOUT, f"stopped by SageMaker: {secondary}"
    return TrialStatus.STOPPED, Failure.STOPPED_EXTERNAL, "stopped by someone else (console, CLI or another tool)"


def lost(job: Job, why: str) -> ev.Outcome:
    """The outcome of a job that was acknowledged and is gone: its result cannot be had any more.

    One that we had asked to stop had none to lose.
    """
    return ev.Outcome(
        name=job.name,
        status=JobStatus.UNKNOWN.value,
        trial_status=(TrialStatus.INTERRUPTED if job.stop_reason else TrialStatus.FAILED).value,
        failure="" if job.stop_reason else Failure.LOST_REMOTE.value,
        message=f"{job.stop_reason}; {why}" if job.stop_reason else why,
    )


def refused(job: Job, failure: Failure, why: str, *, wrong: bool) -> ev.Outcome:
    """The outcome of a job that the service refused to create.

    A request that is `wrong` fails the trial; a missing permission or quota, or a field that all trials share, says
    nothing about it: it is run again.
    """
    verdict = TrialStatus.FAILED if wrong else TrialStatus.INTERRUPTED
    return ev.Outcome(
        name=job.name,
        status=JobStatus.FAILED.value,
        trial_status=verdict.value,
        failure=failure.value,
        message=why,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
