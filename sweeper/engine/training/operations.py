"""The operations of SageMaker on training jobs: what a request does, and its answer. Pure; time is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from sweeper.engine.errors import ServiceError, invalid, not_found
from sweeper.engine.training.effects import ForgetJob
from sweeper.engine.training.job import Job, describe, milliseconds, summary
from sweeper.engine.training.jobs import Jobs
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.listing import Listing, keeps
from sweeper.engine.training.pools import Pools
from sweeper.engine.training.refusals import Refused, refuse
from sweeper.engine.training.search import search
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import JobStatus, Secondary

Answer = dict[str, Any]


class Operations:
    """Answers requests by the names of their operations."""

    def __init__(self, settings: ServiceSettings, ledger: TrainingLedger, jobs: Jobs, pools: Pools) -> None:
        self._settings, self._ledger, self._jobs, self._pools = settings, ledger, jobs, pools
        self._listing = Listing()
        self._listed: deque[float] = deque()
        self.known: Mapping[str, Callable[[Mapping[str, Any], float], Answer]] = {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "ListTrainingJobs": self._list,
            "StopTrainingJob": self._stop,
            "UpdateTrainingJob": self._update,
            "DeleteTrainingJob": self._delete,
            "AddTags": self._add_tags,
            "DeleteTags": self._delete_tags,
            "ListTags": self._list_tags,
            "Search": self._search,
        }
        """Each answers a request that came now, or raises ServiceError."""

    def _create(self, params: Mapping[str, Any], now: float) -> Answer:
        name = params["TrainingJobName"]
        if name in self._ledger.jobs:
            raise ServiceError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, "
                f"and a training job with this name already exists ({self._ledger.jobs[name].arn})",
            )
        keep_alive_s = params.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0)
        if keep_alive_s and params.get("EnableManagedSpotTraining"):
            refuse(Refused.SPOT_KEEP_ALIVE, self._settings.refusals)
        self._pools.check_keep_alive(keep_alive_s)
        request = {k: v for k, v in params.items() if k != "Tags"}
        # ResourceConfig is ours to change (UpdateTrainingJob); everything else is only read
        request["ResourceConfig"] = dict(params.get("ResourceConfig", {}))
        job = Job(
            name, f"{self._settings.arn_prefix}:training-job/{name}", request, milliseconds(now), milliseconds(now)
        )
        job.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self._jobs.begin(job, now)
        self._listing.forget()
        self._jobs.tick(now)
        return {"TrainingJobArn": job.arn}

    def _describe(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        return self._described(job, now)

    def _described(self, job: Job, now: float) -> Answer:
        answer, lag = describe(job, self._pools.shown(job, now)), self._settings.metrics_lag_s
        if lag and (job.ended is None or now < job.ended + lag):
            answer.pop("FinalMetricDataList", None)
        return answer

    def _list(self, params: Mapping[str, Any], now: float) -> Answer:
        self._count_listing(now)
        page, token = self._listing.page(self._ledger.jobs.values(), params, self._settings.list_order)
        found = []
        # the service filters by status after it has cut the page: a page may be empty and not the last
        for job in page:
            pool = self._pools.shown(job, now)
            if now >= job.created + self._settings.describe_lag_s and keeps(job, pool, params):
                found.append(summary(job, pool))
        return {"TrainingJobSummaries": found, **({"NextToken": token} if token else {})}

    def _count_listing(self, now: float) -> None:
        """Raises ServiceError for one more in this second than the account may send."""
        while self._listed and self._listed[0] <= now - 1:
            self._listed.popleft()
        if self._settings.list_rate and len(self._listed) >= self._settings.list_rate:
            raise ServiceError("ThrottlingException", "Rate exceeded")
        self._listed.append(now)

    def _stop(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        if job.status is not JobStatus.IN_PROGRESS:
            raise invalid(f"The request was rejected because the training job is in status {job.status.value}.")
        self._jobs.stop(job, Secondary.STOPPED, now)
        return {}

    def _update(self, params: Mapping[str, Any], now: float) -> Answer:
        if not set(params) - {"TrainingJobName"}:
            raise invalid("Invalid UpdateTrainingJobRequest, the request cannot be empty")
        name = params["TrainingJobName"]
        if not self._shows(name, now):
            refuse(Refused.UPDATE_MISSING, self._settings.refusals, name=name)
            raise not_found()  # nobody answers with the ARN of a job that there is not
        job = self._visible(name, now)
        if "ResourceConfig" in params:
            self._pools.update_keep_alive(job, params["ResourceConfig"]["KeepAlivePeriodInSeconds"], now)
        return {"TrainingJobArn": job.arn}

    def _delete(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        if not job.status.terminal:
            raise ServiceError("ResourceInUse", f"Cannot delete a training job in status {job.status.value}.")
        if self._pools.held_by(job) is not None:
            raise ServiceError("ResourceInUse", "Cannot delete a training job that retains an Available warm pool.")
        del self._ledger.jobs[job.name]
        self._listing.forget()
        self._ledger.mark(job)
        self._ledger.ask(ForgetJob(job.name))
        return {}

    def _add_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._by_arn(params["ResourceArn"], now)
        tags = job.tags | {tag["Key"]: tag["Value"] for tag in params["Tags"]}
        if len(tags) > 50:
            raise ServiceError("ResourceLimitExceeded", "The number of tags exceeds the limit of 50 per resource.")
        job.tags = tags
        self._ledger.mark(job)
        return {"Tags": _tag_list(tags)}

    def _delete_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._by_arn(params["ResourceArn"], now)
        job.tags = {key: value for key, value in job.tags.items() if key not in params["TagKeys"]}
        self._ledger.mark(job)
        return {}

    def _list_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        return {"Tags": _tag_list(self._by_arn(params["ResourceArn"], now).tags)}

    def _search(self, params: Mapping[str, Any], now: float) -> Answer:
        lag = self._settings.search_lag_s
        # the index knows nothing yet of a job that changed within the lag; older states are not kept
        known = [job for job in self._ledger.jobs.values() if now >= job.modified + lag]
        records = ({**self._described(job, now), "Tags": _tag_list(job.tags)} for job in known)
        return search(records, params)

    def _visible(self, name: str, now: float) -> Job:
        if not self._shows(name, now):
            raise not_found()
        return self._ledger.jobs[name]

    def _shows(self, name: str, now: float) -> bool:
        job = self._ledger.jobs.get(name)
        return job is not None and now >= job.created + self._settings.describe_lag_s

    def _by_arn(self, arn: str, now: float) -> Job:
        prefix = f"{self._settings.arn_prefix}:training-job/"
        if not arn.startswith(prefix):
            raise not_found()
        return self._visible(arn[len(prefix) :], now)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
