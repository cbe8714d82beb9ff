"""Filter patterns of CloudWatch Logs for unstructured events: terms, phrases, options, exclusions, one regex. Pure.

Patterns for JSON and for space-delimited events are refused: a pattern that is not understood finds nothing silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sweeper.engine.errors import ServiceError

Matches = Callable[[str], bool]
_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\w+))(?=\s|$)', re.ASCII)
_REGEX = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+")
_STRUCTURED = {"{": "JSON", "[": "space-delimited"}


def matcher(pattern: str) -> Matches:
    """Whether a message matches; raises InvalidParameterException for a pattern that is wrong or not emulated."""
    text = pattern.strip()
    if text[:1] in _STRUCTURED:
        raise refused(f"The local engine does not emulate filter patterns for {_STRUCTURED[text[0]]} log events.")
    if len(text) > 2 and text[0] == text[-1] == "%":
        return _regex(text[1:-1])
    return _all_of(text)


def refused(message: str) -> ServiceError:
    """An InvalidParameterException."""
    return ServiceError("InvalidParameterException", message)


def _regex(text: str) -> Matches:
    """The service knows a part of what Python does, above all no groups."""
    if _REGEX.fullmatch(text) is None:
        raise refused(f"Invalid character(s) in term '{text}'")
    try:
        found = re.compile(text, re.ASCII).search
    except (re.error, RecursionError, OverflowError) as error:
        raise refused(f"Invalid filter pattern: '{text}' is no regular expression: {error}") from error
    return lambda message: found(message) is not None


def _all_of(text: str) -> Matches:
    """Every term, none of the excluded ones, and of the optional ones any: beside others those count for nothing."""
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise refused(f"Invalid character(s) in term '{text[at:].split()[0]}'")
        sign, phrase, word = found.groups()
        terms[sign].append(word if phrase is None else re.sub(r"\\(.)", r"\1", phrase))
        at = found.end() + len(text[found.end() :]) - len(text[found.end() :].lstrip())
    wanted, optional, unwanted = terms.values()
    alone = not wanted and not unwanted

    def matches(message: str) -> bool:
        if optional and alone:
            return any(term in message for term in optional)
        return all(term in message for term in wanted) and not any(term in message for term in unwanted)

    return matches
