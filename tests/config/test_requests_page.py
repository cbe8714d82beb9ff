"""docs/requests.md names every member of the request and of the answer, each in one place."""

from __future__ import annotations

from pathlib import Path

from sweeper.config import requests
from sweeper.core import answered, pieces
from sweeper.engine import coverage
from sweeper.engine.wire import rules

PAGE = Path(__file__).parents[2] / "docs/requests.md"


def test_the_page_is_what_the_declaration_says() -> None:
    """The tables are what `python -m sweeper.config.requests docs/requests.md` writes."""
    text = PAGE.read_text(encoding="utf-8")
    assert requests.replaced(text) == text


def test_every_member_of_a_request_is_settable_or_left_alone_by_name() -> None:
    """Each member of botocore's CreateTrainingJob is said by an option, by `request` alone, or by none."""
    said = {**requests.settable(), **pieces.ALONE, **pieces.REFUSED}
    members = coverage.members("CreateTrainingJob")
    unknown = [m for m in members if not any(m == s or m.startswith(s + ".") or s.startswith(m + ".") for s in said)]
    assert unknown == []
    assert [member for member in said if member not in members] == []
    classes = (requests.settable().keys(), pieces.ALONE.keys(), pieces.REFUSED.keys())
    assert len(said) == sum(map(len, classes))  # no member stands in two of them


def test_every_member_of_an_answer_is_read_or_left_alone_by_name() -> None:
    """Each member of botocore's DescribeTrainingJob is the request's own, read, or left alone with a reason."""
    described = rules.operation("DescribeTrainingJob")
    assert described is not None
    assert described.output_shape is not None
    own = {member.partition(".")[0] for member in coverage.members("CreateTrainingJob")}
    answers = set(described.output_shape.members) - own  # type: ignore[attr-defined]
    assert answers == answered.READ.keys() | answered.UNREAD.keys()
    assert not answered.READ.keys() & answered.UNREAD.keys()


def test_what_is_decided_elsewhere_is_a_member_too() -> None:
    """Each refusal of `request` names a member that there is."""
    assert set(pieces.forbidden()) <= set(coverage.members("CreateTrainingJob"))
