"""A stop rule of somebody else's: a module and the metadata of its package, as pip would have installed them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import own_backend

NAME = "enough"
MODULE = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.chain import metric_of
from sweeper.core.declared import ended
from sweeper.core.model import Threshold
from sweeper.core.options import option
from sweeper.core.ports import StopRule


@dataclass(frozen=True)
class Enough(StopRule):
    """End when some trials have come to a value, one after another or not."""

    name: ClassVar[str] = "enough"

    metric: str = option("A metric of job.metrics.")
    value: float = option("What they must come to.")
    of: int = option("So many of them.", default=2, low=1)

    @property
    def meaning(self):
        return f"{self.of} trials came to {self.metric} >= {self.value:g}"

    @property
    def asks(self):
        return {self.metric: Threshold(">=", self.value)}

    def why(self, sweep, chain, now):
        good = [job for job in ended(sweep, chain) if self.asks[self.metric].holds(metric_of(job, self.metric))]
        return self.meaning if len(good) >= self.of else None

    def refused(self, values):
        if self.value == 0:
            yield ("value",), "is no aim: say what is enough"

    @classmethod
    def drawn(cls, rng, now):
        return {"metric": "m", "value": 0.5, "of": rng.choice((1, 2))}
'''


def install(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, text: str = MODULE, module: str = "rules_of_ours"
) -> None:
    """Put the package where Python finds packages, for as long as the test runs."""
    own_backend.install(
        monkeypatch, folder, text=text, module=module, found="Enough", name=NAME, group="sweeper.stop_rules"
    )
