"""The `request` section: every member is one that there is, may be set there, and fits the service's own model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config.check import Finding
from sweeper.config.draft import MOST_ROWS, Draft
from sweeper.core import pieces
from sweeper.core.channels import channels
from sweeper.core.identity import path_of, within
from sweeper.core.request import Staged, build, text_of

Sections = Mapping[str, Any]
PLACE = "s3://bucket/prefix"


def findings(draft: Draft, values: Sections) -> Iterator[Finding]:
    """Everything that is wrong with it, at its key."""
    found = [finding for piece in _pieces(draft, values) for finding in _of(piece)]
    yield from found
    if values["request"] and not found:
        yield from _whole(values)


def _pieces(draft: Draft, values: Sections) -> Iterator[Mapping[str, Any]]:
    """The section, and what is swept of it."""
    yield values["request"] or {}
    for axis in draft.axes:
        for row in axis.block.rows[:MOST_ROWS]:
            for key, value in row.items():
                _, *path = path_of(key, within(draft.sections))
                if key.startswith("request."):
                    for name in reversed(path):
                        value = {name: value}
                    yield value


def _of(piece: Mapping[str, Any]) -> Iterator[Finding]:
    if not piece:
        return
    from sweeper.engine.wire import rules  # it brings botocore

    forbidden = dict(pieces.refused(piece))
    yield from ((("request", *path), what) for path, what in forbidden.items())
    for path, what in rules.of_piece("CreateTrainingJob", piece):
        names = tuple(part for part in path if isinstance(part, str))
        if not any(names[: len(other)] == other for other in forbidden):
            yield ("request", *path), what


def _whole(values: Sections) -> Iterator[Finding]:
    """What the service would say of the first trial's request; places stand for what is not put anywhere yet."""
    from sweeper.engine.errors import ServiceError
    from sweeper.engine.wire import rules

    inputs = {name: PLACE for name, channel in channels(values["job"]).items() if channel.in_s3}
    config = {**values, "environment": text_of(values["environment"] or {}), "job": {**values["job"], "inputs": inputs}}
    made = build(
        config,
        name="x-1",
        mark="x",
        sweep="x",
        max_runtime_s=values["job"]["max_runtime_s"],
        staged=Staged(PLACE, inputs, PLACE),
        region="us-east-1",
    )
    try:
        rules.validated("CreateTrainingJob", made)
    except ServiceError as error:
        yield ("request",), f"makes a request that SageMaker refuses: {error.message}"
