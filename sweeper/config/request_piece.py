"""The `request` section: every member is one that there is, may be set there, and fits the service's own model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config.check import Finding
from sweeper.config.draft import MOST_ROWS, Draft
from sweeper.core import pieces
from sweeper.core.identity import path_of, within
from sweeper.core.model import Launch
from sweeper.core.request import own_channel

Sections = Mapping[str, Any]


def findings(draft: Draft, values: Sections) -> Iterator[Finding]:
    """Everything that is wrong with it, at its key."""
    own = own_channel(Launch(values["job"]["launch"]), bool(values["locked"].get("enable_network_isolation")))
    for piece in _pieces(draft, values):
        yield from _of(piece, own)


def _pieces(draft: Draft, values: Sections) -> Iterator[Mapping[str, Any]]:
    """The section, and what is swept of it."""
    yield values["request"] or {}
    for axis in draft.axes:
        for row in axis.block.rows[:MOST_ROWS]:
            for key, value in row.items():
                _, *path = path_of(key, within(draft.sections))
                if f"{key}.".startswith("request."):
                    for name in reversed(path):
                        value = {name: value}
                    yield value


def _of(piece: Mapping[str, Any], own: str | None) -> Iterator[Finding]:
    if not piece:
        return
    from sweeper.engine.wire import rules  # it brings botocore

    forbidden = dict(pieces.refused(piece, own))
    yield from ((("request", *path), what) for path, what in forbidden.items())
    for path, what in rules.of_piece("CreateTrainingJob", piece):
        names = tuple(part for part in path if isinstance(part, str))
        if not any(names[: len(other)] == other for other in forbidden):
            yield ("request", *path), what
