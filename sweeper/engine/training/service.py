"""The training service as a pure state machine over (request | tick | report, now): no I/O, no clock, no threads."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from sweeper.engine.errors import ServiceError, invalid, not_found
from sweeper.engine.settings import ServiceSettings
from sweeper.engine.training import states
from sweeper.engine.training.effects import ForgetJob
from sweeper.engine.training.jobs import Job, describe, milliseconds, summary
from sweeper.engine.training.ledger import Timer
from sweeper.engine.training.life import Life
from sweeper.engine.training.listing import Listing, keeps
from sweeper.engine.training.search import search
from sweeper.engine.training.states import JobStatus, Secondary

Answer = dict[str, Any]


class Service(Life):
    """Training jobs and warm pools of one account in one Region, by SageMaker's operations."""

    def __init__(self, settings: ServiceSettings | None = None, rng: random.Random | None = None) -> None:
        super().__init__(settings or ServiceSettings(), rng or random.Random(0))
        self._listing = Listing()
        self._operations: dict[str, Callable[[Mapping[str, Any], float], Answer]] = {
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

    @property
    def operations(self) -> frozenset[str]:
        """The operations this service knows."""
        return frozenset(self._operations)

    def call(self, operation: str, params: Mapping[str, Any], now: float) -> Answer:
        """Answer one request, or raise ServiceError. Whatever was due before `now` has happened first."""
        handler = self._operations.get(operation)
        if handler is None:
            raise ServiceError("UnknownOperationException", f"The requested operation {operation} is not recognized.")
        self.tick(now)
        return handler(params, now)

    def stop(self, name: str, now: float) -> None:
        """Stop a job for another service of the platform, which sees it at once; one that has ended stays so."""
        self.tick(now)
        if name in self.jobs:
            self._begin_stop(self.jobs[name], Secondary.STOPPED, now)

    def _create(self, params: Mapping[str, Any], now: float) -> Answer:
        name = params["TrainingJobName"]
        if name in self.jobs:
            raise ServiceError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, "
                f"and a training job with this name already exists ({self.jobs[name].arn})",
            )
        if params.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0) > self.settings.max_keep_alive_s:
            raise invalid(f"KeepAlivePeriodInSeconds must not exceed {self.settings.max_keep_alive_s} seconds.")
        request = {k: v for k, v in params.items() if k != "Tags"}
        # ResourceConfig is ours to change (UpdateTrainingJob); everything else is only read
        request["ResourceConfig"] = dict(params.get("ResourceConfig", {}))
        job = Job(
            name, f"{self.settings.arn_prefix}:training-job/{name}", request, milliseconds(now), milliseconds(now)
        )
        job.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        pool = self._matching_pool(request, now)
        if pool is None:
            self._check_training_quota(request, now)
        if job.spot:
            job.discount = self.settings.spot_discount
            self._set(job, Timer.MAX_WAIT, now + job.max_wait_s)
        self.jobs[name] = self._running[name] = job
        self._listing.forget()
        job.enter(Secondary.STARTING, states.STARTING, now)
        if pool is not None:
            self._hand_over(pool, job, now)
            self._set(job, Timer.LAUNCH, now + self.settings.warm_start_s)
        else:
            self._await_machine(job, now)
        self.tick(now)
        return {"TrainingJobArn": job.arn}

    def _describe(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        return describe(job, self.warm_pool(job, now))

    def _list(self, params: Mapping[str, Any], now: float) -> Answer:
        page, token = self._listing.page(self.jobs.values(), params, self.settings.list_order)
        found = []
        # the service filters by status after it has cut the page: a page may be empty and not the last
        for job in page:
            pool = self.warm_pool(job, now)
            if now >= job.created + self.settings.describe_lag_s and keeps(job, pool, params):
                found.append(summary(job, pool))
        return {"TrainingJobSummaries": found, **({"NextToken": token} if token else {})}

    def _stop(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        if job.status is not JobStatus.IN_PROGRESS:
            raise invalid(f"The request was rejected because the training job is in status {job.status.value}.")
        self._begin_stop(job, Secondary.STOPPED, now)
        return {}

    def _update(self, params: Mapping[str, Any], now: float) -> Answer:
        if not set(params) - {"TrainingJobName"}:
            raise invalid("Invalid UpdateTrainingJobRequest, the request cannot be empty")
        job = self._visible(params["TrainingJobName"], now)
        if "ResourceConfig" in params:
            self._update_keep_alive(job, params["ResourceConfig"]["KeepAlivePeriodInSeconds"], now)
        return {"TrainingJobArn": job.arn}

    def _delete(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        if not job.status.terminal:
            raise ServiceError("ResourceInUse", f"Cannot delete a training job in status {job.status.value}.")
        pool = self._held_pool(job)
        if pool is not None:
            raise ServiceError("ResourceInUse", "Cannot delete a training job that retains an Available warm pool.")
        del self.jobs[job.name]
        self._listing.forget()
        self.changed_jobs.add(job.name)
        self._effects.append(ForgetJob(job.name))
        return {}

    def _add_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._by_arn(params["ResourceArn"], now)
        tags = job.tags | {tag["Key"]: tag["Value"] for tag in params["Tags"]}
        if len(tags) > 50:
            raise ServiceError("ResourceLimitExceeded", "The number of tags exceeds the limit of 50 per resource.")
        job.tags = tags
        self.changed_jobs.add(job.name)
        return {"Tags": _tag_list(tags)}

    def _delete_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._by_arn(params["ResourceArn"], now)
        job.tags = {key: value for key, value in job.tags.items() if key not in params["TagKeys"]}
        self.changed_jobs.add(job.name)
        return {}

    def _list_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        return {"Tags": _tag_list(self._by_arn(params["ResourceArn"], now).tags)}

    def _search(self, params: Mapping[str, Any], now: float) -> Answer:
        lag = self.settings.search_lag_s
        # the index knows nothing yet of a job that changed within the lag; older states are not kept
        known = [job for job in self.jobs.values() if now >= job.modified + lag]
        records = ({**describe(job, self.warm_pool(job, now)), "Tags": _tag_list(job.tags)} for job in known)
        return search(records, params)

    def _visible(self, name: str, now: float) -> Job:
        job = self.jobs.get(name)
        if job is None or now < job.created + self.settings.describe_lag_s:
            raise not_found()
        return job

    def _by_arn(self, arn: str, now: float) -> Job:
        prefix = f"{self.settings.arn_prefix}:training-job/"
        if not arn.startswith(prefix):
            raise not_found()
        return self._visible(arn[len(prefix) :], now)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
