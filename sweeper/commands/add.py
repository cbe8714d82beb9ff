"""`sweeper add`: queues another trial into a chain, also while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.config.problems import nearest
from sweeper.config.reasons import MAY_CHANGE
from sweeper.core.identity import flatten
from sweeper.errors import UsageError
from sweeper.record.journal import ask
from sweeper.run.clock import SystemClock


class Added(TypedDict):
    """A trial that was queued."""

    sweep: str
    values: dict[str, Any]
    """Its free values, by dotted key."""
    running: bool
    """Does its runner take it? Else the next run does."""


def main(arguments: Sequence[str]) -> int:
    """Leave the request in the sweep's journal; returns the exit code."""
    parser = Parser(
        prog="sweeper add",
        description="Queue another trial: the base of the experiment with these values. It runs after the declared "
        "ones, on the same pool; when nothing runs now, the next run of the sweep takes it.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("values", nargs="+", metavar="KEY=VALUE", help="what differs from the base, in Hydra's grammar")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    sweep = sweeps.find(options.name)
    values = parsed(options.values, sweep.config)
    ask(sweep.journal, SystemClock().now(), "add", values=values)
    if options.json:
        told: Added = {"sweep": sweep.name, "values": values, "running": sweep.runner is not None}
        tell_json(told)
    elif sweep.runner:
        tell(f"asked {sweep.runner.short} to run it after the others of {sweep.name}, on the same pool")
    else:
        tell(f"{sweep.name} is not running: its next run takes the trial; no pool is kept for it")
    return 0


def parsed(words: Sequence[str], config: Mapping[str, Any]) -> dict[str, Any]:
    """The values by dotted key. Raises UsageError for what is no parameter of this configuration."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    keys = [".".join(path) for path, _ in flatten({s: config.get(s) or {} for s in MAY_CHANGE})]
    values: dict[str, Any] = {}
    for word in words:
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise UsageError(f"{word}: is not key=value: {str(error).splitlines()[0]}") from None
        key = override.get_key_element().lstrip("+~")
        if override.is_sweep_override() or override.is_delete():
            raise UsageError(f"{word}: one trial has one value of each key")
        if key.startswith("environment."):  # what is added stands in the journal, as it decides
            raise UsageError(f"{key}: cannot be added: what stands under environment may be a secret, and is not kept")
        if keys and key not in keys and not key.startswith("dependencies."):
            raise UsageError(f"{key}: is not a parameter{nearest(key, keys)}")
        values[key] = override.value()
    return values
