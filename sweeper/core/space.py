"""The declared trials as lazily indexed products of blocks: nothing is made beyond the axes until it is asked for."""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from sweeper.core.identity import MASK, Base, Leaves, canonical, split, text_of
from sweeper.core.model import Trial
from sweeper.core.space_rules import Rule, RuleError

LABEL_WIDTH = 32
MANY = 10_000
"""Rows beyond which their names are made only when asked for; the first ones tell whether a key differs."""
MEMO = 100_000
"""A rule is worked out once for each combination of the values it looks at, when they are not more than these."""

Rows = tuple[int, ...]
"""The number of a row in each block of a product."""
Bases = Callable[[Mapping[str, Any]], Leaves]
"""The leaves under a choice of config group options; the empty choice is the composed configuration itself."""


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
    name: str = ""


class RuleFailedError(ValueError):
    """A rule cannot be applied to a trial."""

    def __init__(self, rule: Rule, what: str) -> None:
        super().__init__(what)
        self.rule = rule


class Product:
    """One part: the last block turns fastest, as in `itertools.product`."""

    def __init__(self, part: Part, leaves: Bases, groups: frozenset[str]) -> None:
        self._leaves, self._groups = leaves, groups
        self._keys = tuple(dict.fromkeys(key for block in part.blocks for key in block.keys))
        self._bases: dict[str, Base] = {}
        self._cache: dict[str, list[Sequence[int]]] = {}
        self.declared = math.prod(len(block.rows) for block in part.blocks)
        self.repeated: list[str] = []
        self.blocks = [self._distinct(block) for block in part.blocks]
        self.dropped: Counter[Rule] = Counter(dict.fromkeys(part.rules, 0))
        self._size = math.prod(len(block.rows) for block in self.blocks)
        self._kept: array[int] | None = self._keep(part.rules) if part.rules else None
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
        numbers = (number & MASK for number in map(sum, itertools.product(*self._weights({}))))
        return numbers if self._kept is None else self._select(numbers)

    def drop(self, gone: set[int]) -> None:
        """Leave out the trials with these identities; they are declared before."""
        kept = range(self._size) if self._kept is None else self._kept
        self._kept = array("Q", (at for at, number in zip(kept, self.weigh_all(), strict=True) if number not in gone))

    # -- inside -----------------------------------------------------------------------------------------------

    def _every(self) -> Iterator[Rows]:
        return itertools.product(*(range(len(block.rows)) for block in self.blocks))

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
        base = self._base({})
        seen: dict[tuple[int, str], int] = {}
        again: Counter[int] = Counter()
        grouped = self._groups.intersection(block.keys)
        weights = self._column(base, block)
        if not grouped and _all_differ(weights):
            return block
        for position, (row, weight) in enumerate(zip(block.rows, weights, strict=True)):
            options = canonical({key: value for key, value in row.items() if key in grouped}) if grouped else ""
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
        """The positions of the product that no rule drops."""
        tests = [self._test(rule) for rule in rules]
        kept = array("Q")
        for at, rows in enumerate(self._every()):
            for rule, test in zip(rules, tests, strict=True):
                if test(rows):
                    self.dropped[rule] += 1
                    break
            else:
                kept.append(at)
        return kept

    def _test(self, rule: Rule) -> Callable[[Rows], bool]:
        """The rule as a question about rows, worked out once for each combination of those it looks at."""
        matters = [i for i, block in enumerate(self.blocks) if {*rule.keys, *self._groups}.intersection(block.keys)]
        memo: dict[Rows, bool] | None = {}
        if math.prod(len(self.blocks[i].rows) for i in matters) > MEMO:
            memo = None

        def test(rows: Rows) -> bool:
            if memo is None:
                return self._drops(rule, rows)
            key = tuple(rows[i] for i in matters)
            if key not in memo:
                memo[key] = self._drops(rule, rows)
            return memo[key]

        return test

    def _drops(self, rule: Rule, rows: Rows) -> bool:
        values = self.values(rows)
        leaves = self._leaves(self._chosen(rows)) if any(key not in values for key in rule.keys) else {}
        try:
            return rule.drops({key: values[key] if key in values else _under(leaves, key) for key in rule.keys})
        except RuleError as error:
            raise RuleFailedError(rule, str(error)) from None


def _under(leaves: Leaves, key: str) -> Any:
    """The base's value of a key that the trial does not set."""
    path = split(key)
    if path in leaves:
        return leaves[path]
    below: dict[str, Any] = {}
    for found, value in leaves.items():
        if found[: len(path)] == path:
            node = below
            for part in found[len(path) : -1]:
                node = node.setdefault(part, {})
            node[found[-1]] = value
    return below or None


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
        self._starts = [0, *itertools.accumulate(len(part) for part in self._parts)]
        self._names = labels([part.blocks for part in self._parts])

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
        """The identities alone, in order: what a plan of a million trials walks."""
        return map(text_of, itertools.chain.from_iterable(part.weigh_all() for part in self._parts))

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002 - the protocol's word
        """The trial with this identity; `index` is where it stood when it was last seen."""
        if 0 <= index < len(self) and self[index].id == id:
            return self[index]
        found = next((i for i, other in enumerate(self.ids()) if other == id), None)
        return None if found is None else self[found]

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


def _all_differ(numbers: Sequence[int]) -> bool:
    ordered = sorted(numbers)  # less than half the memory of a set
    return all(a != b for a, b in zip(ordered, itertools.islice(ordered, 1, None), strict=False))


def _has(numbers: array[int], number: int) -> bool:
    at = bisect_left(numbers, number)
    return at < len(numbers) and numbers[at] == number


def _sum(counters: Iterable[Counter[Rule]]) -> dict[Rule, int]:
    total: dict[Rule, int] = {}
    for counter in counters:
        for rule, count in counter.items():
            total[rule] = total.get(rule, 0) + count
    return total


# -- names ------------------------------------------------------------------------------------------------------


def written(row: Mapping[str, Any]) -> str:
    """A row as a person writes it."""
    return ", ".join(f"{key}={show(value)}" for key, value in row.items()) or "the unchanged base"


def show(value: Any) -> str:
    """A value as it stands in a label: text verbatim, everything else as JSON, cut when it is long."""
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= LABEL_WIDTH else text[: LABEL_WIDTH - 1] + "…"


def labels(parts: Sequence[Sequence[Block]]) -> list[list[Callable[[int], str]]]:
    """What names a row, for every block of every part: what differs, under the shortest key that is clear."""
    seen: dict[str, set[str]] = {key: set() for blocks in parts for block in blocks for key in block.keys}
    for blocks in parts:
        for key, found in seen.items():
            rows = [row for block in blocks if key in block.keys for row in block.rows[:MANY]]
            found.update(canonical(row[key]) if key in row else "" for row in rows or [{}])
    differing = [key for key, values in seen.items() if len(values) > 1] or list(seen)
    short = shorten(differing)
    return [[_labels_of(block, short) for block in blocks] for blocks in parts]


def _labels_of(block: Block, short: Mapping[str, str]) -> Callable[[int], str]:
    def name_of(row: int) -> str:
        values = block.rows[row]
        return ",".join(f"{short[key]}={show(values[key])}" for key in values if key in short)

    if block.labels:
        return block.labels.__getitem__
    if len(block.rows) > MANY:
        return name_of
    return [name_of(row) for row in range(len(block.rows))].__getitem__


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
