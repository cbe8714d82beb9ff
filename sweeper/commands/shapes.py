"""Which types make what each command prints as JSON; their schemas lie in conf/schema/outputs, and in the package.

`python -m sweeper.commands.shapes conf/schema/outputs docs/machine.md` writes both anew; tests hold them to this.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args, get_type_hints

from sweeper.commands import (
    add,
    clean,
    comparing,
    detaching,
    doctor,
    engine,
    listing,
    logs,
    note,
    plan,
    pools,
    priority,
    pull,
    report,
    retry,
    side_by_side,
    simulate,
    skip,
    source,
    status,
    stop,
    suite,
    trying,
    verify,
    view,
)
from sweeper.core.options import Schema
from sweeper.core.smoke import questions
from sweeper.show import events, shapes, summary

EVENTS = "events"
RUN = "run"

Shapes = Mapping[str, type]


def _happenings() -> dict[str, type]:
    kinds = get_args(events.Happening)
    return {get_args(get_type_hints(kind)["event"])[0]: kind for kind in kinds}


_RUN: Shapes = {"ended": summary.RunEnded, "detached": detaching.Begun}
SHAPES: Mapping[str, Shapes] = {
    RUN: _RUN,
    EVENTS: _happenings(),
    "plan": {"plan": plan.Plan, "compared": comparing.BackendsCompared},
    "doctor": {"checked": doctor.Checked, "smoke": questions.Recording},
    "status": {"status": status.Status},
    "wait": {"ended": summary.RunEnded},
    "view": {"serving": view.Viewed},
    "list": {"sweeps": listing.Sweeps},
    "logs": {"log": logs.Logged, "line": logs.LogLine},
    "report": {"report": report.Reported, "compared": side_by_side.Page},
    "note": {"noted": note.Noted},
    "stop": {"asked": stop.StopAsked},
    "skip": {"asked": skip.SkipAsked},
    "priority": {"changed": priority.Prioritised},
    "add": {"added": add.Added},
    "pools": {"open": pools.OpenPools, "released": pools.PoolsReleased},
    "engine": {"serving": engine.Serving, "status": engine.EngineTold, "stopped": engine.EngineStopped},
    "clean": {"cleaned": clean.Cleaned},
    "retry": {"retried": retry.Retried},
    "rerun": _RUN,
    "queue": _RUN,
    "suite": {"ended": suite.SuiteEnded},
    "try": {"ended": trying.TryEnded, "tries": trying.Tries},
    "source": {"source": source.Source},
    "pull": {"pulled": pull.Pulled},
    "verify": {"verified": verify.Verified},
    "simulate": {"simulated": simulate.SimulatedSweeps},
}
"""By verb what it prints: one of these. `run` is `sweeper +experiment=NAME`, `events` a line of --events jsonl."""


def schemas() -> Iterator[tuple[str, Schema]]:
    """The schema of each verb, by its name. Whatever a verb prints else, an error is told alike."""
    for verb, found in SHAPES.items():
        told = found if verb == EVENTS else {**found, "error": summary.Failed}
        yield verb, shapes.schema_of(verb, told)


def to_json(schema: Schema) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


FROM_HERE = "<!-- from here on: python -m sweeper.commands.shapes -->\n"


def page_of(page: str) -> str:
    """The page with its tables of fields as they are now: what each verb prints, each shape once."""
    return page.partition(FROM_HERE)[0] + FROM_HERE + "\n" + "\n".join(_tables())


def _tables() -> Iterator[str]:
    named: dict[str, str] = {}
    shown: set[str] = set()
    for verb, schema in schemas():
        yield f"### {verb}\n"
        for kind, told in schema["definitions"].items():
            written = json.dumps(told)
            if written in named:
                yield f"**{kind}**: as that of [{named[written]}](#{named[written]}).\n"
                continue
            named[written] = verb
            yield f"**{kind}**: {told['description']}\n\n| field | is | |\n|---|---|---|"
            yield "".join(f"| `{name}` | {what} | {words} |\n" for name, what, words in _fields(told, shown))


def _fields(told: Schema, shown: set[str], within: str = "") -> Iterator[tuple[str, str, str]]:
    """Every field below an object, dotted: what it is, and what it means. What was shown before is not shown again."""
    for name, one in told["properties"].items():
        if name == "schema_version":
            continue
        missing = [] if name in told["required"] or not told["required"] else ["May be missing."]
        inside, mark = (one["items"], "[]") if "properties" in one.get("items", {}) else (one, "")
        known = "properties" in inside and _fields_of(inside) in shown
        again = ["Its fields are [those above](#what-each-verb-prints)."] if known else []
        yield f"{within}{name}", _kind(one), " ".join(filter(None, [one.get("description"), *missing, *again]))
        if "properties" in inside and not known:
            shown.add(_fields_of(inside))
            yield from _fields(inside, shown, f"{within}{name}{mark}.")


def _fields_of(told: Schema) -> str:
    return json.dumps(told["properties"])


def _kind(one: Schema) -> str:
    """A type in a few words."""
    if "const" in one or "enum" in one:
        return ", ".join(f"`{json.dumps(word)}`" for word in one.get("enum", [one.get("const")]))
    if "anyOf" in one:
        return " or ".join(map(_kind, one["anyOf"]))
    kinds = one.get("type", "anything")
    text = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    return f"{text} of {_kind(one['items'])}" if "items" in one and "properties" not in one["items"] else text


if __name__ == "__main__":
    folder, page = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    for verb, schema in schemas():
        (folder / f"{verb}.json").write_text(to_json(schema), encoding="utf-8")
    page.write_text(page_of(page.read_text(encoding="utf-8")), encoding="utf-8")
