"""An experiment as the text of its file: what is written is what is read again."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from sweeper.config.reading import Loader
from sweeper.core.text import harmless

SCHEMA_LINE = "# yaml-language-server: $schema=../.sweeper/experiment.json"
"""Where an experiment of a project tells editors to look: `own_folders` puts the schema there."""
WIDTH = 118
SHORT = 80
"""Letters of a mapping that stands on one line."""
_REFERENCE = re.compile(r"(\\*)\$\{")
_CDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_CDumper):  # type: ignore[misc]
    """YAML as `reading` reads it: text that would be a number there is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        """What stands twice is written twice."""
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [*_CDumper.yaml_implicit_resolvers.get(first, []), *Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {**_CDumper.yaml_implicit_resolvers, **Loader.yaml_implicit_resolvers}
}


def as_yaml(value: Any) -> str:
    """A plain value as YAML, short mappings and lists on one line."""
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": WIDTH}
    return str(yaml.dump(value, Dumper=_Dumper, **options)).removesuffix("...\n")


class _Block(dict):  # type: ignore[type-arg]
    """A mapping that has a line for each key."""


class _Line(dict):  # type: ignore[type-arg]
    """A mapping that stands on one line."""


for _kind, _flow in ((_Block, False), (_Line, True)):
    _Dumper.add_representer(
        _kind,
        lambda dumper, data, flow=_flow: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=flow),
    )


class Reference(str):
    """Text in which `${` is meant to be an interpolation."""


def _styled(value: Any, *, block: bool = False) -> Any:
    """The value with its mappings on one line where they are short enough."""
    if isinstance(value, (list, tuple)):
        return [_styled(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    inner = {key: _styled(one) for key, one in value.items()}
    if not block and len(as_yaml(_Line(inner))) <= SHORT:
        return _Line(inner)
    return _Block({key: _styled(one) for key, one in value.items()})


def as_line(value: Any) -> str:
    """A plain value as YAML on one line."""
    return as_yaml(_Line(value) if isinstance(value, Mapping) else value).strip()


def escaped(value: Any) -> Any:
    """A plain value in which no text but a `Reference` is an interpolation: `${` means itself."""
    if isinstance(value, Reference):
        return str(value)
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: 2 * found[1] + r"\${", value)
    if isinstance(value, Mapping):
        return {key: escaped(one) for key, one in value.items()}
    return [escaped(one) for one in value] if isinstance(value, (list, tuple)) else value


def experiment_text(sections: Mapping[str, Any], head: Iterable[str], notes: Mapping[str, Iterable[str]]) -> str:
    """The file of an experiment: comments at its head, and its sections, each below the notes that are its own.

    Text is written as it is: only a `Reference` is an interpolation.
    """
    parts = ["\n".join([SCHEMA_LINE, "#", *comments(head)])]
    for section, value in sections.items():
        parts.append(
            "\n".join(
                [
                    *comments(notes.get(section, ())),
                    as_yaml(_Block({section: _styled(escaped(value), block=True)})).rstrip("\n"),
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def comments(lines: Iterable[str]) -> list[str]:
    """Lines as comments of a file, broken where they are long."""
    broken = [textwrap.wrap(harmless(line), WIDTH - 4, subsequent_indent="  ") or [""] for line in lines]
    return [f"# {part}".rstrip() for parts in broken for part in parts]
