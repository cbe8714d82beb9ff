"""The backend of drawn sweeps, as the words of a command line say it: `backend=batch backend.max_in_flight=8`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from sweeper import backends
from sweeper.config.check import findings
from sweeper.config.problems import dotted
from sweeper.config.schema import backend_schema
from sweeper.core.options import defaults_of
from sweeper.core.ports import Backend
from sweeper.errors import UsageError
from sweeper.simulation.drawn import JOB, LOCKED
from sweeper.simulation.queued import QUEUE

PREFIX = "backend"
_OTHERWISE: dict[str, Any] = {
    "locked": LOCKED,
    "job": JOB,
    "pool": {"keep_alive_s": 0},
}
"""What a drawn sweep says elsewhere, as a backend asks for it."""


def is_all(words: Sequence[str]) -> bool:
    """Do these words say a backend, and nothing else? Then the sweeps on it are drawn."""
    return all(word.partition("=")[0].split(".")[0] == PREFIX for word in words)


def with_queue(words: Sequence[str]) -> list[str]:
    """The same words; a queue that is not named is one that is made for the simulation."""
    named = any(word.startswith("backend.queue=") for word in words)
    through = f"{PREFIX}=batch" in words
    return [*words, *([f"backend.queue={QUEUE}"] if through and not named else [])]


def said(words: Sequence[str]) -> Backend:
    """The backend that they say. Raises UsageError with all that is wrong with them."""
    told = dict(word.partition("=")[::2] for word in with_queue(words))
    kind = told.pop(PREFIX, backends.DEFAULT)
    options = {key.removeprefix(f"{PREFIX}."): yaml.safe_load(value) for key, value in told.items()}
    section = {"kind": kind, **options}
    wrong = findings(section, backend_schema(kind), (PREFIX,))
    if not wrong:
        backend = backends.made({"kind": kind, **defaults_of(backends.kind_of(kind)), **options})
        wrong = list(backend.refused({**_OTHERWISE, PREFIX: section}))
    if wrong:
        raise UsageError("\n".join(f"command line: {dotted(path)}: {what}" for path, what in wrong))
    return backend
