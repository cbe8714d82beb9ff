"""What a search is given of another sweep before it proposes: the finished trials that would fit here. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.core import events as ev
from sweeper.core.identity import canonical, path_of, within
from sweeper.core.ports import Domains
from sweeper.core.space.applying import Conditions, RuleFailedError
from sweeper.core.space.declared import ROUND
from sweeper.core.space.domains import holds


@dataclass(frozen=True)
class Past:
    """A trial of another sweep: what it varied, all that it ran with, and what it has come to."""

    values: Mapping[str, Any]
    config: Mapping[str, Any]
    result: float | None
    """The objective's value; None when there is none."""


@dataclass(frozen=True)
class Here:
    """What a trial of another sweep has to fit."""

    of: Domains
    metric: str
    """The objective."""
    config: Mapping[str, Any]
    """What every trial here has but for what is proposed, by section."""
    conditions: Conditions = field(default_factory=Conditions)
    """Which of what is proposed is there for which trials."""

    def taught(self, sweep: str, past: Iterable[Past]) -> ev.Taught:
        """What there is to learn of this sweep, and how many of its trials say nothing here, by reason."""
        found: list[tuple[dict[str, Any], float]] = []
        others: Counter[str] = Counter()
        for trial in past:
            values, why = self._values(trial)
            if why or trial.result is None:
                others[why or f"has no {self.metric}"] += 1
            else:
                found.append((values, trial.result))
        return ev.Taught(sweep, [list(one) for one in found], dict(others))

    def _values(self, trial: Past) -> tuple[dict[str, Any], str]:
        """The trial's values of what is proposed here; or why it is none that could be proposed."""
        for key, value in trial.values.items():
            if key not in self.of and key != ROUND and canonical(value) != canonical(_under(self.config, key)):
                return {}, f"{key} is another than here"
        values = {key: trial.values[key] if key in trial.values else _under(trial.config, key) for key in self.of}
        try:
            found = self.conditions.there(values)
        except RuleFailedError as error:
            return {}, f"{error.rule.keys[0]} may be there or not"
        for key, value in found.items():
            if not holds(*self.of[key], value):
                return {}, f"{key} has a value that is not proposed here"
        return found, ""


def _under(config: Mapping[str, Any], key: str) -> Any:
    node: Any = config
    for part in path_of(key, within(config)):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node
