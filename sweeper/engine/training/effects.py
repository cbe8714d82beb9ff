"""What the pure service asks of the world; the server carries these out, the twin schedules them."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.engine.training.states import Signal


@dataclass(frozen=True)
class StartContainer:
    """Lay out the job's folder and start its container."""

    name: str


@dataclass(frozen=True)
class AdoptContainer:
    """The engine was away: find the container again, or its exit."""

    name: str


@dataclass(frozen=True)
class SignalContainer:
    """Send a signal to the container."""

    name: str
    signal: Signal


@dataclass(frozen=True)
class Vacate:
    """The spot machine is taken, its container has ended: save the checkpoints, and leave nothing but the log."""

    name: str


@dataclass(frozen=True)
class UploadArtifacts:
    """The container has ended: upload what it left."""

    name: str


@dataclass(frozen=True)
class DropPool:
    """A pool has ended: its persistent cache goes with it."""

    pool_id: str


@dataclass(frozen=True)
class ForgetJob:
    """The job was deleted: so is everything kept of it."""

    name: str


Effect = StartContainer | AdoptContainer | SignalContainer | Vacate | UploadArtifacts | DropPool | ForgetJob
