"""What came of a check before a run: a verdict, what was found, and what a person can do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """How a check came out."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """It could not be asked, or the answer depends on what is not known."""


@dataclass(frozen=True)
class Check:
    """One check: `do` is empty where nothing is to be done, or where nobody here can do anything about it."""

    id: str
    verdict: Verdict
    found: str
    do: str = ""

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.found}; {self.do}" if self.do else self.found

    @property
    def concerns(self) -> bool:
        """Should somebody who starts a run hear of it?"""
        return self.verdict in (Verdict.WARN, Verdict.FAIL) or (self.verdict is Verdict.UNKNOWN and bool(self.do))


def failed(checks: Iterable[Check]) -> list[Check]:
    """Those that keep a run from starting."""
    return [check for check in checks if check.verdict is Verdict.FAIL]
