"""An experiment file written from a training job's request, by the table that requests are built of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sweeper.config.check import Finding, findings
from sweeper.config.schema import SECTIONS
from sweeper.config.writing import escaped, experiment_text
from sweeper.core.secrets import looks_secret
from sweeper.core.unbuilt import Unbuilt


def text(unbuilt: Unbuilt, *heading: str, chosen: Mapping[str, str] = MappingProxyType({})) -> str:
    """It as a file, below these lines of comment; `chosen`: options of config groups, beside the backend's.

    A variable whose name looks secret is read from the environment of who runs it.
    """
    groups = {**chosen, "backend": unbuilt.backend}
    defaults = [*({f"override /{group}": option} for group, option in groups.items()), "_self_"]
    said = escaped(dict(unbuilt.sections))
    for name in hidden(unbuilt):
        said["environment"][name] = f"${{oc.env:{name}}}"
    return experiment_text({"defaults": defaults, **said}, heading, {})


def hidden(unbuilt: Unbuilt) -> list[str]:
    """The variables of its environment whose values no file of ours holds."""
    return [name for name in unbuilt.sections.get("environment", {}) if looks_secret(name)]


def unsayable(unbuilt: Unbuilt) -> Iterator[Finding]:
    """What of it no experiment may say, by its key, and why."""
    yield from ((("request", *member.split(".")), what) for member, what in unbuilt.refused.items())
    for section, said in unbuilt.sections.items():
        if section != "backend":
            yield from findings(said, SECTIONS[section], (section,))
