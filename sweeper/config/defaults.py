"""What `conf/` says of an option, its default and its words, is what was declared.

`python -m sweeper.config.defaults conf` writes it anew in the lines that are there: which options a file lists is the
file's affair, and what is more than one option's default stays as it is. Of the rules of a section every one is listed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper import backends
from sweeper.config import engines
from sweeper.config.schema import OPTIONS
from sweeper.core import prune, stop
from sweeper.core.job import Experiment
from sweeper.core.kinds import rule_default, rule_schema
from sweeper.core.options import Schema, defaults_of, schema_of

REQUIRED = "???"
INDENT = 2
WIDTH = 120
RULES: Mapping[str, Mapping[str, type]] = {"stop": stop.KINDS, "prune": prune.KINDS}
"""The sections of `config.yaml` that hold rules."""
_LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: (?P<value>[^#]*?))?(?: *#.*)?")
_SENTENCE = re.compile(r".*?\.(?= |$)")


def files() -> Mapping[str, Mapping[str, Sequence[type]]]:
    """The files of `conf/` and whose options stand in their sections; `""` is the top of a file."""
    return {
        "config.yaml": {"": [Experiment], **{section: [options] for section, options in OPTIONS.items()}},
        **{f"engine/{kind.value}.yaml": {"": engine.options} for kind, engine in engines.KINDS.items()},
        **{f"backend/{kind}.yaml": {"": [backend], "backend": [backend]} for kind, backend in backends.KINDS.items()},
    }


def rewritten(text: str, sections: Mapping[str, Sequence[type]]) -> str:
    """A file with the declared defaults and words in the lines that name an option."""
    return "\n".join(_lines(text.splitlines(), sections)) + "\n"


def _lines(lines: Sequence[str], sections: Mapping[str, Sequence[type]]) -> Iterator[str]:
    section = ""
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            yield line
            continue
        key, top = found["key"], not found["indent"]
        section = key if top else section
        options = sections.get("" if top else section, ())
        declared = schema_of(*options)["properties"] if options else {}
        if key in declared and len(found["indent"]) <= INDENT:
            said = _yaml(defaults_of(*options).get(key, REQUIRED))
            yield _told(f"{found['indent']}{key}: {said}", declared[key])
        elif top and key in OPTIONS and key in sections:
            yield _told(f"{key}: {found['value'] or ''}".rstrip(), schema_of(*sections[key]))
        else:
            yield line


def with_rules(text: str) -> str:
    """A file with every rule that is registered, where the first one of its section stands."""
    found, section, listed = list[str](), "", set[str]()
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        section = match["key"] if match and not match["indent"] else section
        rules = RULES.get(section, {})
        if match is None or len(match["indent"]) != INDENT or match["key"] not in rules:
            found.append(line)
        elif section not in listed:
            listed.add(section)
            found += (_rule(name, kind) for name, kind in rules.items())
    return "\n".join(found) + "\n"


def _rule(name: str, kind: type) -> str:
    schema = rule_schema(kind)
    whole = schema.get("anyOf", [schema])[0]
    keys = ", ".join(whole.get("properties", ()))
    words = f"{{{keys}}}: {whole['description']}" if keys else whole["description"]
    return _told(f"{' ' * INDENT}{name}: {_yaml(rule_default(kind))}", {"description": words})


def _told(line: str, schema: Schema) -> str:
    """A line with what it means: its choices and all its words, or the first sentence where they are long."""
    choices = [str(one) for one in schema.get("enum", ()) if one is not None]
    words = " | ".join(choices) + (": " if "enum" in schema else "") + schema["description"]
    whole = f"{line} # {words}"
    return whole if len(whole) <= WIDTH else f"{line} # {found.group() if (found := _SENTENCE.match(words)) else words}"


def _yaml(value: Any) -> str:
    """A default as YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def main(folder: Path) -> None:
    """Write every file below this folder anew."""
    for name, sections in files().items():
        file = folder / name
        file.write_text(rewritten(with_rules(file.read_text(encoding="utf-8")), sections), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
