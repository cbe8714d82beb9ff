"""Text of others on its way to a terminal: what a terminal would obey, or show in another order, is taken out. Pure."""

from __future__ import annotations

import re

_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 with ESC, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of writing
    "\u2028\u2029]"  # ends of lines that are none
)


def harmless(text: str) -> str:
    """One line in which each such character is a blank."""
    return _OBEYED.sub(" ", text)


def harmless_lines(text: str) -> str:
    """The same for several lines: line feeds and tabs stay."""
    return _OBEYED.sub(lambda found: found[0] if found[0] in "\n\t" else " ", text)
