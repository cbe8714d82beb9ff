"""Versions from the experiment in place of those in requirements files: text in, text out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from sweeper.core.model import Launch

FILE, TOOLKITS = "sweeper-requirements.txt", "requirements.txt"
"""What a requirements file is called when the experiment names versions but the source has no such file: ours, and
the one that the sagemaker-training toolkit looks for."""

# A name, extras, the version or address, and an environment marker; options and links match none of it.
_LINE = re.compile(
    r"^\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*(?P<version>[^;#]*?)\s*(?P<rest>[;#].*)?$"
)


_NAMED = re.compile(r"^\s*(?P<option>-r|--requirement|-c|--constraint)[\s=]*(?P<file>[^\s#]+)")
"""A line that names another file of requirements or constraints, seen from the file that it stands in."""


def file_for(launch: Launch) -> str:
    """The requirements file that is installed under this launch where the experiment names none."""
    return TOOLKITS if launch is Launch.TOOLKIT else FILE


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def rewrite(name: str, read: Callable[[str], str | None], wanted: Mapping[str, str | None]) -> dict[str, str]:
    """The requirements file of this name, and every file that it names, with these versions: text by name.

    `read` gives the text of a file of the source, None when it has none. A bare version is pinned, a specifier is
    taken as it is, null removes. Extras, markers and comments of a line stay; what has no line in any of the files is
    added at the end of the first, in declared order. What is unchanged is left out.
    """
    files = _Files(read, {normal(key): (key, version) for key, version in wanted.items()})
    files.visit(name)
    added = [f"{key}{_specifier(version)}" for key, version in files.left.values() if version is not None]
    written = {**files.written, name: files.written.get(name, []) + added}
    told = {key: "".join(line + "\n" for line in lines) for key, lines in written.items()}
    return {key: text for key, text in told.items() if text != read(key)}


class _Files:
    """A requirements file and those that it names, each of them rewritten once."""

    def __init__(self, read: Callable[[str], str | None], wanted: dict[str, tuple[str, str | None]]) -> None:
        self.read, self.wanted, self.left = read, wanted, dict(wanted)
        self.written: dict[str, list[str]] = {}

    def visit(self, name: str, *, constrains: bool = False) -> None:
        """Rewrite this file. One that only constrains installs nothing: a version there is none that is asked for."""
        text = self.read(name)
        if text is None or name in self.written:
            return
        lines = self.written[name] = []
        for line in text.splitlines():
            named = _NAMED.match(line)
            if named:
                self.visit(
                    posixpath.normpath(posixpath.join(posixpath.dirname(name), named["file"])),
                    constrains=constrains or named["option"] in ("-c", "--constraint"),
                )
            lines += self._replaced(line, constrains=constrains)

    def _replaced(self, line: str, *, constrains: bool) -> list[str]:
        found = _LINE.match(line)
        key = normal(found["name"]) if found else ""
        if not found or key not in self.wanted:
            return [line]
        _, version = self.wanted[key]
        first = constrains or self.left.pop(key, None) is not None
        if not first or version is None:
            return []
        rest = f" {found['rest']}" if found["rest"] else ""
        return [f"{found['name']}{found['extras'] or ''}{_specifier(version)}{rest}"]


def _specifier(version: str) -> str:
    version = version.strip()
    if not version or version[0] in "=<>!~":
        return version
    return f" @ {version.removeprefix('@').strip()}" if version[0] == "@" or "://" in version else f"=={version}"
