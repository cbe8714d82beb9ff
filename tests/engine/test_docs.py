"""docs/engine.md says what is true."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import botocore

from sweeper.engine import coverage
from sweeper.engine.settings import EngineSettings
from sweeper.engine.training.settings import ServiceSettings

PAGE = (Path(__file__).parents[2] / "docs/engine.md").read_text(encoding="utf-8")


def test_the_page_lists_what_does_nothing() -> None:
    """The list is what `python -m sweeper.engine.coverage` says; a newer botocore may know more than the page."""
    held = PAGE.partition("<!-- coverage -->\n")[2].partition("<!-- /coverage -->")[0]
    if held.startswith(f"botocore {botocore.__version__}."):
        assert held == coverage.report()
    for line in re.findall(r"^\* (.*)$", held, re.MULTILINE):
        operation, *idle = re.findall(r"`([^`]+)`", line)
        still_known = set(idle) & set(coverage.members(operation))
        assert still_known <= set(coverage.idle_members(operation))


def test_every_member_acted_on_is_in_the_model() -> None:
    """The declaration of what the engine acts on names nothing that the model does not know."""
    for operation, acted in coverage.ACTED_ON.items():
        assert set(acted) <= set(coverage.members(operation))


def test_every_operation_is_accounted_for() -> None:
    """Each operation of the model is either emulated or answered as unknown."""
    emulated, others = coverage.operations()
    assert len(emulated) == 10
    assert not set(emulated) & set(others)


def test_every_setting_is_documented() -> None:
    """Each name of the settings stands on the page."""
    names = {f.name for settings in (EngineSettings, ServiceSettings) for f in fields(settings)} - {"service"}
    assert not [name for name in sorted(names) if f"`{name}`" not in PAGE]


def test_the_defaults_that_the_page_tells_are_those_that_there_are() -> None:
    """Each default under Settings that is a value and not a word."""
    usual = EngineSettings().to_mapping()
    told = {}
    for names, default in re.findall(r"^\| (`.+`) \| ([^|]+) \|", PAGE.partition("## Settings\n")[2], re.MULTILINE):
        with suppress(ValueError):
            told |= dict.fromkeys(re.findall(r"`(\w+)`", names), json.loads(default.strip("`")))
    assert len(told) >= 15
    assert {name: usual[name] for name in told} == told
