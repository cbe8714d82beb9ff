"""Identity by value: a trial is the sum of the hashes of its leaves, so that a changed leaf is one subtraction away.

A sum does not know in which order its parts came: reordering or extending axes keeps every identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
Leaves = Mapping[Path, Any]

MASK = (1 << 64) - 1


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks. 1, 1.0, true and "1" stay four different texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def split(key: str) -> Path:
    """A dotted key as a path."""
    return tuple(key.split("."))


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
    """An identity as it is written: 16 hexadecimal characters."""
    return f"{number & MASK:016x}"


class Base:
    """The leaves that every trial shares, and the weight that remains when the swept keys are taken out."""

    def __init__(self, leaves: Leaves, swept: tuple[str, ...]) -> None:
        paths = [split(key) for key in swept]
        self._below = {path: {p: v for p, v in leaves.items() if p[: len(path)] == path} for path in paths}
        taken = {p for below in self._below.values() for p in below}
        # An empty mapping above a swept key is not empty in any trial.
        taken |= {p for p in leaves if any(p == path[: len(p)] for path in paths)}
        self.rest = total({p: v for p, v in leaves.items() if p not in taken})

    def weigh_column(self, key: str, values: Iterable[Any]) -> Iterator[int]:
        """What each value of one key adds: as `weigh`, and five times as fast for the numbers of a long axis."""
        before = f"[{canonical(list(split(key)))},"
        for value in values:
            if type(value) is int:
                yield _number(f"{before}{value}]")
            else:
                yield self.weigh((key,), {key: value})

    def weigh(self, keys: tuple[str, ...], row: Mapping[str, Any]) -> int:
        """What a row adds: its values, and for the keys it leaves alone the base's own."""
        weight = 0
        for key in keys:
            below = self._below[split(key)]
            weight += total(overlay(below, split(key), row[key]) if key in row else below)
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
