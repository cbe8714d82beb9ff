"""The words of the service as enums, and the texts it says with them."""

from __future__ import annotations

from enum import Enum


class JobStatus(str, Enum):
    """TrainingJobStatus."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @property
    def terminal(self) -> bool:
        """True when nothing more will happen to the job."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)


class Secondary(str, Enum):
    """SecondaryStatus, as far as the engine says it."""

    STARTING = "Starting"
    PENDING = "Pending"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    INTERRUPTED = "Interrupted"
    UPLOADING = "Uploading"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
    MAX_WAIT_TIME_EXCEEDED = "MaxWaitTimeExceeded"
    COMPLETED = "Completed"
    FAILED = "Failed"


class PoolStatus(str, Enum):
    """WarmPoolStatus.Status."""

    AVAILABLE = "Available"
    TERMINATED = "Terminated"
    REUSED = "Reused"
    IN_USE = "InUse"


class Signal(str, Enum):
    """What may be sent to a container."""

    TERM = "TERM"
    KILL = "KILL"


# "Status messages are subject to change": nothing may depend on them, and nothing here does.
STARTING = "Starting the training job"
WAITING = "Training job waiting for capacity"
PREPARING = "Preparing the instances for training"
DOWNLOADING = "Downloading input data"
TRAINING = "Training image download completed. Training in progress."
INTERRUPTED = "Managed spot training instances were interrupted; waiting for new ones"
UPLOADING = "Uploading generated training model"
STOPPING = "Stopping the training job"
COMPLETED = "Training job completed"
STOPPED = "Training job stopped"
FAILED = "Training job failed"
MAX_RUNTIME = "Training job runtime exceeded MaxRuntimeInSeconds provided"
MAX_WAIT = "Training job wait time exceeded MaxWaitTimeInSeconds provided"
RETAINED = "Resource retained for reuse"
REUSED = "Resource reused by training job: {name}"
EXPIRED = "Resource released due to keep alive period expiry"
RELEASED = "Resource released"
CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
NO_PLAN_CAPACITY = (
    "InsufficientCapacityError: Unable to provision the capacity of the training plan within two days of waiting."
)
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
