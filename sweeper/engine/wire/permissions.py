"""What callers may do: everything but what the settings deny, to everybody, as a service control policy does. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings

KEEP_ALIVE = "sagemaker:KeepAlivePeriod"
_CONDITIONED = ("sagemaker:CreateTrainingJob", "sagemaker:UpdateTrainingJob")
# the prefix of actions, and botocore's name of the service
_SERVICES = {
    "sagemaker": "sagemaker",
    "batch": "batch",
    "logs": "logs",
    "servicequotas": "service-quotas",
    "iam": "iam",
}


@dataclass(frozen=True)
class Permissions:
    """The settings `deny` and `keep_alive_below_s`, asked about one action."""

    settings: ServiceSettings

    def allows(self, action: str, keep_alive_s: float | None = None) -> bool:
        """May this be done, with this keep-alive if the request holds one (NumericLessThanIfExists)?"""
        if any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.settings.deny):
            return False
        below = self.settings.keep_alive_below_s
        return action not in _CONDITIONED or below is None or keep_alive_s is None or keep_alive_s < below

    def depends_on(self, action: str) -> tuple[str, ...]:
        """The condition keys that decide about this action."""
        return (KEEP_ALIVE,) if action in _CONDITIONED and self.settings.keep_alive_below_s is not None else ()

    def check(self, action: str, resource: str = "*", keep_alive_s: float | None = None) -> None:
        """Raise AccessDeniedException for what may not be done."""
        if not self.allows(action, keep_alive_s):
            raise self.refused(action, resource)

    def refused(self, action: str, resource: str = "*") -> ServiceError:
        """The service's answer to what may not be done."""
        return ServiceError(
            "AccessDeniedException",
            f"User: arn:aws:sts::{self.settings.account}:user/moto is not authorized to perform: {action} on resource: "
            f"{resource} with an explicit deny in a service control policy",
        )

    def check_training(self, operation: str, params: Mapping[str, Any]) -> None:
        """Raise AccessDeniedException when a call of the training API needs what may not be done."""
        name = params.get("TrainingJobName")
        resource = f"{self.settings.arn_prefix}:training-job/{name}" if name else "*"
        keep_alive = (params.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds")
        self.check(f"sagemaker:{operation}", resource, keep_alive)
        if operation == "CreateTrainingJob":
            self.check("iam:PassRole", str(params.get("RoleArn")))
            if params.get("Tags"):
                self.check("sagemaker:AddTags", resource)


def unknown(deny: Sequence[str]) -> list[str]:
    """Those patterns that deny nothing the engine could deny."""
    return [pattern for pattern in deny if not _denies_something(pattern)]


def _denies_something(pattern: str) -> bool:
    service, _, action = pattern.lower().partition(":")
    return service in _SERVICES and any(fnmatchcase(known, action) for known in _actions(service))


@cache
def _actions(service: str) -> frozenset[str]:
    from sweeper.engine.wire import rules  # botocore's models, which only a denial needs

    actions = {name.lower() for name in rules.model(_SERVICES[service]).operation_names}
    return frozenset(actions | {"passrole"} if service == "iam" else actions)
