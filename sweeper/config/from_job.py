"""An experiment file written from a training job's request, by the table that requests are built of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sweeper.config.check import Finding, findings
from sweeper.config.schema import SECTIONS
from sweeper.config.writing import Reference, experiment_text
from sweeper.core.secrets import looks_secret
from sweeper.core.unbuilt import Unbuilt


def text(unbuilt: Unbuilt, *heading: str, chosen: Mapping[str, str] = MappingProxyType({})) -> str:
    """It as a file, below these lines of comment; `chosen`: options of config groups, beside the backend's."""
    groups = {**chosen, "backend": unbuilt.backend}
    defaults = [*({f"override /{group}": option} for group, option in groups.items()), "_self_"]
    return experiment_text({"defaults": defaults, **without_secrets(unbuilt.sections)}, heading, {})


def without_secrets(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections; a variable whose name looks secret is read from the environment of who runs it."""
    given = dict(sections.get("environment", {}))
    given |= {name: Reference(f"${{oc.env:{name}}}") for name in hidden(sections)}
    return {**sections, **({"environment": given} if given else {})}


def hidden(sections: Mapping[str, Any]) -> list[str]:
    """The variables of the environment whose values no file of ours holds."""
    given = sections.get("environment", {})
    return [name for name, value in given.items() if looks_secret(name) and not isinstance(value, Reference)]


def unsayable(unbuilt: Unbuilt) -> Iterator[Finding]:
    """What of it no experiment may say, by its key, and why."""
    yield from ((("request", *member.split(".")), what) for member, what in unbuilt.refused.items())
    for section, said in unbuilt.sections.items():
        if section != "backend":
            yield from findings(said, SECTIONS[section], (section,))
