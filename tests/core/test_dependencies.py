"""Versions of the experiment take the place of those in a requirements file; the rest of the file stays."""

from __future__ import annotations

import pytest

from sweeper.core.dependencies import rewrite

NAME = "requirements.txt"


def rewritten(text: str, wanted: dict[str, str | None], **others: str) -> str:
    """The text of the one file with these versions."""
    return rewrite(NAME, {NAME: text, **others}.get, wanted).get(NAME, text)


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
    assert rewritten(FILE, wanted) == FILE.replace(before, after)


def test_null_removes_and_new_names_are_added() -> None:
    """null takes a requirement out, and what has no line yet comes last."""
    assert rewritten("a==1\nb\n", {"a": None, "c": "3", "d": None, "e": ""}) == "b\nc==3\ne\n"
    assert rewritten("a==1\na==1\n", {"a": None}) == ""


def test_nothing_wanted_changes_nothing() -> None:
    """Without versions of its own the experiment leaves the file as it is."""
    assert rewritten(FILE, {}) == FILE


@pytest.mark.parametrize(
    "line", ["-r base.txt", "--requirement base.txt  # ours", "-rbase.txt", "--requirement=base.txt"]
)
def test_a_version_stands_in_a_file_that_is_named(line: str) -> None:
    """What a file reads from another is replaced there: two versions of one distribution cannot be installed."""
    files = {NAME: f"{line}\nother\n", "base.txt": "six==1.15\ntool\n"}
    assert rewrite(NAME, files.get, {"six": "1.16"}) == {"base.txt": "six==1.16\ntool\n"}
    assert rewrite(NAME, files.get, {"six": None}) == {"base.txt": "tool\n"}
    added = rewrite(NAME, files.get, {"new": "2", "six": "1.16"})
    assert added == {NAME: f"{line}\nother\nnew==2\n", "base.txt": "six==1.16\ntool\n"}


def test_files_are_named_from_where_they_stand_and_read_once() -> None:
    """A path is relative to the file that it stands in; files may name each other; one that is not there is pip's."""
    files = {
        "deep/all.txt": "-r ../shared/base.txt\n-r gone.txt\n-r https://host/x.txt\nsix<2\n",
        "shared/base.txt": "-r ../deep/all.txt\n-r more/six.txt\n",
        "shared/more/six.txt": "six\n",
    }
    assert rewrite("deep/all.txt", files.get, {"six": "1.16"}) == {
        "deep/all.txt": "-r ../shared/base.txt\n-r gone.txt\n-r https://host/x.txt\n",
        "shared/more/six.txt": "six==1.16\n",
    }


def test_a_constraint_follows_and_asks_for_nothing() -> None:
    """A file of constraints gets the version as well, but does not install: the distribution still has to be named."""
    files = {NAME: "-c pins.txt\ntool\n", "pins.txt": "six==1.15\ntool==1\n"}
    assert rewrite(NAME, files.get, {"six": "1.16", "tool": ">=2"}) == {
        NAME: "-c pins.txt\ntool>=2\nsix==1.16\n",
        "pins.txt": "six==1.16\ntool>=2\n",
    }
