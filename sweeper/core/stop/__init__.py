"""Reasons to end a chain: one module per rule, one row here; a user's own is an entry point of a package.

Each rule looks at the chain and answers with words, or None. At most means at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.core.chain import Chain
from sweeper.core.kinds import Registry, rule_of
from sweeper.core.ports import StopRule
from sweeper.core.stop.budget import Budget
from sweeper.core.stop.deadline import Deadline
from sweeper.core.stop.max_failures import MaxFailures
from sweeper.core.stop.max_seconds import MaxSeconds
from sweeper.core.stop.max_trials import MaxTrials
from sweeper.core.stop.no_improvement import NoImprovement
from sweeper.core.stop.until import Until
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from sweeper.core.model import Sweep

KINDS: Mapping[str, type[StopRule]] = {
    made.name: made for made in (Until, MaxTrials, MaxFailures, NoImprovement, Budget, MaxSeconds, Deadline)
}
"""Each rule by its key; also the order in which they are asked: what was reached before what ran out."""
GROUP = "sweeper.stop_rules"
"""The entry points of a user's own rules."""
RULES = Registry("stop rule", KINDS, GROUP, StopRule)
Path = tuple["str | int", ...]
"""Where a rule stands in a configuration."""
GROUPS: Mapping[str, str] = {
    "any": "End when one of these rules says so.",
    "all": "End when all of them say so.",
}
"""Keys of the section under which rules stand again."""
ON_UNTIL = "on_until"
NO_RULES = (*GROUPS, ON_UNTIL)
"""The keys of the section that are no rules."""


@dataclass(frozen=True)
class Fired:
    """A rule that has a reason: its name as the experiment file spells it, and why. `now`: also stop what runs.

    `reached`: what the sweep was after is there.
    """

    rule: str
    why: str
    now: bool = False
    reached: bool = False


@dataclass(frozen=True)
class All(StopRule):
    """End when every one of these rules has a reason."""

    rules: tuple[StopRule, ...]

    @property
    def name(self) -> str:
        """Their names."""
        return "+".join(rule.name for rule in self.rules)

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return " and ".join(rule.meaning for rule in self.rules)

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Their reasons, one after another."""
        reasons = [rule.why(sweep, chain, now) for rule in self.rules]
        return " and ".join(map(str, reasons)) if all(reasons) and reasons else None


def fired(rules_: tuple[StopRule, ...], sweep: Sweep, chain: Chain, now: float) -> Fired | None:
    """The first rule that has a reason, in the order in which they are declared."""
    for rule in rules_:
        if why := rule.why(sweep, chain, now):
            return Fired(rule.name, why, rule.stops_running, rule.is_goal)
    return None


def exit_code(rule: str, asked: tuple[StopRule, ...]) -> int:
    """What a run exits with that this rule has ended, as it was noted: one of ours, or of those that it asks."""
    known = {**KINDS, **{one.name: type(one) for one in every(asked)}}
    return max((known[name].exit_code for name in rule.split("+") if name in known), default=0)


def every(found: tuple[StopRule, ...]) -> Iterator[StopRule]:
    """Every rule, those inside of `all` too."""
    for rule in found:
        yield from every(rule.rules) if isinstance(rule, All) else (rule,)


# -- reading the `stop` section ----------------------------------------------------------------------------------


def names(section: Mapping[str, Any]) -> list[str]:
    """The rules that a section, or a group in it, asks for, in the order in which they are asked: a user's own last."""
    own = [key for key in section if key not in KINDS and key not in NO_RULES]
    return [key for key in (*KINDS, *own) if section.get(key) is not None and section[key] is not False]


def made(name: str, value: Any) -> StopRule:
    """The rule of this name that a checked value declares. Raises UsageError for one that cannot be made."""
    try:
        return rule_of(RULES.of(name), value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} cannot be made of {value}: {error}") from error


def written(section: Mapping[str, Any] | None, path: Path = ("stop",)) -> Iterator[tuple[Path, Any]]:
    """Every rule that a section asks for, those inside of `any` and `all` too: where it stands, and its value."""
    section = section or {}
    yield from (((*path, name), section[name]) for name in names(section))
    for word in GROUPS:
        for number, group in enumerate(section.get(word) or ()):
            yield from written(group, (*path, word, number))


def foreign(section: object) -> list[str]:
    """The rules that somebody has installed, when a section, right or not, names one that is none of ours."""
    return RULES.own() if _names_another(section) else []


def _names_another(section: object) -> bool:
    if not isinstance(section, Mapping):
        return False
    inside = [one for word in GROUPS if isinstance(group := section.get(word), list) for one in group]
    return not section.keys() <= {*KINDS, *NO_RULES} or any(map(_names_another, inside))


def rules(declared: Mapping[str, Any] | None) -> tuple[StopRule, ...]:
    """The stop rules of an experiment's `stop` section (validated by its schema before)."""
    declared = declared or {}
    found = [made(name, declared[name]) for name in names(declared)]
    for group in declared.get("any") or ():
        found += rules(group)
    if together := tuple(rule for group in declared.get("all") or () for rule in rules(group)):
        found.append(All(together))
    return tuple(found)
