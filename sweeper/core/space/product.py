"""One part of a space: a product of blocks, indexed lazily, without duplicates and without what its rules drop."""

from __future__ import annotations

import itertools
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sweeper.core.identity import MASK, Base, Leaves, canonical
from sweeper.core.space.applying import Condition, leaves_out
from sweeper.core.space.blocks import Block, Column, Part
from sweeper.core.space.names import written
from sweeper.core.space.rules import Rule

MEMO = 100_000
"""A rule is worked out once for each combination of the values it looks at, when they are not more than these."""

LONG = 10_000
"""A column of so many numbers is not copied, nor made of others."""

Rows = tuple[int, ...]
"""The number of a row in each block of a product."""
Bases = Callable[[Mapping[str, Any]], Leaves]
"""The leaves under a choice of config group options; the empty choice is the composed configuration itself."""


class Product:
    """One part: the last block turns fastest, as in `itertools.product`."""

    def __init__(self, part: Part, leaves: Bases, groups: frozenset[str]) -> None:
        self._leaves, self._groups, self._conditions = leaves, groups, part.conditions
        self._keys = tuple(dict.fromkeys(key for block in part.blocks for key in block.keys))
        self._bases: dict[str, Base] = {}
        self._cache: dict[str, list[Sequence[int]]] = {}
        self.declared = math.prod(len(block.rows) for block in part.blocks)
        self.repeated: list[str] = []
        self.blocks = [self._distinct(block) for block in part.blocks]
        self.dropped: Counter[Rule] = Counter(dict.fromkeys(part.rules, 0))
        self._size = math.prod(len(block.rows) for block in self.blocks)
        self._kept: array[int] | None = self._keep(part.rules) if part.rules or part.conditions else None
        self._weights({})  # now: what the outside decides must not change while the sweep runs

    def __len__(self) -> int:
        return self._size if self._kept is None else len(self._kept)

    def rows(self, index: int) -> Rows:
        """The rows of the trial at this index."""
        rest = index if self._kept is None else self._kept[index]
        rows = []
        for block in reversed(self.blocks):
            rest, row = divmod(rest, len(block.rows))
            rows.append(row)
        return tuple(reversed(rows))

    def __iter__(self) -> Iterator[Rows]:
        return self._every() if self._kept is None else self._select(self._every())

    def values(self, rows: Rows) -> dict[str, Any]:
        """What these rows set."""
        values: dict[str, Any] = {}
        for block, row in zip(self.blocks, rows, strict=True):
            values.update(block.rows[row])
        return values

    def weight(self, rows: Rows) -> int:
        """The identity of these rows as a number."""
        weights = self._weights(self._chosen(rows) if self._groups else {})
        return (sum(column[row] for column, row in zip(weights[1:], rows, strict=True)) + weights[0][0]) & MASK

    def weigh_all(self) -> Iterator[int]:
        """The identities of all trials in order, as numbers: much faster than one by one."""
        if self._groups:
            return (self.weight(rows) for rows in self)
        numbers = _sums(self._weights({}))
        return numbers if self._kept is None else self._select(numbers)

    def drop(self, gone: set[int]) -> None:
        """Leave out the trials with these identities; they are declared before."""
        kept = range(self._size) if self._kept is None else self._kept
        self._kept = array("Q", (at for at, number in zip(kept, self.weigh_all(), strict=True) if number not in gone))

    # -- inside -----------------------------------------------------------------------------------------------

    def _every(self) -> Iterator[Rows]:
        return _product([range(len(block.rows)) for block in self.blocks])

    def _select(self, every: Iterator[Any]) -> Iterator[Any]:
        before = -1
        for at in self._kept if self._kept is not None else ():
            yield next(itertools.islice(every, at - before - 1, None))
            before = at

    def _chosen(self, rows: Rows) -> dict[str, Any]:
        return {key: value for key, value in self.values(rows).items() if key in self._groups}

    def _base(self, chosen: Mapping[str, Any]) -> Base:
        known = canonical(chosen)
        if known not in self._bases:
            self._bases[known] = Base(self._leaves(chosen), tuple(key for key in self._keys if key not in self._groups))
        return self._bases[known]

    def _weights(self, chosen: Mapping[str, Any]) -> list[Sequence[int]]:
        """What the base and each row of each block add to the sum, under these group options."""
        known = canonical(chosen) if chosen else ""
        if known not in self._cache:
            base = self._base(chosen)
            self._cache[known] = [[base.rest], *(self._column(base, block) for block in self.blocks)]
        return self._cache[known]

    def _column(self, base: Base, block: Block) -> Sequence[int]:
        """What each row of a block adds."""
        keys = tuple(key for key in block.keys if key not in self._groups)
        if keys and isinstance(block.rows, Column):
            return array("Q", base.weigh_column(block.rows.key, block.rows.values))
        return array("Q", (base.weigh(keys, row) for row in block.rows))

    def _distinct(self, block: Block) -> Block:
        """The block without rows that say the same again. Blocks share no key, so within a block is enough."""
        if isinstance(block.rows, Column) and isinstance(block.rows.values, range):
            return block  # numbers that differ by construction
        base = self._base({})
        seen: dict[tuple[int, str], int] = {}
        again: Counter[int] = Counter()
        grouped = self._groups.intersection(block.keys)
        weights = self._column(base, block)
        if not grouped and _all_differ(weights):
            return block
        conditional = self._conditions.keys.intersection(block.keys)
        for position, (row, weight) in enumerate(zip(block.rows, weights, strict=True)):
            options = canonical({key: value for key, value in row.items() if key in grouped}) if grouped else ""
            if not conditional.isdisjoint(row):
                options += "there"  # as it would be without it, and yet not left out
            first = seen.setdefault((weight, options), position)
            if first != position:
                again[first] += 1
        kept = list(seen.values())
        for position, times in again.items():
            told = block.labels[position] if block.labels else written(block.rows[position])
            self.repeated.append(f"{told} stands {times + 1} times")
        names = [block.labels[i] for i in kept] if block.labels else ()
        return Block([block.rows[i] for i in kept], names)

    def _keep(self, rules: Sequence[Rule]) -> array[int]:
        """The positions of the product that are trials by the conditions, and that no rule drops."""
        impossible = [self._test(one, partial(self._disagrees, one)) for one in self._conditions.ordered]
        tests = [self._test(rule, partial(self._drops, rule)) for rule in rules]
        kept = array("Q")
        for at, rows in enumerate(self._every()):
            if any(test(rows) for test in impossible):
                self.declared -= 1
                continue
            for rule, test in zip(rules, tests, strict=True):
                if test(rows):
                    self.dropped[rule] += 1
                    break
            else:
                kept.append(at)
        return kept

    def _test(self, asked: Rule | Condition, answer: Callable[[Rows], bool]) -> Callable[[Rows], bool]:
        """A question about rows, worked out once for each combination of those it looks at."""
        looks_at = {*asked.keys, *self._groups}
        matters = [i for i, block in enumerate(self.blocks) if looks_at.intersection(block.keys)]
        memo: dict[Rows, bool] | None = {}
        if math.prod(len(self.blocks[i].rows) for i in matters) > MEMO:
            memo = None

        def test(rows: Rows) -> bool:
            if memo is None:
                return answer(rows)
            key = tuple(rows[i] for i in matters)
            if key not in memo:
                memo[key] = answer(rows)
            return memo[key]

        return test

    def _drops(self, rule: Rule, rows: Rows) -> bool:
        return leaves_out(rule, self.values(rows), lambda: self._leaves(self._chosen(rows)), self._conditions.keys)

    def _disagrees(self, condition: Condition, rows: Rows) -> bool:
        values = self.values(rows)
        there = self._conditions.holds(condition, values, lambda: self._leaves(self._chosen(rows)))
        return (condition.key in values) is not there


def _product(columns: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """As itertools.product, which keeps a tuple of every column: the longest one is only walked when it is long."""
    at = max(range(len(columns)), key=lambda column: len(columns[column]), default=0)
    if not columns or len(columns[at]) < LONG:
        return itertools.product(*columns)
    before, after = columns[:at], columns[at + 1 :]
    return (
        (*head, number, *tail)
        for head in itertools.product(*before)
        for number in columns[at]
        for tail in itertools.product(*after)
    )


def _sums(columns: Sequence[Sequence[int]]) -> Iterator[int]:
    """What each row of a product comes to, in 64 bits: what its last columns add is worked out once."""
    last = len(columns) - 1
    while last and math.prod(map(len, columns[last - 1 :])) <= LONG:
        last -= 1
    ends = columns[last:]
    added = ends[0] if len(ends) == 1 else array("Q", (sum(row) & MASK for row in itertools.product(*ends)))
    for start in map(sum, _product(columns[:last])):
        yield from ((start + end) & MASK for end in added)


def _all_differ(numbers: Sequence[int]) -> bool:
    ordered = sorted(numbers)  # less than half the memory of a set
    return all(a != b for a, b in zip(ordered, itertools.islice(ordered, 1, None), strict=False))
