"""The failure taxonomy as a table: how each class of failure is recognised. Unknown stays unknown, with its text.

Wordings come from the SageMaker SDK's and AWS's public issue threads; they change, so rows match by prefix or by the
exception's own name, never by a whole sentence. What is matched is the cause alone: an ImportError that a script has
handled long before it ended is no reason.
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
    """One line of the table: a failure and the pattern that tells it."""

    failure: Failure
    pattern: re.Pattern[str]


def _row(failure: Failure, pattern: str) -> Row:
    return Row(failure, re.compile(pattern, re.MULTILINE))


PLATFORM: tuple[Row, ...] = (
    _row(Failure.CAPACITY, r"\ACapacityError\b"),
    _row(Failure.INTERNAL_ERROR, r"\AInternalServerError\b"),
    _row(Failure.QUOTA, r"\AResourceLimitExceeded\b[\s\S]* is 0 Instances"),
    _row(Failure.QUOTA_BUSY, r"\AResourceLimitExceeded\b"),
    _row(Failure.THROTTLING, r"\AThrottl(?:ing|ed)\w*\b"),
)
"""By the word before the first colon: what the service itself says of its own trouble."""

CAUSES: tuple[Row, ...] = (
    _row(
        Failure.IMAGE,
        r"CannotPullContainer|CannotStartContainer|[Cc]annot pull|pulling image|image manifest|exec format error"
        r'|exec: "?train"?: executable file not found',
    ),
    _row(
        Failure.DEPENDENCY,
        r"^\W*(?:ModuleNotFoundError|ImportError)\b|^\W*(?:pkg_resources\.)?(?:DistributionNotFound|\w*VersionConflict)\b"
        r"|^\W*Install(?:Requirements|Module)Error\b|^pip could not install\b"
        r"|^(?:ERROR: )?(?:No matching distribution found for|Could not find a version that satisfies)"
        r"|ResolutionImpossible",
    ),
    _row(
        Failure.OUT_OF_MEMORY,
        r"CUDA out of memory|CUDA error: out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaMalloc failed: out of memory"
        r"|OutOfMemoryError\b|CUBLAS_STATUS_ALLOC_FAILED|OOM when allocating|RESOURCE_EXHAUSTED: Out of memory"
        r"|^\W*(?:\w+\.)*_?(?:Array)?MemoryError\b|DefaultCPUAllocator: |std::bad_alloc|Cannot allocate memory"
        r"|instance type with more memory|^killed by SIGKILL\b|\boom-kill|^Killed$",
    ),
    _row(
        Failure.CREDENTIALS,
        r"ExpiredToken|security token included in the request is (?:expired|invalid)|Unable to locate credentials"
        r"|NoCredentialsError\b|UnrecognizedClientException",
    ),
    _row(
        Failure.PERMISSION,
        r"\bAccessDenied(?:Exception)?\b|is not authorized to perform|(?:unable to|[Cc]ould not) assume (?:the )?role"
        r"|\(403\) when calling",
    ),
    _row(Failure.THROTTLING, r"\bThrottlingException\b|\(SlowDown\)|Please reduce your request rate"),
)
"""By the cause: causes before the prefix that wraps them."""

PREFIXES: tuple[Row, ...] = (
    _row(Failure.CLIENT_ERROR, r"\AClientError\b"),
    _row(Failure.ALGORITHM_ERROR, r"\AAlgorithmError\b"),
)

OUT_OF_MEMORY_CODE = 137
"""What a container ends with when the kernel kills it; nearly always for its memory."""


def classify(reason: str, tail: str = "") -> Failure:
    """The failure that a FailureReason tells of; the end of the log helps where it says too little."""
    if found := _first(PLATFORM, reason):
        return found
    if found := _first(CAUSES, _evidence(reason)):
        return found
    if exit_code(reason) == OUT_OF_MEMORY_CODE:
        return Failure.OUT_OF_MEMORY
    if tail and is_vague(reason) and (found := _first(CAUSES, _last_words(tail))):
        return found
    return _first(PREFIXES, reason) or Failure.UNKNOWN


def _first(rows: tuple[Row, ...], text: str) -> Failure | None:
    return next((row.failure for row in rows if row.pattern.search(text)), None)


_EXIT_CODE = re.compile(r"(?:ExitCode|[Ee]xit [Cc]ode):? (\d+)\b")


def exit_code(reason: str) -> int | None:
    """The code that the container ended with, where the reason tells it."""
    found = _EXIT_CODE.findall(reason)
    return int(found[-1]) if found else None


_EXCEPTION = re.compile(
    r"^\W*((?:[A-Za-z_]\w*\.)*_?[A-Z]\w*"
    r"(?:Error|Exception|Interrupt|Exit|Iteration|Timeout|NotFound|Conflict))(?:: (.*?))?\W*$"
)
_WRAPPERS = {"AlgorithmError", "ExecuteUserScriptError", "CalledProcessError", "ClientError", "InternalServerError"}
_NOISE = re.compile(r"^(?:ExitCode|Command|Traceback|ErrorMessage\s*\"\"|, exit code)")
_WRAPPED = re.compile(r"\A(?:AlgorithmError|ClientError): ?")


def _lines(reason: str) -> list[str]:
    """The lines inside of the wrappers."""
    text = _WRAPPED.sub("", reason.replace("\\n", "\n"))
    text = re.sub(r", exit code: \d+\s*\Z", "", text)
    return [re.sub(r"^ErrorMessage\s+\"", "", line).strip() for line in text.splitlines() if line.strip()]


def is_driver_format(reason: str) -> bool:
    """True for what our own driver wrote: the cause on the first line, `exit code N` on the second."""
    lines = _lines(reason)
    return len(lines) > 1 and re.fullmatch(r"exit code \d+", lines[1]) is not None


def _exception(lines: list[str]) -> str:
    """The last exception among these lines that no wrapper is; empty when there is none."""
    order = [0, *reversed(range(len(lines)))] if lines else []
    for at in order:
        if (m := _EXCEPTION.match(lines[at])) and m[1] not in _WRAPPERS:
            return _with_message(lines, at)
    return ""


def _with_message(lines: list[str], at: int) -> str:
    """An exception's line; the toolkit breaks it behind the colon, and then its message is the next one."""
    line = lines[at].strip(' "')
    if line.endswith(":") and at + 1 < len(lines) and not _NOISE.match(lines[at + 1]):
        line += " " + lines[at + 1].strip(' "')
    return line


