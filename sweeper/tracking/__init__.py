"""Who is told of a sweep: one module per tracker, one row here; a user's own is an entry point of a package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from sweeper.core.kinds import Registry
from sweeper.core.tracked import Tracker
from sweeper.errors import UsageError
from sweeper.tracking.command import Command
from sweeper.tracking.mlflow import MLflow
from sweeper.tracking.optuna_journal import OptunaJournal
from sweeper.tracking.tensorboard import TensorBoard
from sweeper.tracking.wandb import Wandb
from sweeper.tracking.webhook import Webhook

OURS: tuple[type[Tracker], ...] = (Webhook, Command, OptunaJournal, MLflow, Wandb, TensorBoard)
KINDS: Mapping[str, type[Tracker]] = {str(made.kind): made for made in OURS}
"""The trackers that come with sweeper, by the name that an experiment says."""
GROUP = "sweeper.trackers"
"""The entry points of a user's own trackers."""
TRACKERS = Registry("tracker", KINDS, GROUP, Tracker, called="kind")
kind_of = TRACKERS.of
"""The dataclass of a kind; a user's own is looked for when its name is said. Raises UsageError."""


def made(config: Mapping[str, Any]) -> tuple[Tracker, ...]:
    """The trackers of this resolved configuration: those it names, and those that need not be. Raises UsageError."""
    named: Mapping[str, Any] = config.get("trackers") or {}
    unasked: Mapping[str, Any] = {name: {} for name, kind in KINDS.items() if kind.unasked(config)}
    return tuple(_made(name, options) for name, options in {**unasked, **named}.items() if options is not None)


def missing(name: str) -> str:
    """What pip is to install before this kind can be used; empty when nothing is missing. Raises UsageError."""
    needed = str(getattr(kind_of(name), "needs", ""))
    if not needed or find_spec(needed):
        return ""
    return f"sweeper[{name}]" if name in KINDS else needed


def _made(name: str, options: Mapping[str, Any]) -> Tracker:
    try:
        return kind_of(name)(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"trackers.{name} cannot be made of {', '.join(options) or 'no options'}: {error}") from error


def secret_keys(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(tracker, option) of every secret that may stand in a `trackers` section. Raises UsageError."""
    for name, options in section.items():
        if isinstance(options, Mapping):
            asked: type[Any] = kind_of(name)
            yield from ((name, option) for option in asked.secrets if option in options)


def secrets_of(trackers: Iterable[Tracker]) -> tuple[str, ...]:
    """The secrets that these trackers hold; of an address also what follows its host, which errors repeat alone.

    And those that their packages take from the environment: of an address there who asks, and what follows a `?`.
    """
    trackers = tuple(trackers)
    found = (getattr(tracker, option) for tracker in trackers for option in tracker.secrets)
    texts = [str(secret) for secret in found if secret is not None]
    paths = (path for text in texts if (path := text.partition("://")[2].partition("/")[2]))
    names = (name for tracker in trackers for name in getattr(tracker, "variables", ()))
    return (*texts, *paths, *(secret for name in names for secret in _within(os.environ.get(name, ""))))


def _within(text: str) -> Iterable[str]:
    """What is secret in the value of a variable: all of it, unless it is an address."""
    if "://" not in text:
        return (text,)
    who, at, _ = text.partition("://")[2].rpartition("@")
    return (*((who, who.partition(":")[2]) if at else ()), text.partition("?")[2])
