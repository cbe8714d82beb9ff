"""What the composed configuration of a stored sweep says, as far as it can still be read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sweeper.backends import DEFAULT, interrupts, keeps_pool, made
from sweeper.core import stop
from sweeper.core.costs import Rate, rate
from sweeper.core.model import MetricDefinition, Objective, machines
from sweeper.core.options import from_section
from sweeper.core.ports import StopRule
from sweeper.core.space.declared import seed_key
from sweeper.errors import UsageError


class Composed:
    """A configuration that was composed once, maybe by another version, secrets masked; empty when it is lost."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def _section(self, name: str) -> Mapping[str, Any]:
        return self._config.get(name) or {}

    @property
    def objective(self) -> Objective | None:
        """The metric that the sweep is after."""
        declared = self._section("objective")
        return from_section(Objective, declared) if declared else None

    @property
    def metrics(self) -> list[MetricDefinition]:
        """What is read of a job's log."""
        metrics = self._section("job").get("metrics") or []
        return [MetricDefinition(str(metric["name"]), str(metric["regex"])) for metric in metrics]

    @property
    def hosts(self) -> int:
        """How many machines a job has."""
        return machines(self._section("locked"))

    @property
    def queue(self) -> str | None:
        """The AWS Batch queue that jobs go through."""
        try:
            through = made(self._config["backend"]).through
        except (KeyError, TypeError, UsageError):  # a configuration that cannot be read, or a kind that is gone
            return None
        return through.queue if through else None

    @property
    def backend(self) -> str:
        """The kind of backend."""
        return str(self._section("backend").get("kind") or DEFAULT)

    @property
    def interrupts(self) -> bool:
        """True where machines may be taken away from jobs."""
        return interrupts(self.backend)

    @property
    def keeps_pool(self) -> bool:
        """True where jobs leave a pool; no of a kind that is gone."""
        try:
            return keeps_pool(self.backend)
        except UsageError:
            return False

    @property
    def seed(self) -> str:
        """The key by which `repeat` tells its rounds apart, empty without one."""
        return seed_key(self._config.get("sweep"))

    def rate(self, region: str | None) -> Rate | None:
        """What a second of a job costs there; None when the price is unknown."""
        return rate(self._config.get("prices"), self._section("locked"), region)

    @cached_property
    def rules(self) -> tuple[StopRule, ...]:
        """The stop rules; those of a user's own may not be installed here."""
        try:
            return tuple(stop.rules(self._config.get("stop")))
        except UsageError:
            return ()

    @property
    def most_trials(self) -> int | None:
        """How many trials finish at most by the rules; None: they do not say."""
        return min((rule.most_trials for rule in self.rules if rule.most_trials is not None), default=None)
