"""The services that are answered here in part, and whose other requests are moto's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sweeper.engine.around import ecr, logs, quotas
from sweeper.engine.training.settings import ServiceSettings


def parts(
    settings: ServiceSettings, jobs: logs.LoggedJobs, logs_of: Callable[[str], Mapping[str, Path]]
) -> Mapping[tuple[str, str], logs.TrainingLogs | quotas.Quotas | ecr.Images]:
    """Who answers, by the service that a request is signed for and the target that it names."""
    return {
        ("logs", logs.TARGET): logs.TrainingLogs(jobs, logs_of, settings.arn_prefix),
        ("servicequotas", quotas.TARGET): quotas.Quotas(settings),
        (ecr.SERVICE, ecr.TARGET): ecr.Images(settings),
    }
