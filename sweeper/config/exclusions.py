"""`exclude` and `when` of a sweep: the rules that leave combinations out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sweeper.config.problems import KeyPath, nearest
from sweeper.core.space.applying import Condition, Conditions, RuleFailedError
from sweeper.core.space.rules import Rule, RuleError, expression, formula, matching

ONLY_IF = "only_if"
_ELSEWHERE = "; what lists its trials says so itself: points, each with the keys that it has"


class Exclusions:
    """Reads rules. `base` is the configuration whose keys they may name; `wrong` takes what is wrong, and where."""

    def __init__(self, base: Mapping[tuple[str, ...], Any], wrong: Callable[[KeyPath, str], None]) -> None:
        self._base, self._wrong = base, wrong

    def rules(self, section: Mapping[str, Any], place: KeyPath, swept: Sequence[str]) -> Iterator[Rule]:
        """The rules of this section, whose axes set the keys in `swept`."""
        for form in ("exclude", "when"):
            written = section.get(form) or []
            several = written if isinstance(written, list) else [written]
            for number, rule in enumerate(several):
                here = (*place, form, number) if isinstance(written, list) else (*place, form)
                try:
                    yield self._rule(rule, form, here, swept)
                except RuleError as error:
                    self._wrong(here, str(error))

    def conditions(
        self, section: Mapping[str, Any], place: KeyPath, optional: Sequence[str], swept: Sequence[str]
    ) -> Conditions:
        """Those of this section, in which the keys in `optional` may be left out and those in `swept` are set."""
        found: list[Condition] = []
        for name, text in (section.get(ONLY_IF) or {}).items():
            here, key = (*place, ONLY_IF, name), name.lstrip("+")
            if key not in optional:
                near = _ELSEWHERE if key in swept else nearest(key, optional)
                self._wrong(here, f"is varied by no grid, random or optuna here{near}")
                continue
            try:
                found.append(Condition(key, text, formula(text, lambda name: self._named(name, swept)), here))
            except RuleError as error:
                self._wrong(here, str(error))
        try:
            return Conditions(found)
        except RuleFailedError as error:
            self._wrong(error.rule.place, str(error))
            return Conditions()

    def conditions_within(self, section: Mapping[str, Any], place: KeyPath, keys: Sequence[str]) -> Conditions:
        """Those for these keys, which are drawn together: each looks at others of them alone."""
        own = {name: text for name, text in (section.get(ONLY_IF) or {}).items() if name.lstrip("+") in keys}
        found = self.conditions({ONLY_IF: own}, place, keys, keys)
        for condition in found.ordered:
            if others := [key for key in condition.formula.keys if key not in keys]:
                self._wrong(condition.place, f"looks at {others[0]}, which is not drawn together with it")
        return found

    def _rule(self, rule: Any, form: str, here: KeyPath, swept: Sequence[str]) -> Rule:
        if not isinstance(rule, Mapping):
            return expression(rule, lambda name: self._named(name, swept), keep=form == "when", place=here)
        for key in rule:
            self._named(key, swept)
        return matching(rule, here)

    def _named(self, name: str, swept: Sequence[str]) -> str:
        """The key that a rule means: its full name, or an end of it that only one key has; swept keys come first."""
        known = [path for path in self._base if path[0] != "sweep"]  # which says what varies, and is none of it
        every = [".".join(path) for path in known]
        parts = [".".join(path[:length]) for path in known for length in range(1, len(path))]
        if name in {*swept, *every, *parts}:
            return name
        for some in (swept, every):
            meant = [key for key in some if key.endswith("." + name)]
            if len(meant) == 1:
                return meant[0]
            if meant:
                raise RuleError(f"{name!r} may be {' or '.join(meant)}: write it in full")
        raise RuleError(f"there is no {name!r}{nearest(name, [*swept, *every, *(k.split('.')[-1] for k in every)])}")
