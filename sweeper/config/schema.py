"""The shape of an experiment, written once: what validates it here is what editors read from `conf/schema/*.json`.

`python -m sweeper.config.schema DIR` writes the files anew; a test holds them to this module.
`errorMessage` is the keyword that editors show in place of their own words; so do we.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from sweeper import backends, tracking
from sweeper.config import engines
from sweeper.config.definitions import defined_once
from sweeper.core import prune, remedies, stop
from sweeper.core.costs import Prices
from sweeper.core.failures import Failure
from sweeper.core.job import Experiment, Job, Locked
from sweeper.core.kinds import rule_schema
from sweeper.core.model import Objective, OnFailure, PoolSettings, Pruning
from sweeper.core.options import Schema, declared, schema_of
from sweeper.core.paces import Assume
from sweeper.core.scope import EngineKind
from sweeper.core.space.declared import Sweeps
from sweeper.errors import UsageError

DRAFT = "http://json-schema.org/draft-07/schema#"


def _object(description: str, properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": dict(properties),
        **({"required": list(required)} if required else {}),
    }


ACTION: Schema = {
    "anyOf": [
        {"enum": [name for name, kind in remedies.KINDS.items() if not declared(kind)]},
        *(schema_of(kind) for kind in remedies.KINDS.values() if declared(kind)),
    ],
    "errorMessage": "must be continue, stop, {retry: N}, {patch: {KEY: EXPRESSION}} or {next: {KEY: [VALUE, ...]}}",
}
ON_FAILURE = schema_of(OnFailure)
ON_FAILURE["properties"] = {
    remedies.DEFAULT: {**ACTION, "description": "For every class that is not listed."},
    **{failure.value: {**ACTION, "description": failure.row.words} for failure in Failure},
    **ON_FAILURE["properties"],
}


def _stop(rules: Mapping[str, Schema]) -> Schema:
    group = _object("Some rules.", rules)
    groups = {
        word: {"type": ["array", "null"], "items": group, "minItems": 1, "description": text}
        for word, text in stop.GROUPS.items()
    }
    on_until = {
        "enum": ["stop", "finish"],
        "description": "What becomes of the job that satisfies `until` while it trains.",
    }
    return _object("Reasons to end the chain early.", {**rules, **groups, stop.ON_UNTIL: on_until})


_STOP_RULES = {name: rule_schema(kind) for name, kind in stop.KINDS.items()}
STOP = _stop(_STOP_RULES)


def stop_schema(section: object) -> Schema:
    """The schema of this `stop` section: with the rules of a user's own that it asks for. One that cannot be used is
    let pass: what is said of it stands elsewhere (sweeper.config.checks).
    """
    own = stop.foreign(section)
    return _stop({**_STOP_RULES, **{name: _foreign_rule(name) for name in own}}) if own else STOP


def _foreign_rule(name: str) -> Schema:
    try:
        return rule_schema(stop.RULES.of(name))
    except UsageError:
        return {}


PRUNE = schema_of(Pruning)
PRUNE["properties"].update({name: rule_schema(kind) for name, kind in prune.KINDS.items()})


def _engine(kind: EngineKind) -> Schema:
    own = schema_of(*engines.KINDS[kind].options)
    properties = {"kind": {"enum": [kind.value]}, **own["properties"]}
    return _object(engines.KINDS[kind].words, properties, required=("kind",))


def options_of(kind: str) -> dict[str, Schema]:
    """The options of a backend. Raises UsageError for one that there is not."""
    found: dict[str, Schema] = schema_of(backends.kind_of(kind))["properties"]
    return found


def not_its_option(kind: str, key: str) -> str:
    """Whose option of `backend` this is instead of this kind's; empty when it is nobody's. Raises UsageError."""
    others = [other for other in backends.KINDS if key in options_of(other)]
    return f"is for backend={' or '.join(others)}, not {kind}" if others and key not in options_of(kind) else ""


def _every_backend() -> Schema:
    """What may stand in the `backend` section of one kind or another."""
    options = {
        name: {**schema, "description": f"{kind}: {schema['description']}"}
        for kind in backends.KINDS
        for name, schema in options_of(kind).items()
    }
    return _object("Where machines come from.", {"kind": {"enum": list(backends.KINDS)}, **options}, required=("kind",))


BACKEND = _every_backend()


def backend_schema(kind: object) -> Schema:
    """The schema of the `backend` section for this kind, a user's own included; options of another kind are let pass:
    what is said of those knows whose they are (sweeper.config.reasons).

    Raises UsageError for a kind that there is not.
    """
    if not isinstance(kind, str):
        return BACKEND
    own = schema_of(backends.kind_of(kind))
    let_pass: dict[str, Schema] = {name: {} for name in BACKEND["properties"]}
    properties = {**let_pass, "kind": {"enum": [kind]}, **own["properties"]}
    return _object("Where machines come from.", properties, required=("kind", *own.get("required", ())))


def trackers_schema(names: Iterable[str] = ()) -> Schema:
    """The schema of the `trackers` section; of a user's own trackers those with these names, where they are installed.

    Raises UsageError for one that cannot be used.
    """
    foreign = [name for name in names if name not in tracking.KINDS]
    own = [name for name in foreign if name in tracking.TRACKERS.own()]
    kinds = {name: schema_of(tracking.kind_of(name)) for name in (*tracking.KINDS, *own)}
    return {
        **_object(
            "Who is told what trials come to: trackers and their options. null takes an inherited one away.",
            {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in kinds.items()},
        ),
        "type": ["object", "null"],
    }


OPTIONS: Mapping[str, type] = {
    "locked": Locked,
    "job": Job,
    "sweep": Sweeps,
    "objective": Objective,
    "prices": Prices,
    "pool": PoolSettings,
    "assume": Assume,
}
"""What is declared in one dataclass each, by section; the sections that are one option each are Experiment's."""

