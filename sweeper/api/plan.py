"""What a run would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.commands.plan import told_of
from sweeper.core.as_json import plain
from sweeper.core.model import Sweep
from sweeper.show import notebook


@dataclass(frozen=True, repr=False)
class Plan:
    """What a run would do now, and what that would take: what `sweeper plan --json` tells. Nothing was sent."""

    told: Mapping[str, Any]
    """All of it, as `sweeper plan --json` prints it (docs/command-line.md)."""
    text: str
    """All of it as `sweeper plan` prints it for a person; `print(plan)` shows it."""

    @property
    def sweep(self) -> str:
        """The sweep's name."""
        return str(self.told["sweep"])

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return int(self.told["trials"])

    @property
    def done(self) -> int:
        """How many of them have run already and need not run again."""
        return int(self.told["done"])

    @property
    def left(self) -> int:
        """How many are left to run."""
        return int(self.told["left"])

    @property
    def order(self) -> Sequence[Mapping[str, Any]]:
        """The trials in the order in which they run: `trial`, `index` (from 1), `name`, `status`."""
        return list(self.told["order"])

    @property
    def requests(self) -> Sequence[Mapping[str, Any]]:
        """The CreateTrainingJob request of each trial that is left, secrets masked; empty unless it was asked for."""
        return list(self.told.get("requests", ()))

    @property
    def warnings(self) -> Sequence[str]:
        """What is allowed but worth a word."""
        return list(self.told["warnings"])

    @property
    def seconds(self) -> float | None:
        """How long the trials that are left would take at most, by the first estimate; None where nobody knows."""
        return self._first("seconds")

    @property
    def usd(self) -> float | None:
        """What that would cost at most on SageMaker, in USD; None where no price is known."""
        return self._first("usd")

    def _first(self, key: str) -> float | None:
        return next((one[key] for one in self.told["estimates"]), None)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Plan of {self.sweep}: {self.trials} trials, {self.done} done, {self.left} to run>"

    def _repr_html_(self) -> str:
        return notebook.text(self.text)


def plan_of(sweep: Sweep, *, requests: bool, every: bool) -> Plan:
    """The plan of a sweep: see `Sweep.plan`."""
    told, text = told_of(sweep, requests=requests, every=every)
    return Plan(plain(told), text)
