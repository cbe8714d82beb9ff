"""The whole request of a trial, as the service's own model judges it, told at the keys that it was made of.

It brings botocore, which a plan for this machine need not load: there the model is asked where something is unusual.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config.check import Finding
from sweeper.config.draft import Draft
from sweeper.config.problems import Problem, dotted
from sweeper.core.channels import channels
from sweeper.core.costs import keeps
from sweeper.core.identity import canonical
from sweeper.core.job import Job, Locked
from sweeper.core.members import members
from sweeper.core.model import Launch, Sweep, Trial
from sweeper.core.ports import Request
from sweeper.core.request import Staged, build, fingerprint, job_name
from sweeper.core.scope import NO_ACCOUNT, EngineKind, Scope
from sweeper.errors import UsageError

MOST_VALUES = 200
"""Values of an axis that are judged, each in a trial that is otherwise the first."""
PLACE = "s3://bucket/prefix"
SOMEWHERE = Scope(EngineKind.AWS, NO_ACCOUNT, "us-east-1")
_SECTIONS = {"HyperParameters": "hyperparameters", "Environment": "environment"}
_KEYS = {member: (section, name) for section, of in (("job", Job), ("locked", Locked)) for member, name in members(of)}
"""Our keys by the members that they become."""
_CHANNEL = re.compile(r" for channel ([\w.-]+?)\.(?: |$)")
_STALE = "InstanceType"
"""The types that a model lists are those of its day: one that is not among them may be a new one."""
Path = tuple[str | int, ...]


def problems(draft: Draft, sweep: Sweep) -> Iterator[Problem]:
    """What the service would refuse of the first trial, and of each value that an axis gives; each once."""
    if not (sweep.engine.on_aws or _unusual(sweep)):
        return
    owner = sweep.owner or os.environ.get("SWEEPER_OWNER") or "owner"
    told: set[str] = set()
    for trial in _trials(draft):
        try:
            found = [*judged(sweep, trial, owner, SOMEWHERE)]
        except UsageError:
            continue  # it needs what another axis sets; told when its trial comes
        for path, what in found:
            if dotted(path) not in told:
                told.add(dotted(path))
                yield draft.problem(path, what)


def _unusual(sweep: Sweep) -> bool:
    job = sweep.composed.get("job") or {}
    locked = (sweep.locked.get("volume_kms_key_id"), sweep.locked.get("instance_preferences"))
    modes = (job.get("input_mode"), *(one.input_mode or one.data_type for one in channels(job).values()))
    told = any((*locked, *modes, sweep.composed.get("request"), sweep.owner))
    return told or job.get("launch") == Launch.TOOLKIT.value


def _trials(draft: Draft) -> Iterator[Trial]:
    """The first one, and for each axis what else it gives."""
    first = {key: value for axis in draft.axes for key, value in axis.block.rows[0].items()}
    seen: set[str] = set()
    for row in ({}, *(row for axis in draft.axes for row in axis.block.rows[:MOST_VALUES])):
        values = {**first, **row}
        if (text := canonical(values)) not in seen:
            seen.add(text)
            yield Trial(0, "0" * 16, text, values)


def judged(sweep: Sweep, trial: Trial, owner: str, scope: Scope) -> Iterator[Finding]:
    """What the service would refuse of this trial's request. Raises UsageError for one that cannot be resolved."""
    config = sweep.resolve(trial)
    made = _request(sweep, config, trial, owner, scope)
    yield from ((_key(path, config, made) if path else _named(what), what) for path, what in refused(made))


def refused(request: Request) -> Iterator[Finding]:
    """What the service would refuse of a request, by the path of its member; by none where it is several together."""
    from sweeper.engine.wire import rules  # it brings botocore

    judged_alone = rules.of_whole("CreateTrainingJob", request)
    found = [(path, what) for path, what in judged_alone if path[-1:] != (_STALE,) or "enum value set" not in what]
    found = found or [((), what) for what in rules.across("CreateTrainingJob", request)]
    yield from ((path, f"SageMaker would refuse the request: {what}") for path, what in found)


def _request(sweep: Sweep, config: Mapping[str, Any], trial: Trial, owner: str, scope: Scope) -> Request:
    """The request as a run would send it; places stand for what is not put anywhere yet."""
    inputs = {name: PLACE for name, channel in channels(config["job"]).items() if channel.in_s3}
    made = build(
        config,
        name=job_name(owner, scope, sweep.name, trial.id, 1, queued=sweep.backend.through is not None),
        mark=fingerprint(owner, sweep.name, trial.id, 1),
        sweep=sweep.name,
        max_runtime_s=int(config["job"]["max_runtime_s"]),
        staged=Staged(PLACE, inputs, PLACE),
        region=scope.region,
        caches=sweep.caches,
    )
    return sweep.backend.shape(made, keeps(sweep))


def _key(path: Path, config: Mapping[str, Any], made: Request) -> tuple[str, ...]:
    """The key that a member of the request comes from, as far as it is one alone."""
    first, *rest = map(str, path)
    if first in (config.get("request") or {}):
        return ("request", first, *rest)
    if first in _SECTIONS:
        return (_SECTIONS[first], *rest[:1])
    if first == "Tags" and rest:
        tag = str(made["Tags"][int(rest[0])]["Key"])
        return ("owner",) if tag.startswith("sweeper:") else ("job", "tags", tag)
    if first == "InputDataConfig" and rest:
        return ("job", "inputs", str(made["InputDataConfig"][int(rest[0])]["ChannelName"]))
    names = [part for part in path if isinstance(part, str)]
    ways = (".".join(names[:length]) for length in range(len(names), 0, -1))
    return next((_KEYS[way] for way in ways if way in _KEYS), ("job",))


def _named(what: str) -> tuple[str, ...]:
    """The channel that a refusal names, else the key of the member that it names first."""
    if channel := _CHANNEL.search(what):
        return ("job", "inputs", channel[1])
    ours: dict[str, tuple[str, ...]] = {}
    for member, (section, name) in _KEYS.items():
        *_, holder, last = member.split(".") if "." in member else ("", member)
        ours.setdefault(last, (section, name))
        if "." in name:  # one of several items of the same kind
            ours.setdefault(holder, (section, name.partition(".")[0]))
    return next((ours[word] for word in what.replace(",", " ").split() if word in ours), ("job",))
