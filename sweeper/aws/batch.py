"""SageMaker training jobs by way of an AWS Batch queue, behind the same port as those that are created directly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from sweeper.aws.batch_listing import Listing
from sweeper.aws.clients import Clients, SageMakerApi
from sweeper.aws.errors import readable
from sweeper.core.carried import too_large_still
from sweeper.core.events import JobStatus
from sweeper.core.ports import Description, Page, Request, TrainingApi
from sweeper.core.queued import QueueOptions, before, description, envelope, training_job, untold
from sweeper.core.request import is_queued_name
from sweeper.errors import ApiError, ApiErrorKind, UsageError

KIND = "SAGEMAKER_TRAINING"
Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""One operation of Batch with its parameters; raises ApiError."""
BELIEVED = 6
"""How often a submission must be refused, over half a minute in which no job of its name shows, before it is believed:
the text with which Batch rejects one that it has taken already is not known."""
_SECONDS = ("TrainingTimeInSeconds", "BillableTimeInSeconds")
_METHODS = {
    "SubmitServiceJob": ("submit_service_job", 1, "jobId"),
    "TerminateServiceJob": ("terminate_service_job", 1, "ResponseMetadata"),
    "DescribeServiceJob": ("describe_service_job", 5, "status"),
    "ListServiceJobs": ("list_service_jobs", 5, "jobSummaryList"),
    "DescribeJobQueues": ("describe_job_queues", 5, "jobQueues"),
    "DescribeServiceEnvironments": ("describe_service_environments", 5, "serviceEnvironments"),
    "GetJobQueueSnapshot": ("get_job_queue_snapshot", 5, "ResponseMetadata"),
    "CreateServiceEnvironment": ("create_service_environment", 1, "serviceEnvironmentArn"),
    "ListSchedulingPolicies": ("list_scheduling_policies", 5, "schedulingPolicies"),
    "CreateSchedulingPolicy": ("create_scheduling_policy", 1, "arn"),
    "CreateJobQueue": ("create_job_queue", 1, "jobQueueArn"),
    "UpdateServiceJob": ("update_service_job", 1, "jobId"),
    "DescribeSchedulingPolicies": ("describe_scheduling_policies", 5, "schedulingPolicies"),
    "ListQuotaShares": ("list_quota_shares", 5, "quotaShares"),
    "CreateQuotaShare": ("create_quota_share", 1, "quotaShareArn"),
}
"""The operations that are used: boto3's method, attempts on the wire, and what an answer of the service's own has."""


