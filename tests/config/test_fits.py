"""The quick check says of a value what jsonschema says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.config.fits import fits
from sweeper.config.schema import ENGINES, SECTIONS

ALL = {**SECTIONS, **ENGINES}


def words(schema: Any) -> set[str]:
    """The property names and texts that a schema knows: what makes values interesting."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {}))
        found |= {option for option in schema.get("enum", []) if isinstance(option, str)}
        found |= set().union(*(words(part) for part in schema.values()))
    elif isinstance(schema, list):
        found |= set().union(*(words(part) for part in schema))
    return found


TEXTS = sorted(set().union(*map(words, ALL.values())))
texts = st.sampled_from([*TEXTS, "ml.g5.xlarge", "s3://b/x", "arn:aws:iam::123456789012:role/x", "sg-1", "", "a b"])
leaves = st.none() | st.booleans() | st.integers(-2, 4000) | st.floats(-2, 70) | texts
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=4), max_leaves=8)


@given(st.sampled_from(sorted(ALL)), values)
def test_as_jsonschema(section: str, value: Any) -> None:
    """For every section of an experiment and any value: valid here, valid there."""
    assert fits(value, ALL[section]) == jsonschema.Draft7Validator(ALL[section]).is_valid(value)


@pytest.mark.parametrize("value", [True, 1, 1.0, 1.5, "x", None, [], {}, [1], {"a": 1}])
@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "object", "array", "null"])
def test_types(kind: str, value: Any) -> None:
    """true is no number, and 1.0 is a whole one: as JSON Schema has it."""
    assert fits(value, {"type": kind}) == jsonschema.Draft7Validator({"type": kind}).is_valid(value)


def test_what_is_not_known_does_not_fit() -> None:
    """A keyword that is not known here is left to jsonschema."""
    assert not fits(1, {"multipleOf": 1})
