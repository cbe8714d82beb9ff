"""The Search operation over training jobs: filters, sub-expressions, order and pages. Pure."""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from sweeper.engine.errors import invalid

Record = dict[str, Any]
_DEFAULT_PAGE = 50
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


def search(records: Iterable[Record], params: Mapping[str, Any]) -> dict[str, Any]:
    """One page of the records that fit."""
    if params["Resource"] != "TrainingJob":
        raise invalid(f"The local engine searches training jobs only, not {params['Resource']}.")
    expression = params.get("SearchExpression", {})
    found = [record for record in records if _fits(record, expression)]
    by = params.get("SortBy", "LastModifiedTime")
    found.sort(key=lambda record: _sortable(record, by), reverse=params.get("SortOrder", "Descending") == "Descending")
    start, size = _decode(params.get("NextToken")), params.get("MaxResults", _DEFAULT_PAGE)
    answer: dict[str, Any] = {"Results": [{"TrainingJob": record} for record in found[start : start + size]]}
    if start + size < len(found):
        answer["NextToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return answer


def _fits(record: Record, expression: Mapping[str, Any]) -> bool:
    parts = [
        *(_filter(record, f) for f in expression.get("Filters", [])),
        *(_nested(record, n) for n in expression.get("NestedFilters", [])),
        *(_fits(record, sub) for sub in expression.get("SubExpressions", [])),
    ]
    if not parts:
        return True
    return any(parts) if expression.get("Operator") == "Or" else all(parts)


def _nested(record: Record, nested: Mapping[str, Any]) -> bool:
    """Every filter has to hold of one and the same member of a list."""
    name = nested["NestedPropertyName"]
    members = [m for value in _values(record, name.split(".")) for m in (value if isinstance(value, list) else [value])]
    inner = [{**f, "Name": f["Name"].removeprefix(f"{name}.")} for f in nested["Filters"]]
    return any(isinstance(m, dict) and all(_filter(m, f) for f in inner) for m in members)


def _filter(record: Record, wanted: Mapping[str, Any]) -> bool:
    values = list(_values(record, wanted["Name"].split(".")))
    test, asked = wanted.get("Operator", "Equals"), wanted.get("Value")
    if test in ("Exists", "NotExists"):
        return bool(values) is (test == "Exists")
    if asked is None:
        raise invalid(f"Value is required for operator {test}.")
    if test == "NotEquals":
        return not any(_same(value, asked) for value in values)
    return any(_holds(value, test, asked) for value in values)


def _holds(value: Any, test: str, asked: str) -> bool:
    if test == "Equals":
        return _same(value, asked)
    if test == "Contains":
        return asked.lower() in str(value).lower()
    if test == "In":
        return any(_same(value, one.strip()) for one in asked.split(","))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _ORDERS[test](str(value), asked)
    number = _number(asked)
    return number is not None and _ORDERS[test](float(value), number)


def _same(value: Any, asked: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == asked.lower()
    if isinstance(value, (int, float)):
        return _number(asked) == float(value)
    return bool(value == asked)


def _number(text: str) -> float | None:
    """A number, or a point in time as epoch seconds."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


def _values(record: Any, path: list[str]) -> Iterable[Any]:
    """What a dotted name stands for; Tags.KEY and Metrics.NAME reach into lists; names may hold dots themselves."""
    if not path:
        yield record
        return
    if isinstance(record, list):
        for member in record:
            yield from _values(member, path)
        return
    if not isinstance(record, dict):
        return
    head, rest = path[0], path[1:]
    if head == "Tags" and rest:
        yield from (tag["Value"] for tag in record.get("Tags", []) if tag["Key"] == ".".join(rest))
        return
    if head == "Metrics" and rest:
        metrics = record.get("FinalMetricDataList", [])
        yield from (metric["Value"] for metric in metrics if metric["MetricName"] == ".".join(rest))
        return
    if head in record:
        yield from _values(record[head], rest)
    elif ".".join(path) in record:
        yield record[".".join(path)]


def _sortable(record: Record, by: str) -> tuple[bool, float, str]:
    value = next(iter(_values(record, by.split("."))), None)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is not None, float(value) if is_number and value is not None else 0.0, str(value)


def _decode(token: str | None) -> int:
    try:
        return max(0, int(base64.urlsafe_b64decode((token or "MA==").encode())))
    except ValueError as error:
        raise invalid("Invalid pagination token.") from error
