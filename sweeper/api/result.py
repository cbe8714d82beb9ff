"""What a run has come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.api.rows import Best, Rows, best_told
from sweeper.core.words import counted
from sweeper.show import notebook


@dataclass(frozen=True, repr=False)
class Result:
    """What a run has come to; every pool was seen to close."""

    told: Mapping[str, Any]
    """All of it, as `sweeper +experiment=NAME --json` prints it (docs/command-line.md)."""
    rows: Rows
    """Every trial."""
    warnings: Sequence[str] = ()
    """What was worth a word: of the experiment before it ran, and of trackers that could not be told."""

    @property
    def exit_code(self) -> int:
        """What the command line would have ended with: 0; 1, a trial failed or lacks its metric; 5, the budget."""
        return int(self.told["exit_code"])

    @property
    def ok(self) -> bool:
        """True for exit code 0."""
        return self.exit_code == 0

    @property
    def ended_by(self) -> str:
        """`done`: every trial is. The name of the rule that ended it, such as `until`; else `request`, `lease_lost`."""
        ended = self.told["ended_by"]
        return (ended["rule"] or ended["by"]) if ended else ""

    @property
    def why(self) -> str:
        """The same in a sentence."""
        ended = self.told["ended_by"]
        return ended["why"] if ended else ""

    @property
    def best(self) -> Best | None:
        """The best trial; None without an objective, and where none has completed."""
        return best_told(self.told["best"]) if self.told["best"] else None

    @property
    def counts(self) -> Mapping[str, int]:
        """How many trials are what, by status."""
        counts: Mapping[str, int] = self.told["counts"]
        return counts

    @property
    def cost_usd(self) -> float | None:
        """USD of all jobs; on the local engine what they would cost on SageMaker. None where no price is known."""
        usd: float | None = self.told["cost"]["usd"]
        return usd

    @property
    def folder(self) -> Path:
        """Where journal, tables, logs and report are."""
        return Path(self.told["folder"])

    def to_pandas(self) -> Any:
        """The rows as a DataFrame: see Rows.to_pandas."""
        return self.rows.to_pandas()

    def __str__(self) -> str:
        told = ", ".join(f"{number} {status}" for status, number in self.counts.items() if number)
        best = f"; best {self.best}" if self.best else ""
        return f"{self.told['sweep']}: {counted(len(self.rows), 'trial')} ({told}), ended by {self.ended_by}{best}"

    def __repr__(self) -> str:
        return f"<Result of {self}>"

    def _repr_html_(self) -> str:
        return notebook.text(str(self)) + self.rows._repr_html_()
