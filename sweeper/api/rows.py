"""The trials of a sweep as rows, and the best of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, overload

from sweeper.core.results import Results
from sweeper.errors import UsageError
from sweeper.show import notebook
from sweeper.show.plain import shown
from sweeper.show.table import MOST_ROWS, headings, texts

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]


class Rows(Sequence[Row]):
    """The rows of results.csv: a dict for each declared trial, in their order, and then those not declared any more.

    Values are Python's own: what is not known is None, and a metric that was no number is `nan`. The columns, and what
    each of them means, are those of docs/results.md. In a notebook the last line of a cell shows them as a table.
    """

    def __init__(self, table: Results, keys: Sequence[str] = (), best: str | None = None) -> None:
        self._table, self._keys, self._best = table, tuple(keys), best

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order; every row has all of them."""
        return self._table.columns

    def __len__(self) -> int:
        return len(self._table.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        found = self._table.rows[index]
        return [self._whole(row) for row in found] if isinstance(found, tuple) else self._whole(found)

    def __iter__(self) -> Iterator[Row]:
        return (self._whole(row) for row in self._table.rows)

    def _whole(self, row: Mapping[str, Any]) -> Row:
        return {column: row.get(column) for column in self.columns}

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame with these columns, the times as times. Raises UsageError where pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError:
            told = "to_pandas: pandas is not installed; pip install 'sweeper[notebook]', or pandas alone"
            raise UsageError(told) from None
        frame = pandas.DataFrame(list(self), columns=list(self.columns))
        for column in ("started_at", "ended_at"):
            frame[column] = pandas.to_datetime(frame[column], utc=True)
        return frame

    def __repr__(self) -> str:
        return f"<{len(self)} rows: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        heads, rows = headings(self._table, self._keys), self._table.declared[:MOST_ROWS]
        best = next((n for n, row in enumerate(rows) if row["trial"] == self._best), None)
        more = len(self._table.declared) - len(rows)
        return notebook.table(heads.values(), texts(rows, heads), best) + (f"... and {more} more" if more else "")


@dataclass(frozen=True)
class Best:
    """The best trial so far. Where trials are repeated: the best one of the best group, which `group` tells of."""

    trial: str
    """Its id."""
    number: int | None
    """From 1; None for a trial that is not declared any more."""
    name: str
    metric: str
    goal: str
    """`maximize` or `minimize`."""
    value: float
    """Of the objective's metric."""
    values: Mapping[str, Any]
    """Its free parameters, by dotted key."""
    model: str | None
    """Where its model is; `sweeper pull NAME best` brings it."""
    group: Mapping[str, Any] | None = None
    """What it was chosen by, where trials are repeated: name, over, value, deviation, n, trials."""

    def __str__(self) -> str:
        return f"{self.name}: {self.metric} = {shown(self.value)} ({self.goal})"

    def _repr_html_(self) -> str:
        cells = {"best": self.name, self.metric: self.value, **self.values}
        return notebook.table(cells, [list(map(shown, cells.values()))])


def best_told(told: Mapping[str, Any]) -> Best:
    """What programs are told of the best trial, with its values as numbers."""
    group = told["group"]
    numbers = {"value": float(told["value"]), "group": group and {**group, "value": float(group["value"])}}
    return Best(**{**{one.name: told[one.name] for one in fields(Best)}, **numbers})
