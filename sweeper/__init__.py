"""Declarative sweeps of SageMaker training jobs on one warm pool that is always released.

`from sweeper import Sweep` is the way in from Python: docs/python.md. Nothing is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeper.api.plan import Plan as Plan
    from sweeper.api.result import Result as Result
    from sweeper.api.rows import Best as Best
    from sweeper.api.rows import Rows as Rows
    from sweeper.api.sweep import Sweep as Sweep
    from sweeper.errors import ApiError as ApiError
    from sweeper.errors import EngineError as EngineError
    from sweeper.errors import Fault as Fault
    from sweeper.errors import GaveUpWaitingError as GaveUpWaitingError
    from sweeper.errors import JournalError as JournalError
    from sweeper.errors import LockHeldError as LockHeldError
    from sweeper.errors import PoolOpenError as PoolOpenError
    from sweeper.errors import SweeperError as SweeperError
    from sweeper.errors import UsageError as UsageError

_FROM = {
    "Sweep": "api.sweep",
    "Plan": "api.plan",
    "Result": "api.result",
    "Rows": "api.rows",
    "Best": "api.rows",
    "SweeperError": "errors",
    "UsageError": "errors",
    "LockHeldError": "errors",
    "GaveUpWaitingError": "errors",
    "PoolOpenError": "errors",
    "ApiError": "errors",
    "JournalError": "errors",
    "EngineError": "errors",
    "Fault": "errors",
}
"""Which module has which name."""

__all__ = [
    "ApiError",
    "Best",
    "EngineError",
    "Fault",
    "GaveUpWaitingError",
    "JournalError",
    "LockHeldError",
    "Plan",
    "PoolOpenError",
    "Result",
    "Rows",
    "Sweep",
    "SweeperError",
    "UsageError",
]


if not TYPE_CHECKING:  # a name that there is not is an error to a type checker too

    def __getattr__(name: str) -> Any:
        """Load what is asked for (PEP 562)."""
        if name not in _FROM:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
