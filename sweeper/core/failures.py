"""The failure taxonomy as a table: how each class of failure is recognised. Unknown stays unknown, with its text.

Wordings come from the SageMaker SDK's and AWS's public issue threads; they change, so rows match by prefix or by the
exception's own name, never by a whole sentence. What is matched is the cause alone: an ImportError that a script has
handled long before it ended is no reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache

from sweeper.driver import causes
from sweeper.errors import ApiErrorKind


@dataclass(frozen=True)
class Row:
    """What there is to know of a class of failure.

    `platform`: by the word before the first colon, what the service itself says of its own trouble. `cause`: by what
    went wrong, the line that `root_cause` gives. `prefix`: by what wraps a cause that nothing else knows.

    `pause_s`: seconds before the first attempt again, doubling up to the second number; 0 is not a matter of time.
    `example`: what tells it, as the service or a script puts it.
    """

    name: str
    words: str
    platform: str = ""
    cause: str = ""
    prefix: str = ""
    pause_s: tuple[float, float] = (0.0, 0.0)
    example: str = ""


class Failure(str, Enum):
    """A class of failure, a row each: the `failure` column of results.csv, and a key of `on_failure`.

    Of several rows that know a text the first one counts; `platform` comes before `cause`, and that before `prefix`.
    """

    _value_: str
    row: Row

    def __new__(cls, row: Row) -> Failure:
        """A text that knows its row."""
        made = str.__new__(cls, row.name)
        made._value_, made.row = row.name, row
        return made

    IMAGE = Row(
        "image",
        "The image could not be pulled or started.",
        cause=r"CannotPullContainer|CannotStartContainer|[Cc]annot pull|pulling image|image manifest"
        r"|[Ee]xec format error|executable file not found in \$PATH|\bexec \S+ failed: ",
        example="CannotPullContainerError: no such manifest",
    )
    DEPENDENCY = Row(
        "dependency",
        "A package is missing, or of another version.",
        cause=r"^\W*(?:ModuleNotFoundError|ImportError)\b"
        r"|^\W*(?:pkg_resources\.)?(?:DistributionNotFound|\w*VersionConflict)\b"
        r"|^\W*Install(?:Requirements|Module)Error\b|^pip could not install\b"
        r"|^(?:ERROR: )?(?:No matching distribution found for|Could not find a version that satisfies)"
        r"|ResolutionImpossible",
        example="ModuleNotFoundError: No module named 'tinymetrics'",
    )
    OUT_OF_MEMORY = Row(
        "out_of_memory",
        "The machine or its accelerator has too little memory.",
        cause=r"CUDA out of memory|CUDA error: out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaMalloc failed: out of memory"
        r"|OutOfMemoryError\b|CUBLAS_STATUS_ALLOC_FAILED|OOM when allocating|RESOURCE_EXHAUSTED: Out of memory"
        r"|^\W*(?:\w+\.)*_?(?:Array)?MemoryError\b|DefaultCPUAllocator: |std::bad_alloc|Cannot allocate memory"
        r"|instance type with more memory|Out of Memory\. Please use a larger instance"
        r"|^killed by SIGKILL\b|\boom-kill|^Killed$",
        example="RuntimeError: CUDA out of memory.",
    )
    CREDENTIALS = Row(
        "credentials",
        "There are no credentials, or they have expired.",
        cause=r"ExpiredToken|security token included in the request is (?:expired|invalid)|Unable to locate credentials"
        r"|NoCredentialsError\b|UnrecognizedClientException",
        example="botocore.exceptions.NoCredentialsError: Unable to locate credentials",
    )
    PERMISSION = Row(
        "permission",
        "A role or a policy does not allow it.",
        cause=r"\bAccessDenied(?:Exception)?\b|is not authorized to perform"
        r"|(?:unable to|[Cc]ould not) assume (?:the )?role|\(403\) when calling|\b403 Forbidden\b|\(403\): \w"
        r"|-based policy allows the\b|explicit deny",
        example="AccessDeniedException: User is not authorized to perform: s3:GetObject",
    )
    THROTTLING = Row(
        "throttling",
        "Too many requests were made of a service.",
        platform=r"\AThrottl(?:ing|ed)\w*\b",
        cause=r"\bThrottlingException\b|\(SlowDown\)|Please reduce your request rate",
        pause_s=(60.0, 600.0),
        example="SomeError: (SlowDown): Please reduce your request rate",
    )
    ALGORITHM_ERROR = Row(
        "algorithm_error",
        "The script ended with an error of its own.",
        prefix=r"\AAlgorithmError\b",
        example="ValueError: no",
    )
    CLIENT_ERROR = Row(
        "client_error",
        "The service refuses what the job was given, its data for example.",
        prefix=r"\AClientError\b",
        example="ClientError: No data at s3://bucket/prefix",
    )
    INTERNAL_ERROR = Row(
        "internal_error",
        "The service has failed.",
        platform=r"\AInternalServerError\b",
        pause_s=(10.0, 300.0),
        example="InternalServerError: We encountered an internal error. Please try again.",
    )
    CAPACITY = Row(
        "capacity",
        "There were no machines of this type.",
        platform=r"\A(?:(?:Insufficient)?CapacityError\b|\w+-share preemption\b"
        r"|Terminated by JobStateTimeLimit action due to reason: CAPACITY\b)",
        pause_s=(60.0, 600.0),
        example="CapacityError: Unable to provision requested ML compute capacity",
    )
    QUOTA = Row(
        "quota",
        "The account may not have so many machines.",
        platform=r"\AResourceLimitExceeded\b",
        example="ResourceLimitExceeded: The account-level service limit is 0 Instances",
    )
    QUOTA_BUSY = Row("quota_busy", "The quota is taken by other jobs: a matter of time.", pause_s=(30.0, 600.0))
    REQUEST = Row("request", "The service refuses the request.")
    TIMEOUT = Row(
        "timeout",
        "It ran for as long as it may: job.max_runtime_s.",
        platform=r"\AJob attempt duration exceeded\b",
        example="Job attempt duration exceeded timeout",
    )
    NO_OUTPUT = Row("no_output", "Nothing came in its log for too long: prune.stalled_log_s.")
    STOPPED_EXTERNAL = Row("stopped_external", "Somebody else has stopped it.")
    LOST_REMOTE = Row("lost_remote", "The service does not know the job any more.")
    UNKNOWN = Row("unknown", "Nothing above knows the text; it is told whole.")


OUT_OF_MEMORY_CODES = (137, -9)
"""What a container ends with when the kernel kills it; nearly always for its memory."""


def classify(reason: str, tail: str = "") -> Failure:
    """The failure that a FailureReason tells of; the end of the log helps where it says too little."""
    if found := _first("platform", reason):
        return Failure.QUOTA_BUSY if found is Failure.QUOTA and will_fit(reason) else found
    if found := _first("cause", _told(reason) or "\n".join(_lines(reason))):
        return found
    if exit_code(reason) in OUT_OF_MEMORY_CODES:
        return Failure.OUT_OF_MEMORY
    if is_vague(reason) and (found := _first("cause", _told_by_log(reason, tail))):
        return found
    return _first("prefix", reason) or Failure.UNKNOWN


_LIMIT = re.compile(r"\bis (\d+) \w+, with current utilization of \d+ \w+ and a request delta of (\d+) \w+")


def will_fit(message: str) -> bool:
    """True when a ResourceLimitExceeded is a matter of time: it tells a limit, and the request alone is within it.

    A limit of zero, a request above it, or a type that the region does not have are waited for in vain.
    """
    told = _LIMIT.search(message)
    return told is not None and 0 < int(told[2]) <= int(told[1])


_LOCKED_MEMBERS = re.compile(r" at '(?:resourceConfig|roleArn|vpcConfig)\b")


def refined(kind: ApiErrorKind, message: str) -> ApiErrorKind:
    """What an error answer means, where its text says more than its code: is waiting in vain, are all trials meant?"""
    if kind is ApiErrorKind.LIMIT and not will_fit(message):
        return ApiErrorKind.NO_QUOTA
    if kind is ApiErrorKind.INVALID and _LOCKED_MEMBERS.search(message):
        return ApiErrorKind.INVALID_FOR_ALL
    return kind


@cache
def _patterns(kind: str) -> list[tuple[Failure, re.Pattern[str]]]:
    """The rows that know a text by this kind of evidence, in the order in which they are asked."""
    return [(f, re.compile(text, re.MULTILINE)) for f in Failure if (text := getattr(f.row, kind))]


def _first(kind: str, text: str) -> Failure | None:
    return next((failure for failure, pattern in _patterns(kind) if pattern.search(text)), None)


def pause_s(failure: str, attempts: int) -> float:
    """Seconds to wait after so many attempts that ended in this failure; 0 when it is not a matter of time."""
    first, most = next((known.row.pause_s for known in Failure if known == failure), (0.0, 0.0))
    return min(first * 2.0 ** (attempts - 1), most)


_EXIT_CODE = re.compile(r"(?:ExitCode|[Ee]xit [Cc]ode):? (-?\d+)\b")
_CODE_IN_LOG = re.compile(r"^(?:ExitCode|Encountered exit_code) (-?\d+)$", re.MULTILINE)


def exit_code(reason: str) -> int | None:
    """The code that the container ended with, where the reason tells it; negative for a signal."""
    found = re.findall(r"^ExitCode (-?\d+)", reason, re.MULTILINE)  # the script's; the toolkit's own is always 1
    found = found or _EXIT_CODE.findall(reason)
    return int(found[-1]) if found else None


_PLATFORM_WORDS = ("AlgorithmError", "ClientError", "InternalServerError")
_WRAPPED = re.compile(r"\A(?:(?:AlgorithmError|ClientError): ?)+")
_QUOTED = re.compile(r'^ErrorMessage\s+"([\s\S]*?)"?\s*(?=^Command "|\Z)', re.MULTILINE)


def _lines(reason: str) -> list[str]:
    """The lines inside of the wrappers."""
    text = _WRAPPED.sub("", reason.replace("\\n", "\n"))
    text = re.sub(r", exit code: \d+\s*\Z", "", text)
    return causes.plain(_QUOTED.sub(r"\1\n", text))


def is_driver_format(reason: str) -> bool:
    """True for what our own driver wrote: the cause on the first line, `exit code N` on the second."""
    lines = _lines(reason)
    return len(lines) > 1 and re.fullmatch(r"exit code \d+", lines[1].strip()) is not None


def _exception(lines: list[str]) -> str:
    """The exception among these lines that no wrapper is; empty when there is none."""
    traced = causes.exception_and_detail(lines)
    first = causes.named_exception(lines[:1], _PLATFORM_WORDS)
    return first or (traced[0] if traced else causes.named_exception(lines, _PLATFORM_WORDS))


def _told(reason: str) -> str:
    """The cause that a reason itself names; empty where it names none, as an exit code and a command line do."""
    lines = _lines(reason)
    if is_driver_format(reason):
        return lines[0].strip()
    if found := _exception(lines):
        return found
    lines = lines[: next(causes.tracebacks(lines), len(lines))]  # cut off before its exception
    said = [line.strip() for line in lines if causes.is_cause(line)]
    # The toolkit quotes what the script said, cut off at its beginning.
    return said[-1 if "ErrorMessage" in reason else 0] if said else ""


def is_vague(reason: str) -> bool:
    """True when a reason names no cause, so that the end of the log must."""
    known = _first("platform", reason) or _told(reason)
    return not known and (reason.startswith("AlgorithmError") or not reason.strip())


def _told_by_log(reason: str, tail: str) -> str:
    """What the end of a log gives as the cause: its exception, the signal of the exit code, or its last words."""
    commands = re.findall(r'^Command "(.*)"', f"{reason}\n{tail}", re.MULTILINE)
    lines = [line for line in causes.plain(_QUOTED.sub(r"\1\n", tail)) if line not in commands]
    if traced := causes.exception_and_detail(lines):
        return traced[0]
    codes = _CODE_IN_LOG.findall(tail)
    code = exit_code(reason) or int(codes[-1] if codes else 0)
    return causes.killer(code, lines) or causes.said_last(lines)


def root_cause(reason: str, tail: str = "") -> str:
    """The line of a FailureReason that says what went wrong, without the wrappers around it; whole where unknown."""
    if classify(reason, tail) is Failure.UNKNOWN and not _exception(_lines(reason)):
        return reason.strip()
    if found := _told_by_log(reason, tail) if is_vague(reason) else _told(reason):
        return found
    lines = _lines(reason)
    code = [line for line in lines if causes.is_code(line)]  # of a traceback that is cut off
    return next((line.strip() for line in [*reversed(code), *lines]), reason.strip())
