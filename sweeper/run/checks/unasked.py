"""A check that could not be asked: unknown, and what may help."""

from __future__ import annotations

from sweeper.core.verdict import Check, Verdict
from sweeper.errors import ApiError, ApiErrorKind, SweeperError

LATER = "look again with: sweeper doctor"


def unasked(name: str, what: str, error: SweeperError, denied: str = "") -> Check:
    """The check of this id. `denied`: what helps where it is not allowed to be asked."""
    if not isinstance(error, ApiError):
        return Check(name, Verdict.UNKNOWN, f"{what} could not be checked: {error}")
    do = denied if error.kind in (ApiErrorKind.DENIED, ApiErrorKind.INVALID) else LATER
    return Check(name, Verdict.UNKNOWN, f"{what} could not be checked: {error.message}", do)