_OWN: dict[str, Schema] = {
    **schema_of(Experiment)["properties"],
    **{section: schema_of(options) for section, options in OPTIONS.items()},
}
SECTIONS: dict[str, Schema] = {
    **_OWN,
    "objective": {"anyOf": [_OWN["objective"], {"type": "null"}]},
    "stop": STOP,
    "prune": PRUNE,
    "on_failure": ON_FAILURE,
    "backend": BACKEND,
    "trackers": trackers_schema(),
}
ENGINES = {kind.value: _engine(kind) for kind in engines.KINDS}


def engine_schema(kind: object) -> Schema:
    """The schema of the `engine` section for this kind."""
    unknown = _object("What answers the API.", {"kind": {"enum": list(ENGINES)}}, required=("kind",))
    return ENGINES.get(str(kind), {**unknown, "additionalProperties": True})


INTERPOLATION: Schema = {"type": "string", "pattern": r"\$\{.+\}", "description": "An interpolation: ${...}."}


def lenient(schema: Schema) -> Schema:
    """The schema for a part of a configuration: nothing is required, `${...}` may stand for any value."""
    if "anyOf" in schema:
        options = [lenient(option) for option in schema["anyOf"]]
        return {**{k: v for k, v in schema.items() if k != "anyOf"}, "anyOf": [*options, INTERPOLATION]}
    if schema.get("type") == "object" or "object" in _types(schema):
        relaxed: Schema = {key: value for key, value in schema.items() if key != "required"}
        if "properties" in schema:
            relaxed["properties"] = {name: lenient(part) for name, part in schema["properties"].items()}
        if isinstance(schema.get("additionalProperties"), dict):
            relaxed["additionalProperties"] = lenient(schema["additionalProperties"])
        return relaxed
    kept: Schema = {key: schema[key] for key in ("description", "errorMessage") if key in schema}
    return {**kept, "anyOf": [{k: v for k, v in schema.items() if k not in kept}, INTERPOLATION]}


def _types(schema: Schema) -> list[str]:
    found = schema.get("type", [])
    return found if isinstance(found, list) else [found]


def experiment() -> Schema:
    """The lenient schema of an experiment file."""
    parts = {name: lenient(schema) for name, schema in SECTIONS.items() if name not in ("sweep", "backend")}
    engines = [lenient(schema) for schema in ENGINES.values()]
    return {
        "$schema": DRAFT,
        "title": "sweeper experiment",
        "type": "object",
        "properties": {
            "defaults": {"type": "array", "description": "Other experiments and config groups to start from."},
            **parts,
            "sweep": SECTIONS["sweep"],
            "engine": {"anyOf": engines},
            "backend": lenient(BACKEND),
        },
    }


def files() -> dict[str, Schema]:
    """Every published schema by file name."""
    return {
        "experiment.json": defined_once(experiment(), {"interpolation": INTERPOLATION, "action": lenient(ACTION)}),
    }


def text(schema: Schema) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    """Write every schema into this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in files().items():
        (folder / name).write_text(text(schema), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