def calls(clients: Callable[[], Clients]) -> Call:
    """Batch over boto3: one wire attempt for what changes something.

    It raises UsageError for an operation that is newer than the installed botocore.
    """

    def call(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        method, attempts, needed = _METHODS[operation]
        made = clients()
        ask = getattr(made.client("batch", attempts), method, None)
        if ask is None:
            raise UsageError(f"the installed botocore is older than AWS Batch's {operation}: pip install -U boto3")
        with made.asked(operation):
            answer = ask(**params)
        return readable(operation, answer, needed)

    return call


def training_api(
    clients: Callable[[], Clients], queue: QueueOptions | str | None = None, turn: Callable[[], None] = lambda: None
) -> TrainingApi:
    """The TrainingApi port over boto3: by way of a queue, when one is named, else directly.

    `turn` waits until another job may be submitted.
    """
    direct = SageMakerApi(clients)
    if not queue:
        return direct
    return BatchApi(calls(clients), direct, QueueOptions(queue) if isinstance(queue, str) else queue, turn)


class BatchApi:
    """The TrainingApi port over one queue. A job's name is its service job's; names of other backends pass through."""

    def __init__(
        self, call: Call, training: TrainingApi, options: QueueOptions, turn: Callable[[], None] = lambda: None
    ) -> None:
        self._call, self._training, self._options, self._turn = call, training, options, turn
        self._ids: dict[str, str] = {}
        self._refusals: Counter[str] = Counter()
        self._listing = Listing(call, options.queue)

    def create_training_job(self, request: Request) -> str:
        """Send SubmitServiceJob once, unless a job of this name is there; returns the service job's ARN."""
        name = str(request["TrainingJobName"])
        if why := too_large_still(request):
            raise ApiError(ApiErrorKind.INVALID, "SubmitServiceJob", "PayloadTooLarge", why)
        made = envelope(request, self._options)
        try:
            if self._find(name):
                raise ApiError(ApiErrorKind.IN_USE, "SubmitServiceJob", "ResourceInUse", f"{name} is there already")
            self._turn()
            answer = self._call("SubmitServiceJob", made)
        except ApiError as error:
            if error.kind in (ApiErrorKind.INVALID, ApiErrorKind.INVALID_FOR_ALL):
                self._refusals[name] += 1
                if self._refusals[name] < BELIEVED:
                    raise ApiError(ApiErrorKind.LOST, error.operation, error.code, error.message) from error
            raise
        self._ids[name] = str(answer["jobId"])
        return str(answer["jobArn"])

    def describe_training_job(self, name: str) -> Description:
        """DescribeServiceJob, and DescribeTrainingJob of what it has made."""
        if not is_queued_name(name):
            return self._training.describe_training_job(name)
        kept = self._listing.unchanged(self._found(name))
        job = kept or self._service_job(name)
        training = self._made(job)
        over = training is None or JobStatus.of(training["TrainingJobStatus"]).terminal
        if kept and over and training_job(kept):  # a list may be late to say what came of it
            job = self._service_job(name)
            training = self._made(job)
        told = description(job, training)
        if told is None:
            what = f"{training_job(job)} was deleted"
            raise ApiError(ApiErrorKind.NOT_FOUND, "DescribeTrainingJob", "NotFound", what)
        return {**told, **self._billed(job, told), "TrainingJobName": name}

    def _made(self, job: Mapping[str, Any]) -> Description | None:
        """The training job of a service job's latest attempt; None when there is none, or none any more."""
        if not (made := training_job(job)):
            return None
        try:
            return self._training.describe_training_job(made)
        except ApiError as error:
            if error.kind is not ApiErrorKind.NOT_FOUND:
                raise
            return None

    def _billed(self, job: Mapping[str, Any], told: Description) -> Description:
        """The seconds of a job that has ended, with those of the attempts before its last: they are paid for too.

        Where Batch does not tell all of them any more they are not known, and at worst those since its submission.
        """
        ended = JobStatus.of(told["TrainingJobStatus"]).terminal
        if not ended or not (lost := before(job, str(told["TrainingJobName"]))):
            return {}
        if untold(job):
            since = datetime.fromtimestamp(int(job["createdAt"]) / 1000, timezone.utc)
            return {**dict.fromkeys(_SECONDS), "TrainingStartTime": since}
        total = {name: int(told.get(name) or 0) for name in _SECONDS}
        for one in lost:
            try:
                seconds = self._training.describe_training_job(one.name)
            except ApiError as error:
                if error.kind is not ApiErrorKind.NOT_FOUND:
                    raise
                seconds = dict.fromkeys(_SECONDS, round(one.stopped - (one.started or one.stopped)))
            total = {name: total[name] + int(seconds.get(name) or 0) for name in _SECONDS}
        return total

    def stop_training_job(self, name: str) -> None:
        """Send TerminateServiceJob once: Batch stops the training job, or never makes it."""
        if not is_queued_name(name):
            self._training.stop_training_job(name)
            return
        self._listing.forget(found := self._found(name))
        self._call("TerminateServiceJob", {"jobId": found, "reason": "stopped by sweeper"})

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """Send UpdateTrainingJob once; no job of a queue has a pool."""
        self._training.update_training_job(name, keep_alive_s)

    def list_training_jobs(self, token: str = "") -> Page:
        """ListTrainingJobs."""
        return self._training.list_training_jobs(token)

    def search_training_jobs(self, mark: str, since: float) -> Iterable[Description]:
        """Search."""
        return self._training.search_training_jobs(mark, since)

    def _service_job(self, name: str) -> Mapping[str, Any]:
        """DescribeServiceJob; a job that its queue does not list any more is NOT_FOUND."""
        found = self._found(name)
        try:
            return self._listing.keep(self._call("DescribeServiceJob", {"jobId": found}))
        except ApiError as error:
            if error.kind in (ApiErrorKind.INVALID, ApiErrorKind.INVALID_FOR_ALL):
                self._listing.forget(self._ids.pop(name))
                self._found(name)
            raise

    def _found(self, name: str) -> str:
        found = self._find(name)
        if found is None:
            raise _none_there(name, self._options.queue)
        return found

    def _find(self, name: str) -> str | None:
        """The id of the first service job of this name."""
        if name not in self._ids and (found := listed(self._call, self._options.queue, name)):
            self._ids[name] = found
        return self._ids.get(name)


def listed(call: Call, queue: str, name: str) -> str | None:
    """The id of the first service job of this name that a queue lists."""
    params = {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": [name]}]}
    token: dict[str, Any] = {}
    jobs: list[Mapping[str, Any]] = []
    while True:
        page = call("ListServiceJobs", {**params, **token})
        jobs += [job for job in page["jobSummaryList"] if job["jobName"] == name]
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    return str(min(jobs, key=lambda job: int(job.get("createdAt", 0)))["jobId"]) if jobs else None


def service_job(call: Call, queue: str, name: str) -> Mapping[str, Any]:
    """The service job of this name as Batch describes it. Raises ApiError; NOT_FOUND where the queue lists none."""
    found = listed(call, queue, name)
    if found is None:
        raise _none_there(name, queue)
    return call("DescribeServiceJob", {"jobId": found})


def _none_there(name: str, queue: str) -> ApiError:
    return ApiError(ApiErrorKind.NOT_FOUND, "ListServiceJobs", "NotFound", f"no job {name} in the queue {queue}")
