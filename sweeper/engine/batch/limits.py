"""What Batch refuses at once: the limits of its documents, which botocore's model does not hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sweeper.engine.errors import ServiceError

PAYLOAD_MAX, REQUEST_MAX = 10 << 10, 30 << 10  # bytes
RESOURCES_MAX = 50  # service environments, and job queues
SHARES_MAX = 500
MAX_RESOURCE = "MISCONFIGURATION:SERVICE_ENVIRONMENT_MAX_RESOURCE"
NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
BY_TIME_LIMIT = "Terminated by JobStateTimeLimit action due to reason: "
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SHARE = re.compile(r"[A-Za-z0-9]{1,255}")


def refused(message: str) -> ServiceError:
    """The request is refused: Batch has one code for it."""
    return ServiceError("ClientException", message)


def not_emulated(what: str) -> ServiceError:
    """Something that the real service has and this engine has not."""
    return refused(f"The local engine does not emulate {what}.")


def check_name(name: str, what: str) -> None:
    """Letters, digits, hyphens and underscores, at most 128."""
    if _NAME.fullmatch(name) is None:
        raise refused(f"{what} must match [A-Za-z0-9_-]{{1,128}}: {name[:200]}")


def check_new(known: Collection[str], name: str, what: str) -> None:
    """A resource of a name that is not taken, and not one too many."""
    if name in known:
        raise refused(f"Object already exists: {name}")
    if len(known) >= RESOURCES_MAX:
        raise refused(f"The limit of {RESOURCES_MAX} {what} is reached.")


def check_range(value: float | None, low: float, high: float, what: str) -> None:
    """Both ends are allowed."""
    if value is not None and not low <= value <= high:
        raise refused(f"{what} must be between {low} and {high}: {value}")


def check_capacity(limits: Sequence[Mapping[str, Any]]) -> None:
    """One limit, in instances."""
    if len(limits) != 1 or "maxCapacity" not in limits[0]:
        raise refused("capacityLimits must have one element with maxCapacity and capacityUnit.")
    if limits[0].get("capacityUnit") != "NUM_INSTANCES":
        raise not_emulated("quota management: capacityUnit must be NUM_INSTANCES")
    check_range(limits[0]["maxCapacity"], 0, 2**31 - 1, "maxCapacity")


def check_time_limits(actions: Sequence[Mapping[str, Any]]) -> None:
    """Only TERMINATE, for reasons that Batch detects, after ten minutes to a day."""
    for action in actions:
        check_range(action["maxTimeSeconds"], 600, 86400, "maxTimeSeconds")
        if action["action"] != "TERMINATE":
            raise refused("The only action for a job queue of type SAGEMAKER_TRAINING is TERMINATE.")
        if action["reason"] not in (MAX_RESOURCE, NO_CAPACITY):
            raise refused(f"reason must be {NO_CAPACITY} or {MAX_RESOURCE}: {action['reason'][:200]}")


def check_policy(policy: Mapping[str, Any]) -> None:
    """A fair-share policy within its limits, whose identifiers do not overlap."""
    check_range(policy.get("shareDecaySeconds"), 0, 604800, "shareDecaySeconds")
    check_range(policy.get("computeReservation"), 0, 99, "computeReservation")
    names = [share["shareIdentifier"] for share in policy.get("shareDistribution", [])]
    for share in policy.get("shareDistribution", []):
        check_range(share.get("weightFactor"), 0.0001, 999.9999, "weightFactor")
        if _SHARE.fullmatch(share["shareIdentifier"].removesuffix("*")) is None:
            raise refused(f"Invalid shareIdentifier: {share['shareIdentifier'][:300]}")
    for number, name in enumerate(names):
        for other in names[number + 1 :]:
            first, second = name.removesuffix("*"), other.removesuffix("*")
            if (
                first == second
                or (name.endswith("*") and second.startswith(first))
                or (other.endswith("*") and first.startswith(second))
            ):
                raise refused(f"Share identifiers must not overlap: {name}, {other}")


def check_job(request: Mapping[str, Any], *, fair_share: bool) -> None:
    """SubmitServiceJob, for a queue of this kind."""
    check_name(request["jobName"], "jobName")
    if len(request["serviceRequestPayload"].encode()) > PAYLOAD_MAX:
        raise refused(f"serviceRequestPayload must be at most {PAYLOAD_MAX} bytes.")
    strategy = request.get("retryStrategy", {})
    check_range(strategy.get("attempts"), 1, 10, "attempts")
    if len(strategy.get("evaluateOnExit", [])) > 5:
        raise refused("evaluateOnExit must have at most 5 elements.")
    for rule in strategy.get("evaluateOnExit", []):
        if "action" not in rule or not 1 <= len(rule.get("onStatusReason", "")) <= 512:
            raise refused("Each element of evaluateOnExit must have an action and an onStatusReason of 1 to 512.")
    check_range(request.get("schedulingPriority"), 0, 9999, "schedulingPriority")
    check_range(request.get("timeoutConfig", {}).get("attemptDurationSeconds"), 60, 2**31 - 1, "attemptDurationSeconds")
    if "quotaShareName" in request:
        raise not_emulated("quota shares")
    share = request.get("shareIdentifier")
    if fair_share and share is None:
        raise refused("shareIdentifier must be specified: the job queue has a fair-share scheduling policy.")
    if not fair_share and share is not None:
        raise refused("shareIdentifier must not be specified: the job queue has no fair-share scheduling policy.")
    if share is not None and _SHARE.fullmatch(share) is None:
        raise refused(f"Invalid shareIdentifier: {share[:300]}")
