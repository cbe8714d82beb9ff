"""Kinds of a thing, each a dataclass under the name that an experiment says: ours, and those of a user's own packages.

And how a rule is written in its section: `nan: true` without options, `max_trials: 3` with one, a mapping with several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sweeper.core.options import Schema, declared, from_section, schema_of
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Registry(Generic[Kind]):
    """The kinds of a thing. `group`: the entry points of a user's own; `port`: what each of them must answer; `called`:
    which of its answers is the name that an experiment says.
    """

    noun: str
    ours: Mapping[str, type[Kind]]
    group: str
    port: type
    called: str = "name"

    def names(self) -> list[str]:
        """Every kind that can be said: ours, then those that are installed."""
        return [*self.ours, *self.own()]

    def own(self) -> list[str]:
        """Those that are installed."""
        return [point.name for point in self._installed() if point.name not in self.ours]

    def of(self, name: str) -> type[Kind]:
        """The dataclass of a kind. A user's own is looked for when its name is said. Raises UsageError."""
        if name in self.ours:
            return self.ours[name]
        point = next((point for point in self._installed() if point.name == name), None)
        if point is None:
            raise UsageError(f"{name!r} is not one of {', '.join(self.names())}")
        return self._loaded(point)

    def _installed(self) -> Iterable[EntryPoint]:
        from importlib.metadata import entry_points  # 0.02 s that only a kind that is not ours costs

        return entry_points(group=self.group)

    def _loaded(self, point: EntryPoint) -> type[Kind]:
        """What somebody has installed, once it is known to answer what is asked. Raises UsageError."""
        try:
            found: type[Kind] = point.load()
            missing = [answer for answer in self._asked() if not answered(found, answer)]
            if not missing:
                schema_of(found)
        except Exception as error:
            raise UsageError(f"{point.value} cannot be used: {type(error).__name__}: {error}") from error
        if missing:
            raise UsageError(f"{point.value} is no {self.noun}: it does not say {', '.join(missing)}")
        if (name := getattr(found, self.called)) != point.name:
            raise UsageError(f"{point.value} is installed as {point.name!r} and calls itself {name!r}")
        return found

    def _asked(self) -> list[str]:
        return [name for name in {**self.port.__annotations__, **vars(self.port)} if not name.startswith("_")]


def answered(kind: type, answer: str) -> bool:
    """Does this class say it, and not only take over that it must be said?"""
    return hasattr(kind, answer) and answer not in getattr(kind, "__abstractmethods__", ())


# -- rules of a section -------------------------------------------------------------------------------------------


def rule_schema(kind: type) -> Schema:
    """What may stand under a rule's name. null, or false where it has no options, is as if it were not there."""
    whole = schema_of(kind)
    options = whole["properties"]
    if not options:
        return {"type": "boolean", "description": whole["description"]}
    if len(options) > 1:
        return {"anyOf": [whole, {"type": "null"}]}
    (only,) = options.values()
    if "type" not in only:
        return {"anyOf": [only, {"type": "null"}]}
    return {**only, "type": [only["type"], "null"]}


def rule_default(kind: type) -> Any:
    """What stands under a rule's name when it is not asked for."""
    return None if declared(kind) else False


def rule_of(kind: type[Kind], value: Any) -> Kind:
    """The rule that a checked value declares. Raises TypeError when an option that is required is missing."""
    options = list(declared(kind))
    if not options:
        return kind()
    return from_section(kind, value if len(options) > 1 else {options[0]: value})


def options_said(rule: Any) -> dict[str, Any]:
    """The options of a rule that are not what they are by default."""
    said = {name: getattr(rule, one.name) for name, one in declared(type(rule)).items()}
    return {name: value for name, value in said.items() if value != declared(type(rule))[name].default}


def rule_words(rule: Any) -> str:
    """A rule as somebody would write it, without what it has by default: `max_trials 3`, `until (metric m, op >=)`."""
    options, said = declared(type(rule)), options_said(rule)
    if len(options) > 1 and not said:
        return str(rule.name)
    alone = next((getattr(rule, one.name) for one in options.values()), True)
    return words_of_section({rule.name: said if len(options) > 1 else alone})


def words_of_section(section: Mapping[str, Any]) -> str:
    """A section of a configuration on one line."""
    return ", ".join(f"{key} {_word(value)}" for key, value in section.items())


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({words_of_section(value)})"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if value is True else str(value)
