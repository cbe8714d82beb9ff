"""A policy of IAM as far as the engine reads one: effects, actions, resources and a few conditions. Pure.

What it does not understand it refuses when it is given, and never passes over: a condition that nobody looks at would
allow too much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

Value = str | float
_ELEMENTS = {"Version", "Id", "Statement"}
_OF_A_STATEMENT = {"Sid", "Effect", "Action", "Resource", "Condition"}
_IF_EXISTS = "IfExists"
_OF_SEVERAL = "ForAnyValue:"
"""No key that requests have here has several values."""


class Decision(str, Enum):
    """What comes of an action, in the words of IAM's simulator."""

    ALLOWED = "allowed"
    IMPLICIT = "implicitDeny"
    EXPLICIT = "explicitDeny"


@dataclass(frozen=True)
class Asked:
    """One action on one resource, with what is known of its conditions' keys."""

    action: str
    resource: str = "*"
    context: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Check:
    """One operator of a condition on one key: true of any of these values."""

    holds: Callable[[Value, str], bool]
    key: str
    values: tuple[str, ...]
    if_exists: bool

    def true_of(self, asked: Asked) -> bool:
        """Is it met? A key that the request has not: only where the operator says IfExists."""
        found = {key.lower(): value for key, value in asked.context}.get(self.key.lower())
        return self.if_exists if found is None else any(self.holds(found, value) for value in self.values)


@dataclass(frozen=True)
class Statement:
    """What a statement is about."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    tests: tuple[Check, ...] = ()

    def about(self, asked: Asked) -> bool:
        """Does it speak of this action on this resource?"""
        return any(like(p.lower(), asked.action.lower()) for p in self.actions) and any(
            like(p, asked.resource) for p in self.resources
        )

    def applies(self, asked: Asked) -> bool:
        """Does it decide about this?"""
        return self.about(asked) and all(test.true_of(asked) for test in self.tests)


@dataclass(frozen=True)
class Policy:
    """The statements of a document. Raises ValueError for one that is not understood."""

    statements: tuple[Statement, ...] = field(default=())

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Policy:
        """The policy of a document as IAM takes it."""
        _only(document, _ELEMENTS, "of a policy")
        if document.get("Version") != "2012-10-17":
            raise ValueError('Version must be "2012-10-17"')
        told = document.get("Statement")
        return cls(tuple(_statement(one) for one in (told if isinstance(told, list) else [told])))

    @property
    def actions(self) -> list[str]:
        """Every action that is named, with its wildcards."""
        return [action for statement in self.statements for action in statement.actions]

    def decides(self, asked: Asked) -> Decision:
        """Allowed, by a statement that allows it and none that denies it."""
        found = {statement.allows for statement in self.statements if statement.applies(asked)}
        if False in found:
            return Decision.EXPLICIT
        return Decision.ALLOWED if found else Decision.IMPLICIT

    def depends_on(self, asked: Asked) -> tuple[str, ...]:
        """The keys of conditions that decide about this and that the request has not."""
        known = {key.lower() for key, _ in asked.context}
        tests = (test for statement in self.statements if statement.about(asked) for test in statement.tests)
        return tuple(dict.fromkeys(test.key for test in tests if test.key.lower() not in known))


@cache
def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)


def like(pattern: str, text: str) -> bool:
    """Does a text fit a pattern of IAM, in which `*` stands for any text and `?` for one character?"""
    return _pattern(pattern).fullmatch(text) is not None


def number(value: Value | None) -> float:
    """The number that a value of a condition is; not a number for any other text, which is below and above nothing."""
    try:
        return float("nan" if value is None else value)
    except ValueError:
        return float("nan")


def _statement(told: Any) -> Statement:
    if not isinstance(told, Mapping):
        raise ValueError("Statement must be a statement or a list of them")
    _only(told, _OF_A_STATEMENT, "of a statement")
    if told.get("Effect") not in ("Allow", "Deny"):
        raise ValueError(f"Effect must be Allow or Deny, not {told.get('Effect')!r}")
    actions, resources = _texts(told, "Action"), _texts(told, "Resource")
    for resource in resources:
        if resource != "*" and not re.fullmatch(r"arn:[^:]*:[^:]+:[^:]*:[^:]*:.+", resource):
            raise ValueError(f"Resource must be * or an ARN, not {resource!r}")
    tests = _tests(told.get("Condition") or {})
    return Statement(told["Effect"] == "Allow", actions, resources, tests)


def _texts(told: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = told.get(name)
    texts = found if isinstance(found, list) else [found]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"{name} must be a text or a list of texts")
    return tuple(texts)


def _tests(condition: Any) -> tuple[Check, ...]:
    if not isinstance(condition, Mapping):
        raise ValueError("Condition must be a mapping of operators")
    found = []
    for operator, keys in condition.items():
        holds = _OPERATORS.get(operator.removeprefix(_OF_SEVERAL).removesuffix(_IF_EXISTS))
        if holds is None or not isinstance(keys, Mapping):
            raise ValueError(f"Condition: {operator} is not understood; {', '.join(_OPERATORS)} are, and with IfExists")
        for key, value in keys.items():
            values = tuple(str(one) for one in (value if isinstance(value, list) else [value]))
            found.append(Check(holds, key, values, operator.endswith(_IF_EXISTS)))
    return tuple(found)


def _only(told: Mapping[str, Any], known: Sequence[str] | set[str], where: str) -> None:
    if odd := [name for name in told if name not in known]:
        raise ValueError(f"{', '.join(map(str, odd))} {where}: not understood")


_OPERATORS: Mapping[str, Callable[[Value, str], bool]] = {
    "StringEquals": lambda found, wanted: str(found) == wanted,
    "StringNotEquals": lambda found, wanted: str(found) != wanted,
    "StringLike": lambda found, wanted: like(wanted, str(found)),
    "ArnLike": lambda found, wanted: like(wanted, str(found)),
    "ArnEquals": lambda found, wanted: like(wanted, str(found)),
    "NumericEquals": lambda found, wanted: number(found) == number(wanted),
    "NumericLessThan": lambda found, wanted: number(found) < number(wanted),
    "NumericLessThanEquals": lambda found, wanted: number(found) <= number(wanted),
    "NumericGreaterThan": lambda found, wanted: number(found) > number(wanted),
}
