"""A recording of an account is settings of the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine.settings import EngineSettings

RECORDED = {"settle_gap_s": 15.5, "stop_retains_pool": False, "refusals": {"update_missing": "ResourceNotFound: none"}}


def write(path: Path, told: Any) -> str:
    """A file with this text, or this as JSON."""
    path.write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
    return str(path)


def test_what_is_set_counts_before_what_is_recorded(tmp_path: Path) -> None:
    """A recording fills in what nothing else sets."""
    file = write(tmp_path / "r.json", {"settings": RECORDED, "questions": {}})
    found = EngineSettings.from_mapping({"recorded": file, "stop_retains_pool": True}).service
    assert (found.settle_gap_s, found.stop_retains_pool) == (15.5, True)
    assert found.refusals == RECORDED["refusals"]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("{", "is no JSON"),
        ([], "is no recording"),
        ({"settings": []}, "is no recording"),
        ({"settings": {"policy": {}}}, "holds 'policy'"),
        ({"settings": {"nonsense": 1}}, "unknown engine setting: nonsense"),
        ({"settings": {"settle_gap_s": "long"}}, "settle_gap_s"),
        ({"settings": {"refusals": {"update_missing": "no"}}}, "update_missing: write CODE: text"),
        ({"settings": {"refusals": {"nothing": ""}}}, "there is no refusal 'nothing'"),
    ],
)
def test_what_is_no_recording_is_said(tmp_path: Path, told: Any, words: str) -> None:
    """A file that is none, and one that holds what no account was asked for, are told in words."""
    with pytest.raises(ValueError, match=words):
        EngineSettings.from_mapping({"recorded": write(tmp_path / "r.json", told)})


def test_a_recording_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The file is named."""
    with pytest.raises(ValueError, match=r"nowhere\.json cannot be read"):
        EngineSettings.from_mapping({"recorded": str(tmp_path / "nowhere.json")})
