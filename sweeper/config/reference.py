"""The reference of the experiment file, written from the schema that validates it.

`python -m sweeper.config.reference FILE` replaces what stands between the two marks in a Markdown file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sweeper.backends import KINDS
from sweeper.config import engines
from sweeper.config.project import packaged_conf
from sweeper.config.schema import ENGINES, OPTIONS, SECTIONS
from sweeper.core.channels import Channel, FileSystem
from sweeper.core.job import ExperimentConfig, Mlflow, TensorBoard
from sweeper.core.options import Schema, defaults_of, schema_of
from sweeper.core.scope import EngineKind
from sweeper.core.space.domains import KINDS as KINDS_DRAWN
from sweeper.core.space.domains import Scale
from sweeper.tracking import KINDS as TRACKERS

BEGIN = "<!-- reference: begin; written by `python -m sweeper.config.reference` -->"
END = "<!-- reference: end -->"
ORDER = (
    "locked",
    "job",
    "hyperparameters",
    "environment",
    "dependencies",
    "request",
    "vars",
    "sweep",
    "objective",
    "stop",
)

INNER: Mapping[str, type] = {
    "inputs.NAME": Channel,
    "inputs.NAME.efs` and `.fsx": FileSystem,
    "tensor_board_output_config": TensorBoard,
    "experiment_config": ExperimentConfig,
    "mlflow_config": Mlflow,
}
"""The options of `job` that hold options again."""
DOMAINS = "sweep.random.of` and `sweep.optuna.of"


def text() -> str:
    """The whole reference."""
    defaults: dict[str, Any] = yaml.safe_load((packaged_conf() / "config.yaml").read_text(encoding="utf-8"))
    defaults |= {section: defaults_of(options) for section, options in OPTIONS.items()}
    defaults["backend"] = defaults_of(*KINDS.values())
    lines: list[str] = []
    for section in [*ORDER, *(name for name in SECTIONS if name not in ORDER)]:
        lines += _section(section, SECTIONS[section], defaults.get(section))
        lines += _domains() if section == "sweep" else ()
        for name, options in INNER.items() if section == "job" else ():
            lines += _section(f"job.{name}", schema_of(options), defaults_of(options))
    for kind, tracker in TRACKERS.items():
        lines += _section(f"trackers.{kind}", schema_of(tracker), defaults_of(tracker))
    for kind, schema in ENGINES.items():
        lines += _section(
            f"engine={kind}", schema, {"kind": kind, **defaults_of(*engines.KINDS[EngineKind(kind)].options)}
        )
    return "\n".join(lines).strip() + "\n"


def _domains() -> Iterator[str]:
    """What a search draws from, a row a kind."""
    yield from (f"### `{DOMAINS}`", "", "What is drawn for a key: a list to choose from, or one of these.", "")
    yield from ("| kind | draws | Optuna |", "|---|---|---|")
    for name, kind in KINDS_DRAWN.items():
        proposes = "yes" if kind.scale.bounded else "no, it has none"
        if kind.stepped and kind.scale is Scale.LOG:
            proposes = "with `q` 1 alone"
        yield f"| `{{{name}: {kind.takes}}}` | {kind.says} | {proposes} |"
    yield from ("| `{choice: [...]}` | one of these, as a list alone is | yes |", "")


def _section(name: str, schema: Schema, default: Any) -> Iterator[str]:
    shape = _object(schema)
    yield from (f"### `{name}`", "")
    if told := schema.get("description") or shape.get("description"):
        yield from (told, "")
    if shape.get("properties"):
        yield from ("| key | value | default | |", "|---|---|---|---|")
        for key, part in shape["properties"].items():
            given = default.get(key) if isinstance(default, dict) else None
            needed = key in shape.get("required", ()) and given in (None, "???")
            shown = "**required**" if needed or given == "???" else _default(given)
            yield f"| `{key}` | {_values(part)} | {shown} | {_told(part)} |"
        yield ""


def _object(schema: Schema) -> Schema:
    """The mapping among the alternatives of a schema, else the schema itself."""
    return next((part for part in schema.get("anyOf", ()) if part.get("type") == "object"), schema)


def _told(schema: Schema) -> str:
    only = _object(schema) if {"type": "null"} in schema.get("anyOf", ()) else {}
    return str(schema.get("description") or only.get("description") or "").replace("|", "\\|")


def _default(value: Any) -> str:
    if value is None or value == {} or value == []:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _values(schema: Schema) -> str:
    """What may stand there, in words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    if "errorMessage" in schema:
        said = str(schema["errorMessage"]).removeprefix("must be ").removeprefix("must ")
        return said.replace("look like", "like").replace("begin with", "beginning with").replace("|", "\\|")
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_values(part) for part in schema["anyOf"] if part != {"type": "null"}))
    kinds = schema.get("type", "anything")
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    words |= {"array": "list", "object": "mapping"}
    named = [words[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind in words]
    return ", ".join([" or ".join(named), *_bounds(schema)])


def _bounds(schema: Schema) -> Iterator[str]:
    """What a number may be, in words."""
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']} to {schema['maximum']}"
        return
    words = {"minimum": "{} or more", "maximum": "{} or less", "exclusiveMinimum": "more than {}"}
    words |= {"exclusiveMaximum": "less than {}"}
    yield from (said.format(schema[key]) for key, said in words.items() if key in schema)


def replaced(document: str) -> str:
    """The document with the current reference between its marks."""
    before, rest = document.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}\n\n{text()}\n{END}{after}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(replaced(document.read_text(encoding="utf-8")), encoding="utf-8")
