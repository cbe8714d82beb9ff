"""Composing an experiment with Hydra, checking it, and freezing it into a Sweep."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeper.core.model import Sweep


def run(argv: Sequence[str], then: Callable[[Sweep], int], *, prog: str = "sweeper") -> int:
    """Compose what `argv` says, declare the Sweep and return what `then` makes of it (see `sweeper.config.app.run`)."""

    as_before = gc.enable if gc.isenabled() else gc.disable

    def begun(sweep: Sweep) -> int:
        as_before()
        return then(sweep)

    gc.disable()  # what is imported and composed stays: to look through it again and again is a twentieth of a plan
    try:
        from sweeper.config import app  # Hydra takes 0.2 s to import: not for someone who only asks for help

        return app.run(argv, begun, prog=prog)
    finally:
        as_before()
