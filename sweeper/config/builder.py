"""`builder: MODULE:FUNCTION`: what SageMaker's SDK would send for a user's function is what trials begin with."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.config import engines, sdk_defaults
from sweeper.config.check import Finding
from sweeper.config.draft import Draft
from sweeper.config.layers import Layer, Place, layers
from sweeper.config.problems import KeyPath, brief, refuse
from sweeper.config.values import read
from sweeper.config.writing import escaped
from sweeper.core.job import BUILDER, Job, Locked
from sweeper.core.members import said_by
from sweeper.core.options import defaults_of
from sweeper.core.unbuilt import Unbuilt
from sweeper.errors import UsageError

LONGEST_S = 600
"""The longest that a function may take."""
REGION = "us-east-1"
"""For a function that nobody has told one; the SDK makes nothing without."""
SPOT = "spot"
STARTS = (
    *("launch", "source_dir", "entry_script", "requirements", "arguments", "launcher", "processes_per_host"),
    *("container_entrypoint", "container_arguments"),
)
"""Options of `job` that say what a job starts: the function has said all of it."""


@dataclass(frozen=True)
class Template(Layer):
    """A function's request as a layer: what neither may say otherwise, the backend it asks for, what none may say."""

    target: str
    sdk: str
    agreed: Mapping[KeyPath, Any]
    backend: str
    refused: Mapping[str, str]

    def told(self, counts: Callable[[KeyPath, Place | None], bool]) -> dict[str, str]:
        """The function alone: all of it is from there."""
        return {"request": f"{self.target}{f' ({self.sdk})' if self.sdk else ''}"}


def template(draft: Draft) -> Template | None:
    """The request of the function that this configuration names; None when it names none. Raises UsageError."""
    target = read(draft.config, "builder")[0]
    if not isinstance(target, str) or not re.match(BUILDER, target):
        return None  # what is wrong with it is told with the rest
    from sweeper.config.template import Captured, built, sections_of  # few experiments name one

    with tempfile.TemporaryDirectory(dir=built(draft.root)) as folder:
        told = _asked(target, draft.root, Path(folder), _region(draft))
        try:
            if "failed" in told:
                raise UsageError(told["failed"])
            uploads = {uri: Path(folder, name) for uri, name in told["uploads"].items()}
            found = sections_of(Captured(told["request"], uploads), draft.root)
        except UsageError as error:
            draft.wrong(("builder",), f"{target}: {error}")
            refuse(draft.problems)
            raise
    return _layer(target, told, found, draft.origin.place_of(("builder",)))


def _region(draft: Draft) -> str | None:
    """The Region of the engine; None where that is the local one, or cannot be read: what is wrong is told later."""
    engine, _ = read(draft.config, "engine")
    try:
        region = engines.region_of(engine)
    except (LookupError, ValueError, TypeError):
        return None
    return region if isinstance(region, str) else None


def _asked(target: str, root: Path, folder: Path, region: str | None) -> dict[str, Any]:
    """What a process of its own tells of the function: the SDK takes seconds and much memory to import."""
    command = [sys.executable, "-m", "sweeper.aws.capture", target, str(root), str(folder)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(folder, region),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"failed": f"was not done after {LONGEST_S} s"}
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {"failed": f"ended its process with {done.returncode}: {last}"}
    return told


def _environment(folder: Path, region: str | None) -> dict[str, str]:
    """Of the process: a region, the SDK's defaults without its telemetry, and nothing that would ask an account."""
    known = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    quiet = folder / "sdk.yaml"
    quiet.write_text(sdk_defaults.without_telemetry(), encoding="utf-8")
    return {
        **os.environ,
        "AWS_REGION": known,
        "AWS_DEFAULT_REGION": known,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_VALIDATE_ROLE": "false",
        sdk_defaults.USER: str(quiet),
    }


def _layer(target: str, told: Mapping[str, Any], found: Unbuilt, place: Place | None) -> Template:
    sections = {name: dict(said) for name, said in found.sections.items() if name != "backend"}
    sections.get("pool", {}).pop("caches", None)  # the SDK knows nothing of them
    locked = said_by(Locked, copy.deepcopy(told["request"]))
    starts = {**defaults_of(Job), **sections["job"]}
    agreed: dict[KeyPath, Any] = {("locked", key): value for key, value in locked.items()}
    agreed |= {("job", key): starts[key] for key in STARTS}
    return Template(
        escaped(sections),
        dict.fromkeys(_paths(sections), place),
        target=target,
        sdk=told["sdk"],
        agreed=agreed,
        backend=found.backend,
        refused=found.refused,
    )


def _paths(node: Any, above: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key, and every item of a list."""
    parts = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in parts:
        yield (*above, key)
        yield from _paths(inner, (*above, key))


def findings(draft: Draft, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Where the experiment and its function contradict each other, at the key of the experiment."""
    for layer in layers():
        if isinstance(layer, Template):
            yield from _contradictions(draft, layer, values)


def _contradictions(draft: Draft, theirs: Template, values: Mapping[str, Any]) -> Iterator[Finding]:
    for path, said in theirs.agreed.items():
        here = values[str(path[0])].get(path[1])
        if _comparable(here) != _comparable(said):
            instead = "it says all of what a job starts: leave this out" if path[0] == "job" else "say it in one place"
            yield path, f"is {brief(here)}, and {theirs.target} asks for {brief(said)}: {instead}"
    for member, what in theirs.refused.items():
        yield ("builder",), f"{theirs.target} asks for {member}, which {what}"
    if theirs.backend == SPOT and draft.choices["backend"] != SPOT:
        yield ("builder",), f"{theirs.target} asks for spot machines: choose backend=spot, or take it out there"


def _comparable(value: Any) -> Any:
    """Security groups and subnets have no order."""
    return sorted(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value
