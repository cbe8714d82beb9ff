"""The services that are answered here in part, and whose other requests are moto's."""

from __future__ import annotations

from collections.abc import Mapping

from sweeper.engine.around import ecr, logs, quotas
from sweeper.engine.training.settings import ServiceSettings


def parts(
    settings: ServiceSettings, of_jobs: logs.TrainingLogs
) -> Mapping[tuple[str, str], logs.TrainingLogs | quotas.Quotas | ecr.Images]:
    """Who answers, by the service that a request is signed for and the target that it names."""
    return {
        ("logs", logs.TARGET): of_jobs,
        ("servicequotas", quotas.TARGET): quotas.Quotas(settings),
        (ecr.SERVICE, ecr.TARGET): ecr.Images(settings),
    }
