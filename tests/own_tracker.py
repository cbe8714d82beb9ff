"""A tracker of somebody else's: it writes what it hears into a file, its secret never."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import own_backend

NAME = "listener"
MODULE = '''
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sweeper.core.options import option


@dataclass(frozen=True)
class Listener:
    """Writes what it hears into a file."""

    kind: ClassVar[str] = "listener"
    secrets: ClassVar[tuple[str, ...]] = ("token",)
    repeats: ClassVar[bool] = False
    patience_s: ClassVar[float] = 20.0

    file: str = option("The file.", low=1)
    token: str = option("What a server would ask for.", low=1)

    @classmethod
    def unasked(cls, config):
        return False

    def started(self, sweep):
        sweep.notes.put("started", str(int(sweep.notes.get("started") or 0) + 1))

    def trial(self, sweep, ended):
        self._hear(ended.job)

    def ended(self, sweep, ended):
        self._hear(f"ended in process {sweep.notes.get('started')}")

    def _hear(self, what):
        with Path(self.file).open("a") as file:
            file.write(f"{what}\\n")
'''


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, *, text: str = MODULE, module: str = "own_listener") -> None:
    """Put the package where Python finds packages, for as long as the test runs."""
    own_backend.install(
        monkeypatch, folder, text=text, module=module, found="Listener", name=NAME, group="sweeper.trackers"
    )
