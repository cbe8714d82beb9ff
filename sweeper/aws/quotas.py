"""Service Quotas of SageMaker training: how many instances of a type may train, and how many may stay warm.

A quota is asked for by its code, which is the same in every account and Region and which no rule tells. There are
thousands of them: they are paged through once for a type, and its codes are remembered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.aws.clients import Clients
from sweeper.core.model import Usage
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.record.atomic import write_atomically

_CODE = "sagemaker"
MOST_S = 20.0
"""Seconds for which the account's quotas are paged through."""
_KINDS = {
    "training": "for training job usage",
    "warm_pool": "for training warm pool usage",
    "spot": "for spot training job usage",
}


@dataclass(frozen=True)
class Quotas:
    """Instances of one type; None where the service does not say."""

    training: float | None
    warm_pool: float | None
    spot: float | None = None

    def granted(self, usage: Usage) -> float | None:
        """How many may train at once for this usage."""
        return {Usage.TRAINING: self.training, Usage.SPOT: self.spot}[usage]


def of(clients: Clients, instance_type: str, remembered: Path) -> Quotas:
    """The applied quotas of an instance type, else AWS's defaults. Raises ApiError.

    `remembered`: the file in which codes are kept.
    """
    names = {f"{instance_type} {words}": kind for kind, words in _KINDS.items()}
    codes = _read(remembered)
    values = _values(clients, {name: codes[name] for name in names if name in codes})
    if values.keys() != names.keys():  # one was never asked for, or its code is that of another one by now
        found = dict.fromkeys(names, "") | _paged(clients, set(names))
        with suppress(OSError):
            write_atomically(remembered, json.dumps({**codes, **found}, indent=1))
        values = _values(clients, found)
    return Quotas(**{kind: values.get(name) for name, kind in names.items()})


def _values(clients: Clients, codes: Mapping[str, str]) -> dict[str, float | None]:
    """The value of each quota by its name, None where there is none; without those whose code is another's."""
    found: dict[str, float | None] = {}
    client = clients.client("service-quotas")
    for name, code in codes.items():
        if not code:
            found[name] = None
            continue
        quota = _asked(clients, client.get_service_quota, code)
        quota = quota or _asked(clients, client.get_aws_default_service_quota, code)
        if quota and quota["QuotaName"] == name:
            found[name] = float(quota["Value"])
    return found


def _asked(clients: Clients, ask: Callable[..., Any], code: str) -> dict[str, Any] | None:
    """A quota; None where it has no value of this kind."""
    try:
        with clients.asked("GetServiceQuota"):
            return dict(ask(ServiceCode=_CODE, QuotaCode=code)["Quota"])
    except ApiError as error:
        if error.code == "NoSuchResourceException":
            return None
        raise


def _paged(clients: Clients, names: set[str]) -> dict[str, str]:
    """The codes of these quotas, as far as they are found in time. Raises ApiError."""
    found: dict[str, str] = {}
    begun = time.monotonic()
    for page in _pages(clients):
        found |= {str(quota["QuotaName"]): str(quota["QuotaCode"]) for quota in page if quota["QuotaName"] in names}
        if found.keys() == names:
            return found
        if time.monotonic() - begun > MOST_S:
            text = f"not found among the quotas that were listed in {MOST_S:.0f} s"
            raise ApiError(ApiErrorKind.UNKNOWN, "ListAWSDefaultServiceQuotas", "TooMany", text)
    return found


def _pages(clients: Clients) -> Iterator[list[dict[str, Any]]]:
    """All quotas with AWS's defaults: the list of those with an applied value leaves out the others."""
    paginator = clients.client("service-quotas").get_paginator("list_aws_default_service_quotas")
    with clients.asked("ListAWSDefaultServiceQuotas"):
        for page in paginator.paginate(ServiceCode=_CODE, PaginationConfig={"PageSize": 100}):
            yield page["Quotas"]


def _read(path: Path) -> dict[str, str]:
    """What is remembered; nothing of a file that is not there or damaged."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in told.items()} if isinstance(told, dict) else {}