def _evidence(reason: str) -> str:
    """The part of a reason that may be held against it: its cause; all of it where no line stands out."""
    lines = _lines(reason)
    if is_driver_format(reason):
        return lines[0]
    return _exception(lines) or "\n".join(lines)


def is_vague(reason: str) -> bool:
    """True when a reason names no cause: an exit code or a command line is none."""
    if _first(PLATFORM, reason) or is_driver_format(reason):
        return False
    lines = _lines(reason)
    if _first(CAUSES, "\n".join(lines)) or _exception(lines):
        return False
    return reason.startswith("AlgorithmError") or not reason.strip()


def _last_words(tail: str) -> str:
    """What the end of a log gives as its cause: the exception of its last traceback, else its last line."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    begins = [at for at, line in enumerate(lines) if line.endswith("Traceback (most recent call last):")]
    found = next((line for line in lines[begins[-1] + 1 :] if _EXCEPTION.match(line)), "") if begins else ""
    return found or (lines[-1] if lines else "")


def root_cause(reason: str, tail: str = "") -> str:
    """The line of a FailureReason that says what went wrong, without the wrappers around it; whole where unknown."""
    lines = _lines(reason)
    if is_driver_format(reason):
        return lines[0]
    if found := _exception(lines):
        return found
    if classify(reason, tail) is Failure.UNKNOWN:
        return reason.strip()
    if tail and is_vague(reason) and (told := _last_words(tail)):
        return told
    wrapped = re.compile(rf"^(?:{'|'.join(_WRAPPERS)}):?$")
    said = [line for line in lines if not _NOISE.match(line) and not wrapped.match(line)]
    return said[0] if said else (reason.strip().splitlines() or [""])[0]
