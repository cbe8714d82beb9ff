"""The receipt of a sweep, by its configuration: as it ran, and on every other backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper import backends
from sweeper.core.chain import Chain
from sweeper.core.costs import Rate
from sweeper.core.ports import Backend
from sweeper.core.receipt import Receipt, receipt
from sweeper.errors import UsageError


def of_sweep(config: Mapping[str, Any], chain: Chain, rate: Rate | None, *, simulated: bool) -> Receipt:
    """The receipt of a chain whose composed configuration this is, or may be: a stored one cannot always be read."""
    return receipt(config, chain, rate, _every(config), simulated=simulated)


def _every(config: Mapping[str, Any]) -> list[Backend]:
    """The sweep's own backend, then the others; none when its own is not known here."""
    try:
        own = backends.made(config["backend"])
    except (KeyError, TypeError, UsageError):
        return []
    others = (kind for kind in backends.KINDS if kind != own.kind)
    return [own, *(backends.instead(kind, config["backend"])[0] for kind in others)]
