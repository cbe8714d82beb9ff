"""Identity by value: a trial is the sum of the hashes of its leaves, so that a changed leaf is one subtraction away.

A sum does not know in which order its parts came: reordering or extending axes keeps every identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
Leaves = Mapping[Path, Any]

MASK = (1 << 64) - 1
WRITTEN = "%016x"
"""An identity as it is written: 16 hexadecimal characters."""
DEPENDENCIES = "dependencies"
"""The section whose keys are the names of distributions, which may have dots (`ruamel.yaml`)."""


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks. 1, 1.0, true and "1" stay four different texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def path_of(key: str, holds: Callable[[Path], bool]) -> Path:
    """A dotted key as a path; `holds` tells whether there is something at a path.

    The longest name that is there goes first: a hyperparameter may be called `trainer.lr`. A distribution's name under
    `dependencies` is one name, with all its dots.
    """
    first, *rest = key.split(".")
    if first == DEPENDENCIES and rest:
        return first, ".".join(rest)
    path: Path = (first,)
    while rest:
        longer = range(len(rest), 1, -1)
        count = next((count for count in longer if holds((*path, ".".join(rest[:count])))), 1)
        path, rest = (*path, ".".join(rest[:count])), rest[count:]
    return path


def within(tree: Any) -> Callable[[Path], bool]:
    """What `path_of` asks, of nested mappings."""

    def holds(path: Path) -> bool:
        node = tree
        for part in path:
            if not isinstance(node, Mapping) or part not in node:
                return False
            node = node[part]
        return True

    return holds


def above(leaves: Iterable[Path]) -> Callable[[Path], bool]:
    """What `path_of` asks, of the paths of leaves."""
    return {path[:length] for path in leaves for length in range(1, len(path) + 1)}.__contains__


def flatten(node: Any, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf below `node` with its path. A list is a leaf; so is an empty mapping."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from flatten(value, (*prefix, str(key)))
    else:
        yield prefix, node


def weigh(path: Path, value: Any) -> int:
    """The number a leaf adds. What is not set adds nothing, so a new optional field changes no identity."""
    if value is None or (value == {} and path[:1] != ("hyperparameters",)) or (value == {} and len(path) == 1):
        return 0
    return _number(f"[{canonical(list(path))},{canonical(value)}]")


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def total(leaves: Leaves) -> int:
    """The sum over all leaves."""
    return sum(weigh(path, value) for path, value in leaves.items()) & MASK


def text_of(number: int) -> str:
    """An identity as it is written."""
    return WRITTEN % (number & MASK)


class Base:
    """The leaves that every trial shares, and the weight that remains when the swept keys are taken out."""

    def __init__(self, leaves: Leaves, swept: tuple[str, ...]) -> None:
        holds = above(leaves)
        self._paths = {key: path_of(key, holds) for key in swept}
        paths = list(self._paths.values())
        self._below = {path: {p: v for p, v in leaves.items() if p[: len(path)] == path} for path in paths}
        taken = {p for below in self._below.values() for p in below}
        # An empty mapping above a swept key is not empty in any trial.
        taken |= {p for p in leaves if any(p == path[: len(p)] for path in paths)}
        self.rest = total({p: v for p, v in leaves.items() if p not in taken})

    def weigh_column(self, key: str, values: Iterable[Any]) -> Iterator[int]:
        """What each value of one key adds: as `weigh`, and five times as fast for the numbers of a long axis."""
        before = f"[{canonical(list(self._paths[key]))},"
        for value in values:
            if type(value) is int:
                yield _number(f"{before}{value}]")
            else:
                yield self.weigh((key,), {key: value})

    def weigh(self, keys: tuple[str, ...], row: Mapping[str, Any]) -> int:
        """What a row adds: its values, and for the keys it leaves alone the base's own."""
        weight = 0
        for key in keys:
            path = self._paths[key]
            below = self._below[path]
            weight += total(overlay(below, path, row[key]) if key in row else below)
        return weight & MASK


def overlay(below: Leaves, path: Path, value: Any) -> Leaves:
    """The leaves after `value` is set at `path`: a mapping is merged, anything else replaces."""
    leaves = dict(below)
    for at, leaf in flatten(value, path):
        if leaf == {} and any(p[: len(at)] == at for p in leaves):
            continue  # merging an empty mapping changes nothing
        for other in [p for p in leaves if p[: len(at)] == at or at[: len(p)] == p]:
            del leaves[other]
        leaves[at] = leaf
    return leaves
