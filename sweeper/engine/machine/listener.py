"""Whom the machine tells what happened, and asks what is to be run: a port."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sweeper.engine.machine.folders import JobView


class Listener(Protocol):
    """Whom the machine tells what happened."""

    def view(self, name: str) -> JobView | None:
        """What is to be run; None when the job is gone."""

    def uploads_model(self, name: str) -> bool:
        """Did the job end in a way that keeps its model?"""

    def note_container(self, name: str, facts: Mapping[str, Any]) -> None:
        """The process of a job, for the engine's own record."""

    def started(self, name: str) -> None:
        """The entrypoint runs."""

    def exited(self, name: str, exit_code: int, failure_text: str, ended_at: float | None = None) -> None:
        """The entrypoint ended, then or just now."""

    def vacated(self, name: str) -> None:
        """An interrupted job's checkpoints are in S3, and its folder is as before its start."""

    def uploaded(self, name: str, problem: str | None) -> None:
        """The artifacts are in S3, or a problem says why not."""

    def failed(self, name: str, reason: str) -> None:
        """The platform gives up on the job."""
