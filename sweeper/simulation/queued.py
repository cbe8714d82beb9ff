"""Where the machines of simulated sweeps come from, and a Batch queue: how large it is, who else uses it, its jobs."""

from __future__ import annotations

import json
import random
from dataclasses import replace

from sweeper.aws.batch import BatchApi
from sweeper.backends.batch import Batch
from sweeper.backends.on_demand import OnDemand
from sweeper.backends.spot import Spot
from sweeper.backends.warm_pool import WarmPool
from sweeper.core.ports import Backend, TrainingApi
from sweeper.engine.batch.records import ServiceJob
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.job import Job
from sweeper.engine.training.states import JobStatus
from sweeper.testing.twin import Twin

QUEUE = "simulated"
KIND = "SAGEMAKER_TRAINING"
TOO_FAST = "TooManyRequestsException"
MOST_STRANGERS = 3
"""Jobs that somebody else submits at once."""


def draw_backend(rng: random.Random, *, through_queue: bool) -> Backend:
    """Mostly one warm pool, else what may have several jobs in flight; `through_queue`: also a Batch queue."""
    if rng.random() < 0.75:
        return WarmPool()
    several = rng.choice((1, 2, 3, 8))
    others: list[Backend] = [OnDemand(several), Spot(rng.choice((600, 3600, 36000)), max_in_flight=several)]
    if through_queue:
        others.append(Batch(QUEUE, max_in_flight=several))
    return rng.choice(others)


def open_queue(twin: Twin, name: str, room: int) -> None:
    """Make the queue, with room for so many machines at once; nothing goes wrong with that."""
    environment = {
        "serviceEnvironmentName": "simulated",
        "serviceEnvironmentType": KIND,
        "capacityLimits": [{"maxCapacity": room, "capacityUnit": "NUM_INSTANCES"}],
    }
    twin.apply("CreateServiceEnvironment", environment)
    order = [{"order": 1, "serviceEnvironment": "simulated"}]
    twin.apply("CreateJobQueue", {"jobQueueName": name, "priority": 1, "serviceEnvironmentOrder": order})


def api(backend: Backend, twin: Twin) -> TrainingApi:
    """What a runner asks: the service, by way of the queue where there is one."""
    return BatchApi(twin.ask, twin, backend.through) if backend.through else twin


def strangers(twin: Twin, name: str, rng: random.Random) -> None:
    """Somebody else submits some jobs to the same queue."""
    for _ in range(rng.randint(0, MOST_STRANGERS)):
        theirs = f"theirs-{len(twin.batch.jobs)}"
        request = {
            "TrainingJobName": theirs,
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "OutputDataConfig": {"S3OutputPath": "s3://theirs"},
        }
        submitted = {"jobName": theirs, "jobQueue": name, "serviceJobType": KIND}
        try:
            twin.apply("SubmitServiceJob", {**submitted, "serviceRequestPayload": json.dumps(request)})
        except ServiceError as error:
            if error.code != TOO_FAST:
                raise
            return  # the rate is the account's: they come again


def made_for(queued: ServiceJob) -> set[str | None]:
    """The training jobs that were made for a service job, as far as Batch remembers them."""
    tries = (*queued.attempts, *queued.preempted)
    return {queued.training_job, queued.unprovisioned, *(attempt.training_job for attempt in tries)}


def as_job(twin: Twin, queued: ServiceJob) -> Job:
    """A service job as the training job that it stands for: from its submission until nothing more comes of it."""
    training = twin.service.jobs.get(queued.training_job or "")
    if training is None:
        request = json.loads(queued.request["serviceRequestPayload"])
        training = Job(queued.name, queued.arn, request, queued.created, queued.created)
        training.status = JobStatus.STOPPED if queued.terminated else JobStatus.FAILED
    tags = {key: str(value) for key, value in queued.request.get("tags", {}).items()}
    return replace(training, name=queued.name, created=queued.created, ended=queued.stopped, tags=tags)
