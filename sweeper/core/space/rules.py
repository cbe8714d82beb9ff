"""Which combinations are left out: `exclude` and `when` in a small expression language. No text is ever run as code.

Python's own parser reads it; only comparisons, arithmetic, `and`, `or`, `not`, `in`, names and literals are known.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.core.identity import canonical

Values = Mapping[str, Any]
Names = Callable[[str], str]
"""The dotted key that a name in an expression stands for. Raises RuleError when there is none, or more than one."""

Test = Callable[[Values], bool]

MOST = 1000
WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


FUNCTIONS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "round": round, "int": int, "abs": abs}
"""What an expression may call: functions of numbers."""


class RuleError(ValueError):
    """The rule cannot be read, or cannot be applied to these values."""


@dataclass(frozen=True)
class Rule:
    """A reason to leave a trial out. `place` is where it is written, for whoever reports it."""

    text: str
    keys: tuple[str, ...]
    drops: Callable[[Values], bool]
    place: tuple[str | int, ...] = ()


def matching(wanted: Values, place: tuple[str | int, ...] = ()) -> Rule:
    """Drops the trials that have all of these values; 1 and 1.0 are different values here as everywhere."""
    texts = {key: canonical(value) for key, value in wanted.items()}
    said = ", ".join(f"{key}={text}" for key, text in texts.items())
    return Rule(said, tuple(texts), lambda v: all(canonical(v[k]) == t for k, t in texts.items()), place)


def expression(text: str, names: Names, *, keep: bool = False, place: tuple[str | int, ...] = ()) -> Rule:
    """Drops the trials for which the expression is true; with `keep`, those for which it is not."""
    value = formula(text, names)
    return Rule(("unless " if keep else "") + text, value.keys, lambda v: bool(value.of(v)) is not keep, place)


@dataclass(frozen=True)
class Formula:
    """An expression that has a value for the values of these keys."""

    keys: tuple[str, ...]
    of: Callable[[Values], Any]
    """Works it out. Raises RuleError when these values do not fit."""


def formula(text: str, names: Names) -> Formula:
    """Read an expression. Raises RuleError when it is none."""
    if len(text) > MOST:
        raise RuleError(f"is too long: at most {MOST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RuleError(f"cannot be read: {getattr(error, 'msg', None) or 'too deep'}") from None
    keys: dict[str, None] = {}
    value = _compile(tree.body, names, keys)

    def of(values: Values) -> Any:
        try:
            return value(values)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
            given = ", ".join(f"{key}={canonical(values[key])}" for key in keys)
            raise RuleError(f"cannot be worked out for {given}: {error}") from None

    return Formula(tuple(keys), of)


def _compile(node: ast.expr, names: Names, keys: dict[str, None]) -> Callable[[Values], Any]:
    """The expression as a function of a trial's values; `keys` collects the ones it needs."""

    def make(part: ast.expr) -> Callable[[Values], Any]:
        return _compile(part, names, keys)

    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as constant):
            return lambda values: constant
        case ast.Name(id=word) if word in WORDS:
            return lambda values: WORDS[word]
        case ast.Name() | ast.Attribute():
            key = names(_dotted(node))
            keys[key] = None
            return lambda values: values[key]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            made = [make(item) for item in items]
            return lambda values: [item(values) for item in made]
        case ast.BoolOp(op=op, values=items):
            parts, stop = [make(item) for item in items], isinstance(op, ast.Or)
            return lambda values: any(p(values) for p in parts) if stop else all(p(values) for p in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            refused = make(operand)
            return lambda values: not refused(values)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _both(_arithmetic(operator.sub), lambda values: 0, make(operand))
        case ast.BinOp(op=op, left=left, right=right) if type(op) in ARITHMETIC:
            return _both(_arithmetic(ARITHMETIC[type(op)]), make(left), make(right))
        case ast.Call(func=ast.Name(id=word), args=args, keywords=[]) if word in FUNCTIONS and args:
            return _called(FUNCTIONS[word], [make(part) for part in args])
        case ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in COMPARE for op in ops):
            return _chained([COMPARE[type(op)] for op in ops], [make(part) for part in (left, *rest)])
    raise RuleError(f"{ast.unparse(node)!r} is not understood: use comparisons, + - * / // %, and, or, not, in")


def _called(function: Callable[..., Any], parts: Sequence[Callable[[Values], Any]]) -> Callable[[Values], Any]:
    def call(values: Values) -> Any:
        operands = [_number(part(values)) for part in parts]
        return function(*operands) if len(operands) > 1 or function not in (min, max) else operands[0]

    return call


def _both(
    function: Callable[[Any, Any], Any], left: Callable[[Values], Any], right: Callable[[Values], Any]
) -> Callable[[Values], Any]:
    return lambda values: function(left(values), right(values))


def _arithmetic(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Numbers only: "a" * 999999999 is not a condition."""

    def checked(a: Any, b: Any) -> Any:
        return function(_number(a), _number(b))

    return checked


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{canonical(value)} is not a number")
    return value


def _chained(functions: Sequence[Callable[[Any, Any], Any]], parts: Sequence[Callable[[Values], Any]]) -> Test:
    def compare(values: Values) -> bool:
        operands = [part(values) for part in parts]
        return all(f(a, b) for f, a, b in zip(functions, operands, operands[1:], strict=False))

    return compare


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
    raise RuleError(f"{ast.unparse(node)!r} is not a name")
