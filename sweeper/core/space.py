"""The declared trials as a lazily indexed product of blocks: nothing is made beyond the axes until it is asked for."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.core.identity import MASK, Base, canonical, text_of
from sweeper.core.model import Trial

LABEL_WIDTH = 32


@dataclass(frozen=True)
class Block:
    """One dimension of the product: the values of a row are set together."""

    rows: Sequence[Mapping[str, Any]]
    labels: Sequence[str] = ()
    """A name for each row, where the rows have names (points)."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that its rows set, in order of first appearance."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row))


Bases = Callable[[Mapping[str, Any]], Base]
"""The base that a choice of config group options gives; the empty choice gives the composed configuration itself."""


class Space:
    """The trials of a sweep in declared order: the last block turns fastest, as in `itertools.product`."""

    def __init__(self, blocks: Sequence[Block], bases: Bases, groups: frozenset[str] = frozenset()) -> None:
        self._bases = bases
        self._unchanged = bases({})  # now, once: what the outside decides must not change while the sweep runs
        self._groups = groups
        self._cache: dict[str, list[list[int]]] = {}
        self.keys: tuple[str, ...] = tuple(dict.fromkeys(key for block in blocks for key in block.keys))
        self.declared = math.prod(len(block.rows) for block in blocks)
        """How many trials were written down, duplicates included."""
        self.duplicates: tuple[str, ...] = ()
        """What stands twice, in words: of trials with equal identity only the first counts."""
        self._blocks = [self._distinct(block) for block in blocks]
        self._len = math.prod(len(block.rows) for block in self._blocks)
        self._names = labels(self._blocks)

    def __len__(self) -> int:
        return self._len

    def __getitem__(self, index: int, /) -> Trial:
        if not -self._len <= index < self._len:
            raise IndexError(index)
        index %= self._len
        rest, rows = index, []
        for block in reversed(self._blocks):
            rest, row = divmod(rest, len(block.rows))
            rows.append(row)
        return self._trial(index, tuple(reversed(rows)))

    def __iter__(self) -> Iterator[Trial]:
        for index, rows in enumerate(self._positions()):
            yield self._trial(index, rows)

    def ids(self) -> Iterator[str]:
        """The identities alone, in order: what a plan of a million trials walks."""
        if self._groups:
            return (text_of(self._weight(rows)) for rows in self._positions())
        return map(text_of, map(sum, itertools.product(*self._weights({}))))

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002 - the protocol's word
        """The trial with this identity; `index` is where it stood when it was last seen."""
        if 0 <= index < self._len and self[index].id == id:
            return self[index]
        found = next((i for i, other in enumerate(self.ids()) if other == id), None)
        return None if found is None else self[found]

    # -- inside -----------------------------------------------------------------------------------------------

    def _positions(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*(range(len(block.rows)) for block in self._blocks))

    def _trial(self, index: int, rows: tuple[int, ...]) -> Trial:
        values: dict[str, Any] = {}
        for block, row in zip(self._blocks, rows, strict=True):
            values.update(block.rows[row])
        name = ",".join(part for names, row in zip(self._names, rows, strict=True) if (part := names[row]))
        return Trial(index, text_of(self._weight(rows)), name or "base", values)

    def _weight(self, rows: tuple[int, ...]) -> int:
        weights = self._weights(self._chosen(rows) if self._groups else {})
        return sum(column[row] for column, row in zip(weights[1:], rows, strict=True)) + weights[0][0]

    def _chosen(self, rows: tuple[int, ...]) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for block, row in zip(self._blocks, rows, strict=True):
            chosen.update({key: value for key, value in block.rows[row].items() if key in self._groups})
        return chosen

    def _weights(self, chosen: Mapping[str, Any]) -> list[list[int]]:
        """What the base and each row of each block add to the sum, under these group options."""
        known = canonical(chosen) if chosen else ""
        if known not in self._cache:
            base = self._bases(chosen) if chosen else self._unchanged
            columns = [[self._row(base, block, row) for row in block.rows] for block in self._blocks]
            self._cache[known] = [[base.rest], *columns]
        return self._cache[known]

    def _row(self, base: Base, block: Block, row: Mapping[str, Any]) -> int:
        return base.weigh(tuple(key for key in block.keys if key not in self._groups), row)

    def _distinct(self, block: Block) -> Block:
        """The block without rows that say the same again. Blocks share no key, so within a block is enough."""
        base = self._unchanged
        seen: dict[tuple[int, str], int] = {}
        again: Counter[int] = Counter()
        for position, row in enumerate(block.rows):
            options = {key: value for key, value in row.items() if key in self._groups}
            first = seen.setdefault((self._row(base, block, row) & MASK, canonical(options)), position)
            again[first] += first != position
        kept = list(seen.values())
        for position, times in again.items():
            if times:
                self.duplicates += (f"{written(block.rows[position])} stands {times + 1} times",)
        names = [block.labels[i] for i in kept] if block.labels else ()
        return Block([block.rows[i] for i in kept], names)


def written(row: Mapping[str, Any]) -> str:
    """A row as a person writes it."""
    return ", ".join(f"{key}={show(value)}" for key, value in row.items()) or "the unchanged base"


def show(value: Any) -> str:
    """A value as it stands in a label: text verbatim, everything else as JSON, cut when it is long."""
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= LABEL_WIDTH else text[: LABEL_WIDTH - 1] + "…"


def labels(blocks: Sequence[Block]) -> list[list[str]]:
    """A short name for every row of every block: only what differs, under the shortest key that is clear."""
    varying = [b for b in blocks if len(b.rows) > 1]
    shown = varying or list(blocks)
    differing = [key for block in shown for key in block.keys if not varying or _differs(block, key)]
    short = shorten(differing)
    return [
        list(block.labels)
        if block.labels
        else [
            ",".join(f"{short[key]}={show(row[key])}" for key in row if key in short) if block in shown else ""
            for row in block.rows
        ]
        for block in blocks
    ]


def _differs(block: Block, key: str) -> bool:
    return len({canonical(row[key]) if key in row else "" for row in block.rows}) > 1


def shorten(keys: Sequence[str]) -> dict[str, str]:
    """Each dotted key cut to its last parts, as many as it takes to tell it from the others."""
    short: dict[str, str] = {}
    for key in keys:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            short[key] = ".".join(parts[-count:])
            if sum(other == key or other.endswith("." + short[key]) for other in keys) == 1:
                break
    return short
