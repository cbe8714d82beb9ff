"""The failure taxonomy as a table: how each class of failure is recognised. Unknown stays unknown, with its text.

Wordings come from the SageMaker SDK's and AWS's public issue threads; they change, so rows match by prefix or by the
exception's own name, never by a whole sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Failure(str, Enum):
    """A class of failure: the `failure` column of results.csv."""

    DEPENDENCY = "dependency"
    OUT_OF_MEMORY = "out_of_memory"
    ALGORITHM_ERROR = "algorithm_error"
    CLIENT_ERROR = "client_error"
    INTERNAL_ERROR = "internal_error"
    CAPACITY = "capacity"
    QUOTA = "quota"
    QUOTA_BUSY = "quota_busy"
    THROTTLING = "throttling"
    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    IMAGE = "image"
    REQUEST = "request"
    TIMEOUT = "timeout"
    NO_OUTPUT = "no_output"
    STOPPED_EXTERNAL = "stopped_external"
    LOST_REMOTE = "lost_remote"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Row:
    """One line of the table: a failure and the pattern in the service's FailureReason that tells it."""

    failure: Failure
    pattern: re.Pattern[str]


def _row(failure: Failure, pattern: str) -> Row:
    return Row(failure, re.compile(pattern, re.MULTILINE))


# The first row that matches decides: causes before the prefix that wraps them.
TABLE: tuple[Row, ...] = (
    _row(Failure.CAPACITY, r"\ACapacityError\b"),
    _row(Failure.INTERNAL_ERROR, r"\AInternalServerError\b"),
    _row(Failure.IMAGE, r"\A(?:ClientError|AlgorithmError)?:? ?.*(?:CannotPullContainer|Cannot pull|pulling image)"),
    _row(
        Failure.DEPENDENCY,
        r"^\W*(?:ModuleNotFoundError|ImportError)\b"
        r"|No matching distribution found for|ResolutionImpossible|Could not find a version that satisfies",
    ),
    _row(
        Failure.OUT_OF_MEMORY,
        r"CUDA out of memory|OutOfMemoryError\b|^\W*MemoryError\b|killed by SIGKILL"
        r"|(?:ExitCode|[Ee]xit code|Exit Code):? 137\b",
    ),
    _row(Failure.CLIENT_ERROR, r"\AClientError\b"),
    _row(Failure.ALGORITHM_ERROR, r"\AAlgorithmError\b"),
)


def classify(reason: str) -> Failure:
    """The failure that a FailureReason tells of."""
    return next((row.failure for row in TABLE if row.pattern.search(reason)), Failure.UNKNOWN)


_EXCEPTION = re.compile(
    r"^\W*((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Iteration|Timeout))(?:: (.*?))?\W*$"
)
_WRAPPERS = {"AlgorithmError", "ExecuteUserScriptError", "CalledProcessError", "ClientError", "InternalServerError"}
_NOISE = re.compile(r"^(?:ExitCode|Command|Traceback|ErrorMessage\s*\"\"|, exit code)")


def root_cause(reason: str) -> str:
    """The line of a FailureReason that says what went wrong, without the wrappers around it."""
    text = re.sub(r"\A(?:AlgorithmError|ClientError): ?", "", reason.replace("\\n", "\n"))
    text = re.sub(r", exit code: \d+\s*\Z", "", text)
    lines = [re.sub(r"^ErrorMessage\s+\"", "", line).strip() for line in text.splitlines() if line.strip()]
    if lines and (m := _EXCEPTION.match(lines[0])) and m[1] not in _WRAPPERS:
        return lines[0]
    for line in reversed(lines):
        if (m := _EXCEPTION.match(line)) and m[1] not in _WRAPPERS:
            return line.strip(' "')
    wrapped = re.compile(rf"^(?:{'|'.join(_WRAPPERS)}):?$")
    told = [line for line in lines if not _NOISE.match(line) and not wrapped.match(line)]
    return told[0] if told else (reason.strip().splitlines() or [""])[0]
