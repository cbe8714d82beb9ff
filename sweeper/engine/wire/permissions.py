"""What callers may do, all of them alike: what the settings' policy allows, and nothing that they deny. Pure.

Without a policy everything is allowed that is not denied; a denial is one of a service control policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, cached_property
from typing import Any

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.policies import Asked, Decision, Policy, Value, number

KEEP_ALIVE = "sagemaker:KeepAlivePeriod"
_CONDITIONED = ("sagemaker:CreateTrainingJob", "sagemaker:UpdateTrainingJob")
_FREE = ("sts:GetCallerIdentity",)
"""Nobody needs a permission for these, and no policy takes them away."""
# the prefix of actions, and botocore's name of the service
_SERVICES = {
    "sagemaker": "sagemaker",
    "batch": "batch",
    "logs": "logs",
    "servicequotas": "service-quotas",
    "ecr": "ecr",
    "iam": "iam",
    "sts": "sts",
}
_S3 = (
    *("ListBucket", "CreateBucket", "DeleteBucket", "ListAllMyBuckets", "GetEncryptionConfiguration"),
    *("GetObject", "PutObject", "DeleteObject"),
)
_NOT_OPERATIONS = {"iam": ("PassRole",), "s3": _S3}
"""Actions that no operation is named after."""
MOST_ASKED = 10_000
"""So many different questions are remembered."""


@dataclass(frozen=True)
class Permissions:
    """The settings `policy`, `deny` and `keep_alive_below_s`, asked about one action."""

    settings: ServiceSettings
    asked: dict[Asked, None] = field(default_factory=dict, compare=False)
    """What has been asked so far, while there is a policy."""

    @cached_property
    def _policy(self) -> Policy | None:
        return Policy.parse(self.settings.policy) if self.settings.policy else None

    def asked_so_far(self) -> list[dict[str, Any]]:
        """The same as JSON has it, in order."""
        asked = sorted(self.asked.copy(), key=lambda one: (one.action, one.resource))
        return [{"action": one.action, "resource": one.resource, **dict(one.context)} for one in asked]

    def decides(self, asked: Asked) -> Decision:
        """What comes of this, without a trace."""
        if any(fnmatchcase(asked.action.lower(), pattern.lower()) for pattern in self.settings.deny):
            return Decision.EXPLICIT
        below, keep_alive_s = self.settings.keep_alive_below_s, dict(asked.context).get(KEEP_ALIVE)
        conditioned = asked.action in _CONDITIONED and below is not None and keep_alive_s is not None
        if conditioned and not number(keep_alive_s) < number(below):
            return Decision.EXPLICIT
        return self._policy.decides(asked) if self._policy else Decision.ALLOWED

    def allows(self, action: str, resource: str = "*", **context: Value | None) -> bool:
        """May this be done? `context`: what the request says of the keys in `CONTEXT`."""
        asked = Asked(action, resource, tuple((CONTEXT[k], v) for k, v in context.items() if v is not None))
        if self._policy and len(self.asked) < MOST_ASKED and action not in _FREE:
            self.asked.setdefault(asked)
        return action in _FREE or self.decides(asked) is Decision.ALLOWED

    def depends_on(self, asked: Asked) -> tuple[str, ...]:
        """The condition keys that decide about this, and that it does not tell."""
        own = asked.action in _CONDITIONED and self.settings.keep_alive_below_s is not None
        known = dict(asked.context)
        ours = (KEEP_ALIVE,) if own and KEEP_ALIVE not in known else ()
        return tuple(dict.fromkeys((*ours, *(self._policy.depends_on(asked) if self._policy else ()))))

    def check(self, action: str, resource: str = "*", **context: Value | None) -> None:
        """Raise AccessDeniedException for what may not be done."""
        if not self.allows(action, resource, **context):
            raise self.refused(action, resource)

    def refused(self, action: str, resource: str = "*") -> ServiceError:
        """The service's answer to what may not be done."""
        why = "with an explicit deny in a service control policy"
        if self.decides(Asked(action, resource)) is Decision.IMPLICIT:
            why = f"because no identity-based policy allows the {action} action"
        return ServiceError(
            "AccessDeniedException",
            f"User: arn:{self.settings.partition}:sts::{self.settings.account}:user/moto is not authorized to perform: "
            f"{action} on resource: {resource} {why}",
        )

    def check_training(self, operation: str, params: Mapping[str, Any]) -> None:
        """Raise AccessDeniedException when a call of the training API needs what may not be done."""
        name = params.get("TrainingJobName")
        resource = f"{self.settings.arn_prefix}:training-job/{name}" if name else str(params.get("ResourceArn", "*"))
        keep_alive = (params.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds")
        self.check(f"sagemaker:{operation}", resource, keep_alive=keep_alive)
        if operation == "CreateTrainingJob":
            self._check_pass(str(params.get("RoleArn")))
            if params.get("Tags"):
                self.check("sagemaker:AddTags", resource)

    def check_batch(self, operation: str, params: Mapping[str, Any], role: str) -> None:
        """The same of a call of AWS Batch; `role`: whose a payload is that it submits."""
        prefix = self.settings.prefix_of("batch")
        resource, jobs = "*", f"{prefix}:service-job/*"
        if operation in ("SubmitServiceJob", "GetJobQueueSnapshot"):
            queue = str(params["jobQueue"])
            resource = queue if queue.startswith("arn:") else f"{prefix}:job-queue/{queue}"
        elif operation in ("TerminateServiceJob", "UpdateServiceJob"):
            resource = f"{prefix}:service-job/{str(params['jobId']).rpartition('/')[2]}"
        elif operation == "TerminateServiceJobs":  # it has no action of its own
            operation, resource = "TerminateServiceJob", jobs
        self.check(f"batch:{operation}", resource)
        if operation == "SubmitServiceJob":
            self._check_pass(role)
            if params.get("tags"):
                self.check("batch:TagResource", jobs)

    def _check_pass(self, role: str) -> None:
        self.check("iam:PassRole", role, passed_to="sagemaker.amazonaws.com")


CONTEXT = {"keep_alive": KEEP_ALIVE, "passed_to": "iam:PassedToService"}
"""The keys of conditions that requests are known to have, by our names of them."""


def unknown(patterns: Sequence[str]) -> list[str]:
    """Those patterns of actions that are of nothing that the engine knows."""
    return [pattern for pattern in patterns if not _names_something(pattern)]


def is_ours(pattern: str) -> bool:
    """Is it of a service whose actions are known here? A policy may speak of others."""
    return pattern.lower().partition(":")[0] in {*_SERVICES, *_NOT_OPERATIONS}


def _names_something(pattern: str) -> bool:
    service, _, action = pattern.lower().partition(":")
    return any(fnmatchcase(known, action) for known in _actions(service))


@cache
def _actions(service: str) -> frozenset[str]:
    from sweeper.engine.wire import rules  # botocore's models, which only a denial needs

    operations = rules.model(_SERVICES[service]).operation_names if service in _SERVICES else ()
    return frozenset(name.lower() for name in (*operations, *_NOT_OPERATIONS.get(service, ())))
