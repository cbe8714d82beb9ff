"""An agent that is a script: for each task what somebody does who has read skills/sagemaker-sweeps/SKILL.md.

It sees JSON alone: what `--json` and `--events jsonl` print. What it answers it has read there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.agent.place import Place

SCRIPT = "experiments/scripts/demo/train.py"


def best_of(told: Mapping[str, Any]) -> str:
    """The best trial of a run or a status, in words."""
    return f"{told['best']['name']} with {told['best']['metric']}={told['best']['value']:g}"


def row_of(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The row of this trial."""
    found: Mapping[str, Any] = next(row for row in told["rows"] if row["name"] == name)
    return found


def status(place: Place, sweep: str) -> dict[str, Any]:
    """How a sweep stands."""
    return place.sweeper("status", sweep, "--json").told


def run(place: Place, experiment: str, *words: str) -> dict[str, Any]:
    """Run an experiment."""
    return place.sweeper(f"+experiment={experiment}", *words, "--json").told


def _best(place: Place) -> str:
    return best_of(status(place, "demo"))


def _value(place: Place) -> str:
    return f"{row_of(status(place, 'demo'), 'x=3')['metric.score']:g}"


def _failed(place: Place) -> str:
    bad = [row for row in status(place, "flaky")["rows"] if row["status"] == "failed"]
    return f"{len(bad)}: " + ", ".join(f"{row['name']}, {row['failure']}" for row in bad)


def _pools(place: Place) -> str:
    pools = status(place, "demo")["pools"]
    return f"{pools['cold']} cold, {pools['reused']} reused"


def _overview(place: Place) -> str:
    sweeps = place.sweeper("list", "--json").told["sweeps"]
    return ", ".join(one["sweep"] for one in sweeps if one["best"] is None)


def _plan(place: Place) -> str:
    return str(place.sweeper("plan", "+experiment=wide", "--json").told["trials"])


def _idle(place: Place) -> str:
    return "yes" if place.sweeper("pools", "--json").told["pools"] else "no"


def _run(place: Place) -> str:
    return best_of(run(place, "peak"))


def _pinned(place: Place) -> str:
    return best_of(run(place, "peak", "hyperparameters.x=5,9"))


def _until(place: Place) -> str:
    return str(run(place, "until")["counts"]["completed"])


def _rest(place: Place) -> str:
    return best_of(run(place, "half"))


def _seeds(place: Place) -> str:
    group = run(place, "seeds")["best"]["group"]
    return f"{group['name']}: {group['over']} {group['value']:g} of {group['n']}"


def _ordered(place: Place) -> str:
    words = ("+experiment=peak", "name=ordered", "hyperparameters.x=7,6", "--events", "jsonl")
    happened = place.sweeper(*words).lines
    return ", then ".join(line["name"] for line in happened if line["event"] == "trial_ended")


def _new(place: Place) -> str:
    place.sweeper("new", "mine", "--from", "first")
    return str(place.sweeper("plan", "+experiment=mine", "--json").told["trials"])


def _typo(place: Place) -> str:
    error = run(place, "typo")["error"]
    place.edit(error["file"], "goal: biggest", "goal: maximize")
    return best_of(run(place, "typo"))


def _cause(place: Place) -> str:
    return str(row_of(status(place, "flaky"), "x=2")["message"])


def _log(place: Place) -> str:
    lines = place.sweeper("logs", "flaky", "x=2", "--json").told["lines"]
    return next(line for line in reversed(lines) if "train.py" in line)


def _mended(place: Place) -> str:
    place.edit("experiments/flaky.yaml", ", fail: 2", ", fail: 0")
    return str(run(place, "flaky")["counts"])


def _heard(place: Place) -> str:
    place.sweeper("logs", "mute", "1", "--json")
    place.edit("experiments/mute.yaml", "scroe=(", "score=(")
    place.sweeper("retry", "mute", "--json")
    return best_of(run(place, "mute"))


def _deaf(place: Place) -> str:
    unread = place.sweeper("plan", "+experiment=deaf", "--json").told["arguments"]["unread"]
    return f"its script never reads {', '.join(one['name'] for one in unread)}"


def _kept(place: Place) -> str:
    place.edit(SCRIPT, "10 * x", "12 * x")
    told = place.sweeper("try", "demo", "x=5", "--json").told
    return f"{'better' if told['better'] else 'not so'}: {told['before']} before, {told['now']} now"


def _discarded(place: Place) -> str:
    place.edit(SCRIPT, "12 * x", "3 * x")
    told = place.sweeper("try", "demo", "x=5", "--json").told
    if told["better"]:
        return "kept"
    place.edit(SCRIPT, "3 * x", "12 * x")
    place.sweeper("source", told["sweep"], str(told["number"]), "--to", "discarded", "--json")
    return f"discarded: {told['now']}"


def _warm(place: Place) -> str:
    place.edit(SCRIPT, "12 * x", "11 * x")
    place.sweeper("try", "demo", "x=5", "--keep-warm", "--json")
    place.edit(SCRIPT, "11 * x", "12 * x")
    return str(place.sweeper("try", "demo", "x=5", "--json").told["pool"])


def _released(place: Place) -> str:
    place.sweeper("try", "demo", "x=3", "--keep-warm", "--json")
    return str(place.sweeper("pools", "release", "--json").told)


def _added(place: Place) -> str:
    place.sweeper("add", "peak", "hyperparameters.x=6", "--json")
    return best_of(run(place, "peak", "hyperparameters.x=6"))


AGENT: Mapping[str, Callable[[Place], str]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_best, _value, _failed, _pools, _overview, _plan, _idle),
        *(_run, _pinned, _until, _rest, _seeds, _ordered, _new),
        *(_typo, _cause, _log, _mended, _heard, _deaf),
        *(_kept, _discarded, _warm, _released, _added),
    )
}
"""What it does about each task."""
