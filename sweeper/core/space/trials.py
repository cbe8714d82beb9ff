"""The declared trials in order, one product after another: nothing is made beyond the axes until it is asked for."""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sweeper.core.identity import MASK, WRITTEN, text_of
from sweeper.core.model import Trial
from sweeper.core.space.blocks import Part
from sweeper.core.space.names import labels
from sweeper.core.space.product import Bases, Product, Rows
from sweeper.core.space.rules import Rule


class Space:
    """The trials of a sweep in declared order."""

    def __init__(self, parts: Sequence[Part], leaves: Bases, groups: frozenset[str] = frozenset()) -> None:
        self._parts = [Product(part, leaves, groups) for part in parts]
        self.keys: tuple[str, ...] = tuple(dict.fromkeys(k for part in parts for b in part.blocks for k in b.keys))
        """The free parameters in order of first appearance."""
        self.declared = sum(part.declared for part in self._parts)
        """How many trials were written down, duplicates and excluded ones included."""
        self.duplicates: tuple[str, ...] = tuple(line for part in self._parts for line in part.repeated)
        """What stands twice, in words: of trials with equal identity only the first counts."""
        self._drop_what_came_before([part.name for part in parts])
        self.excluded: tuple[tuple[Rule, int], ...] = tuple(_sum(part.dropped for part in self._parts).items())
        """The rules, and how many trials each of them leaves out."""
        self.unmet = tuple(
            one
            for part, product in zip(parts, self._parts, strict=True)
            for one in part.conditions.ordered
            if not any(one.key in product.values(rows) for rows in product)
        )
        """The conditions that no trial meets: their parameters vary nowhere."""
        self._starts = [0, *itertools.accumulate(len(part) for part in self._parts)]
        self._names = labels([part.blocks for part in self._parts])
        self._found: dict[str, Trial | None] = {}
        self._numbers: array[int] | None = None

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int, /) -> Trial:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        part = bisect_right(self._starts, index) - 1
        rows = self._parts[part].rows(index - self._starts[part])
        return self._trial(index, part, rows, self._parts[part].weight(rows))

    def __iter__(self) -> Iterator[Trial]:
        index = itertools.count()
        for at, part in enumerate(self._parts):
            for rows, number in zip(part, part.weigh_all(), strict=True):
                yield self._trial(next(index), at, rows, number)

    def ids(self) -> Iterator[str]:
        """The identities alone, in order: what a plan of millions of trials walks."""
        return map(WRITTEN.__mod__, itertools.chain.from_iterable(part.weigh_all() for part in self._parts))

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002 - the protocol's word
        """The trial with this identity; `index` is where it stood when it was last seen."""
        if id not in self._found:  # asked for at every decision, of every trial that has ended
            hint = self[index] if 0 <= index < len(self) else None
            self._found[id] = hint if hint and hint.id == id else self._search(id)
        return self._found[id]

    def _search(self, id: str) -> Trial | None:  # noqa: A002 - the protocol's word
        if self._numbers is None:
            weights = itertools.chain.from_iterable(part.weigh_all() for part in self._parts)
            self._numbers = array("Q", (number & MASK for number in weights))
        try:
            return self[self._numbers.index(int(id, 16))]
        except (ValueError, OverflowError):  # no such number, or no number at all
            return None

    def _trial(self, index: int, at: int, rows: Rows, number: int) -> Trial:
        parts = [name_of(row) for name_of, row in zip(self._names[at], rows, strict=True)]
        name = ",".join(part for part in parts if part)
        return Trial(index, text_of(number), name or "base", self._parts[at].values(rows))

    def _drop_what_came_before(self, names: Sequence[str]) -> None:
        """Between parts no key tells duplicates apart: their identities are compared, eight bytes each."""
        before: list[array[int]] = []
        for name, part in zip(names, self._parts, strict=True):
            if before:
                gone = {number for number in part.weigh_all() if any(_has(numbers, number) for numbers in before)}
                if gone:
                    part.drop(gone)
                    times = f"{len(gone)} trial{'s' if len(gone) > 1 else ''}"
                    self.duplicates += (f"{times} of {name} came before",)
            if len(self._parts) > 1:
                before.append(array("Q", sorted(part.weigh_all())))


def _has(numbers: array[int], number: int) -> bool:
    at = bisect_left(numbers, number)
    return at < len(numbers) and numbers[at] == number


def _sum(counters: Iterable[Counter[Rule]]) -> dict[Rule, int]:
    total: dict[Rule, int] = {}
    for counter in counters:
        for rule, count in counter.items():
            total[rule] = total.get(rule, 0) + count
    return total
