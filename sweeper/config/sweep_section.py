"""The `sweep` section as it is written: its axes, which the draft learns of, and the parts of a space."""

from __future__ import annotations

from sweeper.config.axes import CommandLine
from sweeper.config.check import findings
from sweeper.config.draft import Draft
from sweeper.config.forms import Builder
from sweeper.config.schema import SECTIONS
from sweeper.config.values import plain
from sweeper.core.identity import flatten
from sweeper.core.space.blocks import Part


def read(draft: Draft) -> tuple[Builder, list[Part]]:
    """What the section and the sweeps of the command line declare; what is wrong with it is noted in the draft."""
    section = plain(draft.config.get("sweep")) or {}
    if found := findings(section, SECTIONS["sweep"], ("sweep",)):
        from sweeper.config.foreign.notation import all_told  # only a mistake needs it

        found = all_told(found, section)
    draft.note(found)
    builder = Builder(CommandLine.of(draft.line), lambda: draft.origin, dict(flatten(draft.sections)))
    parts = builder.build(section) if draft.holds("sweep") else []
    draft.axes = builder.axes
    draft.problems += builder.problems
    return builder, parts
