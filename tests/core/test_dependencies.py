"""Versions of the experiment take the place of those in a requirements file; the rest of the file stays."""

from __future__ import annotations

import pytest

from sweeper.core.dependencies import rewrite

FILE = """\
# what we need
--extra-index-url somewhere
Torch_Vision>=0.1  # pinned by nobody
transformers[torch, vision] ==4.55 ; python_version < "3.13"
tool @ file:///wheels/tool-1.0.whl
-r more.txt
"""


@pytest.mark.parametrize(
    ("wanted", "before", "after"),
    [
        (
            {"transformers": "4.57"},
            'transformers[torch, vision] ==4.55 ; python_version < "3.13"',
            'transformers[torch, vision]==4.57 ; python_version < "3.13"',
        ),
        ({"torch-vision": ">=2,<3"}, "Torch_Vision>=0.1  # pinned by nobody", "Torch_Vision>=2,<3 # pinned by nobody"),
        ({"tool": "2.0"}, "tool @ file:///wheels/tool-1.0.whl", "tool==2.0"),
        (
            {"tool": "file:///wheels/tool-2.0.whl"},
            "tool @ file:///wheels/tool-1.0.whl",
            "tool @ file:///wheels/tool-2.0.whl",
        ),
    ],
)
def test_one_line_is_replaced(wanted: dict[str, str | None], before: str, after: str) -> None:
    """The line of the same distribution gets the version; extras, marker, comment and every other line stay."""
    assert rewrite(FILE, wanted) == FILE.replace(before, after)


def test_null_removes_and_new_names_are_added() -> None:
    """null takes a requirement out, and what has no line yet comes last."""
    assert rewrite("a==1\nb\n", {"a": None, "c": "3", "d": None, "e": ""}) == "b\nc==3\ne\n"
    assert rewrite("a==1\na==1\n", {"a": None}) == ""


def test_nothing_wanted_changes_nothing() -> None:
    """Without versions of its own the experiment leaves the file as it is."""
    assert rewrite(FILE, {}) == FILE
