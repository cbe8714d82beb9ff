"""Keeping secrets out of everything that is written: values are replaced wherever they appear (R18). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

SHORTEST = 8
"""Characters: a shorter value is not taken for a secret, or every `true` would be one."""
MASK = "***"


class Redactor:
    """Replaces the given values in any text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, so that a secret that contains another is replaced as a whole.
        self._secrets = sorted({s for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text with every secret masked."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """The value with every text inside it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(item, redact) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(item, redact) for item in value]
    return value
