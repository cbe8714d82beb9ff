"""Who is told of a sweep: one module per tracker, one row here; a user's own is an entry point of a package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.core.kinds import Registry
from sweeper.core.tracked import Tracker
from sweeper.errors import UsageError
from sweeper.tracking.command import Command
from sweeper.tracking.optuna_journal import OptunaJournal
from sweeper.tracking.webhook import Webhook

KINDS: Mapping[str, type[Tracker]] = {made.kind: made for made in (Webhook, Command, OptunaJournal)}
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
    """The secrets that these trackers hold; of an address also what follows its host, which errors repeat alone."""
    found = (getattr(tracker, option) for tracker in trackers for option in tracker.secrets)
    texts = [str(secret) for secret in found if secret is not None]
    return (*texts, *(path for text in texts if (path := text.partition("://")[2].partition("/")[2])))
