"""What a space is made of: blocks of rows, and the parts that multiply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

from sweeper.core.space.applying import Conditions
from sweeper.core.space.rules import Rule


class Column(Sequence[Mapping[str, Any]]):
    """The rows of an axis: one key and its values. A row is made when it is looked at."""

    def __init__(self, key: str, values: Sequence[Any]) -> None:
        self.key, self.values = key, values

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Column: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Column:
        if isinstance(index, slice):
            return Column(self.key, self.values[index])
        return {self.key: self.values[index]}


@dataclass(frozen=True)
class Block:
    """One dimension of a product: the values of a row are set together."""

    rows: Sequence[Mapping[str, Any]]
    labels: Sequence[str] = ()
    """A name for each row, where the rows have names (points)."""

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys that its rows set, in order of first appearance."""
        if isinstance(self.rows, Column):
            return (self.rows.key,) if len(self.rows) else ()
        return tuple(dict.fromkeys(key for row in self.rows for key in row))


@dataclass(frozen=True)
class Part:
    """A product of blocks without the combinations that its rules drop. A space is one part after another."""

    blocks: Sequence[Block]
    rules: Sequence[Rule] = ()
    conditions: Conditions = field(default_factory=Conditions)
    """Which of its parameters are there for which trials; their blocks have a row without them."""
    name: str = ""
