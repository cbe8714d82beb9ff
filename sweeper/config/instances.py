"""The instance types that SageMaker trains on, as far as they were known when this was written.

The list goes stale: a type that is not on it is worth a word, never a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config.problems import nearest
from sweeper.core.machines import choices

_SMALL = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"
_SEVENTH = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"
_EIGHTH = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge"
_FLEX = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"
_GPU = "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"

FAMILIES = {
    "t3": "medium large xlarge 2xlarge",
    "m4": "xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    "m5": "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    "m6i": f"{_SMALL} 32xlarge",
    "m7i": _SEVENTH,
    "m8i": _EIGHTH,
    "m7i-flex": _FLEX,
    "m8i-flex": _FLEX,
    "c4": "xlarge 2xlarge 4xlarge 8xlarge",
    "c5": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "c5n": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "c6i": f"{_SMALL.removeprefix('large ')} 32xlarge",
    "c7i": _SEVENTH,
    "c8i": _EIGHTH.removeprefix("large "),
    "c7i-flex": _FLEX.removeprefix("large "),
    "c8i-flex": _FLEX.removeprefix("large "),
    "r5": _SMALL,
    "r5d": _SMALL,
    "r6i": f"{_SMALL} 32xlarge",
    "r7i": _SEVENTH,
    "r8i": _EIGHTH,
    "r8i-flex": _FLEX,
    "g4dn": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "g5": _GPU,
    "g6": _GPU,
    "g6e": _GPU,
    "g7": "2xlarge 4xlarge 8xlarge 12xlarge 24xlarge 48xlarge",
    "g7e": "2xlarge 4xlarge 8xlarge 12xlarge 24xlarge 48xlarge",
    "p2": "xlarge 8xlarge 16xlarge",
    "p3": "2xlarge 8xlarge 16xlarge",
    "p3dn": "24xlarge",
    "p4d": "24xlarge",
    "p4de": "24xlarge",
    "p5": "4xlarge 48xlarge",
    "p5e": "48xlarge",
    "p5en": "48xlarge",
    "p6-b200": "48xlarge",
    "p6-b300": "48xlarge",
    "p6e-gb200": "36xlarge",
    "trn1": "2xlarge 32xlarge",
    "trn1n": "32xlarge",
    "trn2": "48xlarge",
}
KNOWN = [f"ml.{family}.{size}" for family, sizes in FAMILIES.items() for size in sizes.split()]


def unknown_type(name: str) -> str:
    """A word about an instance type that is not on the list, empty for one that is."""
    if name in KNOWN:
        return ""
    return f"{name} is not a training instance type known here{nearest(name, KNOWN)}"


def unknown_types(locked: Mapping[str, Any]) -> Iterator[str]:
    """The same about each type that a `locked` section asks for."""
    yield from filter(None, (unknown_type(one.instance_type) for one in choices(locked)))
