"""Rules and conditions applied to the values of a trial: is it left out, and which parameters are there for it?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.core.identity import Leaves, above, path_of
from sweeper.core.space.rules import Formula, Rule, RuleError

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Condition:
    """A parameter that is there only for trials for which an expression is true. `place`: where it is written."""

    key: str
    text: str
    formula: Formula
    place: tuple[str | int, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What it looks at, and its own parameter."""
        return (self.key, *self.formula.keys)


class RuleFailedError(ValueError):
    """A rule or a condition cannot be applied to a trial."""

    def __init__(self, rule: Rule | Condition, what: str) -> None:
        super().__init__(what)
        self.rule = rule


class Conditions:
    """The conditions of one sweep. A parameter whose condition looks at one that is not there is not there either."""

    def __init__(self, listed: Sequence[Condition] = ()) -> None:
        """Raises RuleFailedError for conditions that wait for each other."""
        self.ordered = tuple(_in_order(listed))
        """Each after those of the parameters that it looks at."""
        self.keys = frozenset(condition.key for condition in listed)

    def __bool__(self) -> bool:
        return bool(self.ordered)

    def there(self, values: Values, base: Callable[[], Leaves] = dict) -> dict[str, Any]:
        """The values without those of parameters that are not there; `base` has the rest. Raises RuleFailedError."""
        found = dict(values)
        for condition in self.ordered:
            if condition.key in found and not self.holds(condition, found, base):
                del found[condition.key]
        return found

    def filled(self, values: Values, draw: Callable[[str], Any]) -> dict[str, Any]:
        """The values, and one of each parameter that is there for them, which `draw` gives. Raises RuleFailedError."""
        found = dict(values)
        for condition in self.ordered:
            if self.holds(condition, found):
                found[condition.key] = draw(condition.key)
        return found

    def holds(self, condition: Condition, values: Values, base: Callable[[], Leaves] = dict) -> bool:
        """Is its parameter there, by those before it? Raises RuleFailedError."""
        if any(key in self.keys and key not in values for key in condition.formula.keys):
            return False
        try:
            return bool(condition.formula.of(_looked_up(condition.formula.keys, values, base)))
        except RuleError as error:
            raise RuleFailedError(condition, str(error)) from None


def leaves_out(rule: Rule, values: Values, base: Callable[[], Leaves], conditional: Collection[str] = ()) -> bool:
    """Whether a rule leaves the trial with these values out; `base` has the rest. Raises RuleFailedError.

    It is not applied where it cannot be worked out because a conditional parameter is not there.
    """
    try:
        return rule.drops(_looked_up(rule.keys, values, base))
    except RuleError as error:
        if any(key in conditional and key not in values for key in rule.keys):
            return False
        raise RuleFailedError(rule, str(error)) from None


def _looked_up(keys: Sequence[str], values: Values, base: Callable[[], Leaves]) -> dict[str, Any]:
    leaves = base() if any(key not in values for key in keys) else {}
    return {key: values[key] if key in values else _under(leaves, key) for key in keys}


def _under(leaves: Leaves, key: str) -> Any:
    """The base's value of a key that the trial does not set."""
    path = path_of(key, above(leaves))
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


def _in_order(listed: Sequence[Condition]) -> Iterator[Condition]:
    left = list(listed)
    while left:
        waited_for = {condition.key for condition in left}
        ready = [one for one in left if waited_for.isdisjoint(one.formula.keys)]
        if not ready:
            raise RuleFailedError(left[0], "waits for itself: a parameter is there or not by those before it")
        yield from ready
        left = [condition for condition in left if condition not in ready]
