"""Service Quotas for training and warm pool usage, told from the settings that the service enforces."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire import rules

TARGET = "ServiceQuotasV20190624."
SERVICE = "service-quotas"
_CODE = "sagemaker"
# real codes where they are known; the others are ours, and keep their value from run to run
_KNOWN_CODES = {"ml.m5.4xlarge for training warm pool usage": "L-03767DF9"}


class Quotas:
    """What has no applied value is neither listed nor told, as with the service: defaults have calls of their own."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._arn = f"{settings.prefix_of('servicequotas')}:{_CODE}"
        kinds: dict[str, Mapping[str, int]] = {
            "for training job usage": settings.training_quota,
            "for training warm pool usage": settings.warm_pool_quota,
            "for spot training job usage": settings.spot_quota,
        }
        types = sorted(rules.model().shape_for("TrainingInstanceType").enum)  # type: ignore[attr-defined]
        self._defaults: dict[str, dict[str, Any]] = {}
        self._applied: dict[str, dict[str, Any]] = {}
        for words, values in kinds.items():
            for instance_type in types:
                quota = self._quota(f"{instance_type} {words}", values.get("*", 0))
                self._defaults[quota["QuotaCode"]] = quota
                if instance_type in values:
                    self._applied[quota["QuotaCode"]] = {**quota, "Value": float(values[instance_type])}
        self._operations = {
            "ListServiceQuotas": lambda params: self._list(self._applied, params),
            "ListAWSDefaultServiceQuotas": lambda params: self._list(self._defaults, params),
            "GetServiceQuota": lambda params: self._get(self._applied, params),
            "GetAWSDefaultServiceQuota": lambda params: self._get(self._defaults, params),
        }

    def knows(self, operation: str, params: Mapping[str, Any]) -> bool:
        """Is this ours to answer, and not moto's?"""
        return operation in self._operations and params.get("ServiceCode") == _CODE

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        answer = self._operations[operation](rules.validated(operation, dict(params), SERVICE))
        return rules.shaped(operation, answer, SERVICE)

    def _quota(self, name: str, value: int) -> dict[str, Any]:
        code = _KNOWN_CODES.get(name) or "L-" + hashlib.sha256(name.encode()).hexdigest()[:8].upper()
        return {
            "ServiceCode": _CODE,
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": f"{self._arn}/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(value),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    @staticmethod
    def _list(quotas: Mapping[str, dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            start = int(base64.b64decode(params.get("NextToken", "MA==")))
        except ValueError as error:
            raise ServiceError("InvalidPaginationTokenException", "Invalid NextToken.") from error
        size = params.get("MaxResults", 100)
        page = list(quotas.values())[start : start + size]
        if start + size >= len(quotas):
            return {"Quotas": page}
        return {"Quotas": page, "NextToken": base64.b64encode(str(start + size).encode()).decode()}

    @staticmethod
    def _get(quotas: Mapping[str, dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
        code = params["QuotaCode"]
        if code not in quotas:
            raise ServiceError("NoSuchResourceException", f"The quota {code} does not exist.")
        return {"Quota": quotas[code]}
