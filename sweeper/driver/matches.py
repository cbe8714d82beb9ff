"""The metrics in a line of output. Pure, standard library only, Python 3.8 and later.

The driver, the engine and whoever reads a log find the same values by it: every match of every definition, in order.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # every job pays for what is imported here
if TYPE_CHECKING:
    from collections.abc import Iterable

LINE_BYTES = 64 * 1024
"""A line of output that is longer is cut into such pieces, in the log as well."""
MATCHED_CHARS = 16 * 1024
"""A regular expression never sees more of a line: it must not stall on one without end."""
NUMBER = "([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"
"""A group for whatever Python prints of a number."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RETURN = re.compile(r"\r|#015")
_NUMBER = re.compile(r"(?:(?<![\w.])[-+])?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_LONGEST = 40  # characters of a number


def escaped(text: str) -> str:
    """A line as the service's log shows it: a tab is #011. Regular expressions for SageMaker rely on that."""
    return _CONTROL.sub(lambda match: f"#{ord(match.group()):03o}", text)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


class Match:
    """What a definition has found: its text, the number that it is (None: none), and the one it was cut from, if so."""

    __slots__ = ("_line", "metric", "span", "text", "value")

    def __init__(self, metric: str, line: str, span: tuple[int, int]) -> None:
        self.metric, self._line, self.span = metric, line, span
        self.text = line[span[0] : span[1]]
        self.value = _number(self.text)

    @property
    def cut_from(self) -> str:
        """The number of which the expression took only a part; empty when it took a whole one."""
        begin, end = self.span
        for number in _NUMBER.finditer(self._line, max(0, begin - _LONGEST), end + _LONGEST):
            if number.start() <= begin and end <= number.end():
                return number.group() if number.group() != self.text.strip() else ""
        return ""


class Metrics:
    """Metric definitions, compiled: (name, regular expression), whose first group is the value."""

    def __init__(self, definitions: Iterable[tuple[str, str]]) -> None:
        self._patterns: list[tuple[str, re.Pattern[str]]] = []
        self.refused: dict[str, str] = {}
        """Metrics that are never found, and why: the service accepts an expression that Python does not."""
        for name, regex in definitions:
            try:
                pattern = re.compile(regex)
            except (re.error, RecursionError, OverflowError) as error:
                self.refused[name] = f"{regex!r} is not a regular expression: {error}"
                continue
            if pattern.groups:
                self._patterns.append((name, pattern))
            else:
                self.refused[name] = f"{regex!r} has no group"

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def matches(self, line: str) -> list[Match]:
        """What is found in a line of a log. A progress bar is several: it returns to the beginning of its line."""
        found: list[Match] = []
        for piece in _RETURN.split(line) if "#015" in line or "\r" in line else (line,):
            piece = piece[:MATCHED_CHARS]
            here = [
                Match(name, piece, match.span(1))
                for name, pattern in self._patterns
                for match in pattern.finditer(piece)
                if match.start(1) >= 0  # else the group took no part
            ]
            found += sorted(here, key=lambda match: match.span)
        return found

    def points(self, line: str) -> list[tuple[str, float]]:
        """(metric, value) for every match that is a number."""
        return [(match.metric, match.value) for match in self.matches(line) if match.value is not None]
