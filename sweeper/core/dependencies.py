"""Versions from the experiment in place of those in a requirements file: text in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping

FILE = "sweeper-requirements.txt"
"""What a requirements file is called when the experiment names versions but the source has no such file."""

# A name, extras, the version or address, and an environment marker; options and links match none of it.
_LINE = re.compile(
    r"^\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*(?P<version>[^;#]*?)\s*(?P<rest>[;#].*)?$"
)


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def rewrite(text: str, wanted: Mapping[str, str | None]) -> str:
    """The requirements with these versions: a bare version is pinned, a specifier is taken as it is, null removes.

    Extras, markers and comments of a line stay; what has no line yet is added at the end, in declared order.
    """
    left = {normal(name): (name, version) for name, version in wanted.items()}
    lines: list[str] = []
    for line in text.splitlines():
        found = _LINE.match(line)
        key = normal(found["name"]) if found else ""
        if not found or (key not in left and key not in map(normal, wanted)):
            lines.append(line)
        elif key in left:
            _, version = left.pop(key)
            if version is not None:
                rest = f" {found['rest']}" if found["rest"] else ""
                lines.append(f"{found['name']}{found['extras'] or ''}{_specifier(version)}{rest}")
    lines += [f"{name}{_specifier(version)}" for name, version in left.values() if version is not None]
    return "".join(line + "\n" for line in lines)


def _specifier(version: str) -> str:
    version = version.strip()
    if not version or version[0] in "=<>!~":
        return version
    return f" @ {version.removeprefix('@').strip()}" if version[0] == "@" or "://" in version else f"=={version}"
