"""Text in the cells of a terminal, of which a wide character takes two: how wide it is, cut, and broken into lines."""

from __future__ import annotations

import re


def cells(text: str) -> int:
    """The width of a text in cells, its styles aside."""
    from rich.cells import cell_len

    return cell_len(re.sub(r"\x1b\[[0-9;]*m", "", text))


def fitted(text: str, width: int) -> str:
    """A text in exactly so many cells; what has no room ends in an ellipsis."""
    from rich.cells import set_cell_size

    return set_cell_size(text, width) if cells(text) <= width else set_cell_size(text, width - 1) + "…"


def cut(text: str, width: int) -> str:
    """A text in so many cells at most, cut between two words where one lies near."""
    if cells(text) <= width:
        return text
    short = fitted(text, width)[:-1].rstrip()
    at = short.rfind(" ")
    return (short[:at] if at > len(short) * 2 // 3 else short) + "…"


def wrapped(text: str, width: int) -> str:
    """A text in lines of so many cells, broken between words; a word that is wider stays whole, to be copied."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cells(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)
