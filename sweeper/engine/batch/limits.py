"""What Batch refuses at once: the limits of its documents, which botocore's model does not hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sweeper.engine.batch.records import INSTANCES
from sweeper.engine.errors import ServiceError

PAYLOAD_MAX, REQUEST_MAX = 10 << 10, 30 << 10  # bytes
RESOURCES_MAX = 50  # service environments, and job queues
SHARES_MAX = 500
MAX_RESOURCE = "MISCONFIGURATION:SERVICE_ENVIRONMENT_MAX_RESOURCE"
NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
BY_TIME_LIMIT = "Terminated by JobStateTimeLimit action due to reason: "
QUOTA_SHARES_MAX, UNITS_MAX = 20, 5  # quota shares of a queue, and capacity limits of a share
RECENT_MAX = 10  # preempted attempts of a job that are told; how many the real service tells is not known
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SHARE = re.compile(r"[A-Za-z0-9]{1,255}")
_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


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
    """One limit in instances, or one for each of some instance types: then quota shares divide it."""
    if not limits or any(not {"maxCapacity", "capacityUnit"} <= limit.keys() for limit in limits):
        raise refused("capacityLimits must have an element with maxCapacity and capacityUnit.")
    if len(limits) > 1 or limits[0]["capacityUnit"] != INSTANCES:
        check_units(limits)
    for limit in limits:
        check_range(limit["maxCapacity"], 0, 2**31 - 1, "maxCapacity")


def check_units(limits: Sequence[Mapping[str, Any]]) -> None:
    """A limit for each of at most five instance types."""
    units = [str(limit["capacityUnit"]) for limit in limits]
    if not 1 <= len(units) <= UNITS_MAX:
        raise refused(f"capacityLimits must have 1 to {UNITS_MAX} elements.")
    if len(set(units)) < len(units):
        raise refused("capacityLimits must name each capacityUnit once.")
    for unit in units:
        if _TYPE.fullmatch(unit) is None:
            raise refused(f"capacityUnit must be an instance type, or {INSTANCES} alone: {unit[:100]}")


def check_quota_share(told: Mapping[str, Any]) -> None:
    """The capacity of a quota share, and how it lends and borrows."""
    check_units(told["capacityLimits"])
    for limit in told["capacityLimits"]:
        check_range(limit["maxCapacity"], 1, 2**31 - 1, "maxCapacity")
    sharing = told["resourceSharingConfiguration"]
    if "borrowLimit" in sharing:
        if sharing["strategy"] != "LEND_AND_BORROW":
            raise refused("borrowLimit can only be specified with the strategy LEND_AND_BORROW.")
        check_range(sharing["borrowLimit"], -1, 2**31 - 1, "borrowLimit")


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


def check_job(request: Mapping[str, Any], *, fair_share: bool, quota_shares: bool) -> None:
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
    check_range(
        request.get("preemptionConfiguration", {}).get("preemptionRetriesBeforeTermination"),
        0,
        2**31 - 1,
        "preemptionRetriesBeforeTermination",
    )
    if quota_shares and "quotaShareName" not in request:
        raise refused("quotaShareName must be specified: the job queue has a quota share scheduling policy.")
    if not quota_shares and "quotaShareName" in request:
        raise refused("quotaShareName must not be specified: the job queue has no quota share scheduling policy.")
    share = request.get("shareIdentifier")
    if fair_share and share is None:
        raise refused("shareIdentifier must be specified: the job queue has a fair-share scheduling policy.")
    if not fair_share and share is not None:
        raise refused("shareIdentifier must not be specified: the job queue has no fair-share scheduling policy.")
    if share is not None and _SHARE.fullmatch(share) is None:
        raise refused(f"Invalid shareIdentifier: {share[:300]}")
