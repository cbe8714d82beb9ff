"""What the service refuses of keep-alives and pools, and in which words: these are settings, for few are published."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from sweeper.engine.errors import ServiceError


class Refused(str, Enum):
    """What is refused, by the name under which the setting `refusals` knows it."""

    UPDATE_RUNNING = "update_running"  # the job has not ended
    UPDATE_ABSENT = "update_absent"  # it has ended, and no status of its pool is settled
    UPDATE_REUSED = "update_reused"
    UPDATE_TERMINATED = "update_terminated"
    UPDATE_MISSING = "update_missing"  # there is no such job
    SPOT_KEEP_ALIVE = "spot_keep_alive"  # a keep-alive for a managed spot job
    LONG_KEEP_ALIVE = "long_keep_alive"  # a keep-alive longer than any may be


def _update(status: str) -> str:
    return (
        "ValidationException: KeepAlivePeriodInSeconds can be updated only if the warm pool status is Available. "
        f"The warm pool status of training job {{name}} is {status}."
    )


USUAL: Mapping[Refused, str] = {
    Refused.UPDATE_RUNNING: _update("InUse"),
    Refused.UPDATE_ABSENT: _update("not available"),
    Refused.UPDATE_REUSED: _update("Reused"),
    Refused.UPDATE_TERMINATED: _update("Terminated"),
    Refused.UPDATE_MISSING: "ValidationException: Requested resource not found.",
    Refused.SPOT_KEEP_ALIVE: "ValidationException: KeepAlivePeriodInSeconds is not supported when "
    "EnableManagedSpotTraining is set to true.",
    Refused.LONG_KEEP_ALIVE: "ValidationException: KeepAlivePeriodInSeconds must not exceed {most} seconds.",
}
"""`{name}` stands for the job's name, `{most}` for the longest keep-alive."""


def refuse(what: Refused, told: Mapping[str, str], *, name: str = "", most: int = 0) -> None:
    """Raise ServiceError as the setting `refusals` says, as `CODE: text`; where it says nothing at all it is let pass.

    `told`: the setting; what it does not hold is refused in our words.
    """
    text = told.get(what.value, USUAL[what]).replace("{name}", name).replace("{most}", str(most))
    if text:
        code, _, message = text.partition(": ")
        raise ServiceError(code, message)


def unknown(told: Mapping[str, str]) -> str:
    """What is wrong with this setting; empty when nothing is."""
    known = [what.value for what in Refused]
    if strange := sorted(set(told) - set(known)):
        return f"there is no refusal {strange[0]!r}; there are {', '.join(known)}"
    wrong = next((name for name, text in told.items() if text and ": " not in text), None)
    return f"{wrong}: write CODE: text, or nothing where it is not refused" if wrong else ""
