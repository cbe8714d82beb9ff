"""Service Quotas of SageMaker training: how many instances of a type may train, and how many may stay warm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sweeper.aws.clients import Clients
from sweeper.aws.errors import mapped
from sweeper.core.model import Usage


@dataclass(frozen=True)
class Quotas:
    """Instances of one type; None where the service does not say."""

    training: float | None
    warm_pool: float | None
    spot: float | None = None

    def granted(self, usage: Usage) -> float | None:
        """How many may train at once for this usage."""
        return {Usage.TRAINING: self.training, Usage.SPOT: self.spot}[usage]


def of(clients: Clients, instance_type: str) -> Quotas:
    """The applied quotas of an instance type, else AWS's defaults. Raises ApiError."""
    wanted = {
        f"{instance_type} for training job usage": "training",
        f"{instance_type} for training warm pool usage": "warm_pool",
        f"{instance_type} for spot training job usage": "spot",
    }
    limits: dict[str, float] = {}
    # ListServiceQuotas leaves out what has no applied value: the defaults fill the rest.
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        if len(limits) < len(wanted):
            for quota in _pages(clients, operation):
                kind = wanted.get(str(quota["QuotaName"]))
                if kind:
                    limits.setdefault(kind, float(quota["Value"]))
    return Quotas(limits.get("training"), limits.get("warm_pool"), limits.get("spot"))


def _pages(clients: Clients, operation: str) -> Iterator[dict[str, Any]]:
    client = clients.client("service-quotas")
    with mapped("ListServiceQuotas"):
        for page in client.get_paginator(operation).paginate(
            ServiceCode="sagemaker", PaginationConfig={"PageSize": 100}
        ):
            yield from page["Quotas"]
