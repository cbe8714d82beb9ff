"""Every error of sweeper, in one file: one root, and the exit code each of them ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

BUG = 70


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, in parts that a program can use. What is null is not known, or has no place."""

    code: str
    """A word for its kind: usage, configuration, held, journal, engine, bug, ..."""
    message: str
    """All of it, as a person reads it."""
    file: str | None = None
    line: int | None = None
    """From 1."""
    column: int | None = None
    """From 1."""
    key: str | None = None
    """The key of the configuration, dotted."""
    remedy: str | None = None
    """What to do about it."""


def remedy_in(message: str) -> str | None:
    """What a message says is to be done: by custom it stands behind the first semicolon."""
    return message.partition("; ")[2] or None


class SweeperError(Exception):
    """An error with a message for a person: the command line prints the message and no traceback."""

    exit_code = 2
    code: str = "error"
    """A word for its kind."""

    @property
    def faults(self) -> Sequence[Fault]:
        """Everything that is wrong, one or more."""
        return [Fault(self.code, str(self), remedy=remedy_in(str(self)))]

    @property
    def file(self) -> str | None:
        """Where the first thing that is wrong stands; None where it has no file."""
        return self.faults[0].file

    @property
    def line(self) -> int | None:
        """Its line, from 1."""
        return self.faults[0].line

    @property
    def key(self) -> str | None:
        """The dotted key of the configuration that it is about."""
        return self.faults[0].key

    @property
    def remedy(self) -> str | None:
        """What to do about it."""
        return self.faults[0].remedy


class UsageError(SweeperError):
    """Something the user wrote is wrong. The message holds one line per problem: `where: what is wrong; what to do`.

    `found`: the same in parts, where each has its place.
    """

    code = "usage"

    def __init__(self, message: str, found: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self._found = tuple(found)

    @property
    def faults(self) -> Sequence[Fault]:
        """Everything that is wrong, one or more."""
        return self._found or super().faults


class LockHeldError(SweeperError):
    """Another runner holds this sweep or this pool."""

    exit_code = 4
    code = "held"


class GaveUpWaitingError(SweeperError):
    """It was asked to end while it waited for a pool: nothing was sent. `signal`: by which one; 0 for a request."""

    code = "gave_up_waiting"

    def __init__(self, message: str, signal: int = 0) -> None:
        super().__init__(message)
        self.signal = signal
        self.exit_code = 128 + signal if signal else 0


class PoolOpenError(SweeperError):
    """A pool was not seen to close and may still bill. The message ends with the command that releases it.

    `job_names`: the jobs that the pools belong to; `commands`: what to type for each of them.
    """

    exit_code = 3
    code = "pool_open"

    def __init__(self, message: str, job_names: Sequence[str], commands: Sequence[str]) -> None:
        super().__init__(message)
        self.job_names = tuple(job_names)
        self.commands = tuple(commands)


class JournalError(SweeperError):
    """The journal cannot be read or written. It is never taken for an empty one."""

    code = "journal"


class JournalWriteError(JournalError):
    """The journal could be read and cannot be written any more: a full disk, a folder that became read-only."""


class EngineError(SweeperError):
    """The local engine did not start or does not answer."""

    code = "engine"


class ForeignNameError(SweeperError):
    """A training job of our name exists that is not ours. Nothing of it is touched."""

    code = "foreign_name"


class LockedChangedError(SweeperError):
    """The locked section of a trial differs from the frozen one. Always our bug."""

    exit_code = BUG
    code = "bug"


class LeavesPoolError(SweeperError):
    """A request would leave the pool: a backend that is not ours has changed a field that the pool matches on."""

    code = "leaves_pool"


class ApiErrorKind(Enum):
    """What an API failure means for us; `aws.errors` maps botocore's exceptions to these, once."""

    THROTTLED = "throttled"  # nothing happened; ask again later
    UNAVAILABLE = "unavailable"  # 5xx or no connection; a mutation may or may not have happened
    LOST = "lost"  # sent, no answer: the outcome is unknown
    EXPIRED = "expired"  # credentials ran out; they may be renewed while we wait
    WRONG_ACCOUNT = "wrong_account"  # signed by the credentials of another account; the right ones may come
    SKEWED = "skewed"  # signed by a clock that is wrong; it may be set while we wait
    DENIED = "denied"
    IN_USE = "in_use"  # the name exists already
    NOT_FOUND = "not_found"
    LIMIT = "limit"  # ResourceLimitExceeded: a quota is full, and has room for this one day
    NO_QUOTA = "no_quota"  # ResourceLimitExceeded: it will never fit into the quota as it is
    PROPAGATION = "propagation"  # a role, bucket or repository that is too new: true again in minutes
    INVALID = "invalid"  # the request itself is refused
    INVALID_FOR_ALL = "invalid_for_all"  # it is refused for what every job of a sweep shares
    WITHHELD = "withheld"  # never sent: it would have left the pool
    UNKNOWN = "unknown"

    @property
    def outcome_unknown(self) -> bool:
        """True when a mutation that failed so may have happened all the same."""
        return self in (ApiErrorKind.LOST, ApiErrorKind.UNAVAILABLE, ApiErrorKind.UNKNOWN)

    @property
    def passing(self) -> bool:
        """True when waiting may help without anyone changing anything but the network or the credentials."""
        return self.wants_credentials or self in (
            ApiErrorKind.THROTTLED,
            ApiErrorKind.UNAVAILABLE,
            ApiErrorKind.LOST,
            ApiErrorKind.SKEWED,
        )

    @property
    def wants_credentials(self) -> bool:
        """True when it passes as soon as somebody renews the credentials, or takes the right ones."""
        return self in (ApiErrorKind.EXPIRED, ApiErrorKind.WRONG_ACCOUNT)


class ApiError(SweeperError):
    """An API call failed. `kind` says what that means; `code` and the text are the service's own."""

    def __init__(
        self, kind: ApiErrorKind, operation: str, code: str, message: str, request_id: str = "", *, do: str = ""
    ) -> None:
        self.told = f"{operation}: {code}: {message}"
        """What has happened, without what to do about it."""
        super().__init__(f"{self.told}; {do}" if do else self.told)
        self.kind = kind
        self.operation = operation
        self.code = code
        self.message = message
        self.request_id = request_id
        """The service's name for the request; empty where it has given none."""
        self.do = do
        """What helps; empty where that is not known, or is a part of the message."""

    @property
    def faults(self) -> Sequence[Fault]:
        """What the failure means for us, whatever the service calls it."""
        return [Fault(self.kind.value, str(self), remedy=self.do or None)]


def assert_never(value: NoReturn) -> NoReturn:
    """Mark an arm that mypy proves unreachable (typing.assert_never exists from Python 3.11 only)."""
    raise AssertionError(f"unhandled: {value!r}")
