"""Building the CreateTrainingJob request, and the PoolKey that tells whether two requests share a warm pool. Pure.

Field names and limits: botocore's model of SageMaker; matching fields: the developer guide's page on warm pools.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from sweeper.core import pieces, pool_caches
from sweeper.core.channels import Channel, channels
from sweeper.core.identity import canonical
from sweeper.core.job import Job, Locked
from sweeper.core.members import request_of
from sweeper.core.model import Launch
from sweeper.core.options import from_section
from sweeper.core.ports import Backend, Request
from sweeper.core.scope import Scope
from sweeper.driver import CHANNEL, START_DRIVER, VALUES_CHANNEL
from sweeper.driver.arguments import decoded
from sweeper.driver.launchers import MPIRUN, TORCHRUN
from sweeper.errors import UsageError

FINGERPRINT = "SWEEPER_FINGERPRINT"
MARK = "sweeper:fingerprint"
"""The tag that holds the same: Search knows tags."""
PAGE = 100
"""The most jobs that a page of a listing holds."""
CODE = "code"
"""The channel that brings the toolkit's source to a container without a network: the SDK's own name."""
ARCHIVE = "source.tar.gz"
SOURCES, INPUTS, VALUES = "sources", "inputs", "values"

_QUEUED = re.compile(r"s[0-9a-f]{16}a\d\d")
MAX_ATTEMPTS = 99  # two digits, so that no job name is a prefix of another (log streams are found by prefix)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, as hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def job_name(owner: str, scope: Scope, sweep: str, trial: str, attempt: int, *, queued: bool = False) -> str:
    """The name of an attempt: no time, no chance, at most 63 characters (R2). Raises ValueError past 99 attempts.

    `queued`: for AWS Batch, which adds 40 characters of its own.
    """
    if not 1 <= attempt <= MAX_ATTEMPTS:
        raise ValueError(f"attempt {attempt} of trial {trial}: at most {MAX_ATTEMPTS} attempts have a name")
    key = digest([owner, scope.account, scope.region, sweep, trial])[:16]
    if queued:
        return f"s{key}a{attempt:02d}"
    return f"{slug(sweep)}-{key}-a{attempt:02d}"


def slug(sweep: str) -> str:
    """What the names of a sweep's jobs begin with, and its log streams."""
    return re.sub(r"[^a-zA-Z0-9]+", "-", sweep).strip("-")[:20].strip("-") or "sweep"


def default_output(account: str, region: str, sweep: str) -> str:
    """Where a sweep's jobs write that does not say: the SageMaker SDK's own bucket convention."""
    return f"s3://sagemaker-{region}-{account}/sweeper/{sweep}".rstrip("/")


def staged_below(output_path: str | None, account: str, region: str, what: str) -> str:
    """Below which prefix `what` (sources, inputs ...) is put, by its content: one for every sweep that names no other.

    No sweep and no job has a name that begins like this.
    """
    return f"{(output_path or default_output(account, region, '')).rstrip('/')}/_{what}"


def is_queued_name(name: str) -> bool:
    """Is it the name of a job that went by way of AWS Batch?"""
    return _QUEUED.fullmatch(name) is not None


def log_prefix(name: str) -> str:
    """What the log streams of a job begin with; Batch names the training job itself."""
    return f"AWSBatch{name}" if is_queued_name(name) else f"{name}/"


def fingerprint(owner: str, sweep: str, trial: str, attempt: int) -> str:
    """What marks a job as ours, in its environment and its tags."""
    return f"{owner}/{sweep}/{trial}/{attempt}"


def encode_hyperparameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Hyperparameters as SageMaker carries them: str verbatim, None left out, everything else as JSON."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items() if v is not None}


def decode_hyperparameters(values: Mapping[str, str]) -> dict[str, Any]:
    """What they were before they became text, as far as the same text would become of it again."""
    return {name: _decoded(value) for name, value in values.items()}


def _decoded(value: str) -> Any:
    read = decoded(value)
    infinite = isinstance(read, float) and not math.isfinite(read)
    return value if read is None or infinite or isinstance(read, str) else read


@dataclass(frozen=True)
class Revision:
    """The commit of git that a source is of; `dirty`: it had been changed since. Empty: none is known."""

    commit: str = ""
    dirty: bool = False

    @property
    def tags(self) -> dict[str, str]:
        """The tags of a job that runs it."""
        return {"sweeper:commit": self.commit, "sweeper:dirty": str(self.dirty).lower()} if self.commit else {}


@dataclass(frozen=True)
class Staged:
    """Where a job's code and data lie: S3 prefixes. `source` is empty when the image brings its own code."""

    source: str
    inputs: Mapping[str, str]
    output: str
    revision: Revision = Revision()


def build(
    config: Mapping[str, Any],
    *,
    name: str,
    mark: str,
    sweep: str,
    max_runtime_s: int,
    staged: Staged,
    region: str,
    caches: bool = False,
) -> Request:
    """The request for one job, without what the backend adds. `config` is a resolved trial (model.Sweep.resolve).

    `caches`: its downloads are kept in the cache of its warm pool (`model.Sweep.caches`).
    """
    locked = from_section(Locked, config["locked"])
    job = from_section(Job, {"max_runtime_s": max_runtime_s, **config["job"]})
    isolated = locked.enable_network_isolation
    algorithm: Request = {"TrainingInputMode": "File"}
    if job.launch is Launch.DRIVER:
        algorithm["ContainerEntrypoint"] = ["/bin/sh", "-c", START_DRIVER]
    request: Request = {
        "TrainingJobName": name,
        "AlgorithmSpecification": algorithm,
        "HyperParameters": _hyperparameters(config["hyperparameters"], job, locked, staged, name, region),
        "Environment": _environment({**config["environment"], FINGERPRINT: mark}, job, caches and not isolated),
    }
    request = merged(request, _said(locked, job))
    stopping = {"MaxRuntimeInSeconds": max_runtime_s}
    request = merged(request, {"OutputDataConfig": {"S3OutputPath": staged.output}, "StoppingCondition": stopping})
    request |= {
        "InputDataConfig": _channels(own_channel(job.launch, isolated), job, staged),
        "CheckpointConfig": _checkpoints(job, name),
        "Tags": _tags({**job.tags, "sweeper:sweep": sweep, MARK: mark, **staged.revision.tags}),
        # Sorted: it is not known whether the service compares them as a list or as a set.
        "VpcConfig": {key: sorted(ids) for key, ids in request.get("VpcConfig", {}).items()},
        "SessionChainingConfig": {"EnableSessionTagChaining": True} if locked.enable_session_tag_chaining else {},
    }
    request = merged(request, _piece(config.get("request") or {}, own_channel(job.launch, isolated)))
    return {key: value for key, value in request.items() if value not in ({}, [])}


def _said(locked: Locked, job: Job) -> Request:
    """The members that the options of these sections are."""
    request = merged(request_of(locked), request_of(job))
    if any(one.instance_count for one in locked.instance_preferences or ()):
        del request["ResourceConfig"]["InstanceCount"]  # the service takes one for all, or one for each
    return request


def _environment(said: Mapping[str, Any], job: Job, caches: bool) -> dict[str, Any]:
    """Our driver sees for itself whether there is a cache."""
    return pool_caches.added(said) if caches and job.launch is not Launch.DRIVER else dict(said)


def _piece(piece: Mapping[str, Any], own: str | None) -> Mapping[str, Any]:
    """Raises UsageError for what may not be said there: a trial's own values may have made it so.

    `own`: the channel that brings the code.
    """
    for path, what in pieces.refused(piece, own):
        raise UsageError(f"request.{'.'.join(map(str, path))}: {what}")
    return piece


_BY_NAME = {"InputDataConfig": "ChannelName", "Tags": "Key", "MetricDefinitions": "Name"}
"""Lists whose items have a name that is there once."""


def merged(request: Mapping[str, Any], more: Mapping[str, Any]) -> Request:
    """A request with another piece of one merged into it, which wins. A list is one value, but for named items."""
    return {**request, **{key: _both(key, request.get(key), value) for key, value in more.items()}}


def _both(key: str, one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return merged(one, other)
    if key in _BY_NAME and isinstance(one, list) and isinstance(other, list):
        name = _BY_NAME[key]
        named = {item[name]: item for item in one}
        return [*{**named, **{item[name]: merged(named.get(item[name], {}), item) for item in other}}.values()]
    return other


def _tags(told: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in text_of(told).items()]


def text_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Values where only text may stand: text as it is, the rest as JSON, null left out."""
    return {k: v if isinstance(v, str) else canonical(v) for k, v in values.items() if v is not None}


def _checkpoints(job: Job, name: str) -> dict[str, str]:
    """A prefix for each trial, shared by its attempts: the service restores everything that is below."""
    if not job.checkpoint_s3_uri:
        return {}
    trial, _, _ = name.rpartition("-")
    local = job.checkpoint_local_path
    return {"S3Uri": f"{job.checkpoint_s3_uri.rstrip('/')}/{trial}", **({"LocalPath": local} if local else {})}


def _hyperparameters(
    values: Mapping[str, Any], job: Job, locked: Locked, staged: Staged, name: str, region: str
) -> dict[str, str]:
    if job.launch is not Launch.TOOLKIT:
        return encode_hyperparameters(values)
    source = f"/opt/ml/input/data/{CODE}" if locked.enable_network_isolation else staged.source
    # The sagemaker-training toolkit reads every value as JSON, strings included.
    toolkit = {
        "sagemaker_program": job.entry_script,
        "sagemaker_submit_directory": f"{source}/{ARCHIVE}",
        "sagemaker_container_log_level": 20,
        "sagemaker_job_name": name,
        "sagemaker_region": region,
    }
    launched = _launched(job, locked.instance_type)
    return {k: json.dumps(v) for k, v in {**values, **toolkit, **launched}.items() if v is not None}


def _launched(job: Job, instance_type: str | None) -> dict[str, Any]:
    """What the toolkit is told of processes that it is to start together."""
    if job.launcher == TORCHRUN:
        return {"sagemaker_torch_distributed_enabled": True, "sagemaker_instance_type": instance_type}
    if job.launcher == MPIRUN:
        count = job.processes_per_host or 1
        mpi = {"enabled": True, "num_of_processes_per_host": count, "custom_mpi_options": ""}
        return {f"sagemaker_mpi_{name}": value for name, value in mpi.items()}
    return {}


def own_channel(launch: Launch, isolated: bool) -> str | None:
    """The channel that brings the code; None where the image has it, or its toolkit fetches it from S3."""
    if launch is Launch.DRIVER:
        return CHANNEL
    return CODE if launch is Launch.TOOLKIT and isolated else None


def _channels(own: str | None, job: Job, staged: Staged) -> list[Request]:
    """Raises UsageError where a channel of the user's has the name of ours."""
    said = channels({"inputs": job.inputs})
    for ours in (own, VALUES_CHANNEL if own == CHANNEL else own):
        if ours in {**staged.inputs, **said}:
            raise UsageError(f"job.inputs.{ours}: is a channel of our own: give yours another name")
    for name, uri in staged.inputs.items():
        said[name] = replace(said.get(name, Channel()), uri=uri)
    if own:
        # a stream or a mount is nothing that code can be unpacked from
        mode = "File" if job.input_mode not in (None, "File") else None
        said[own] = Channel(uri=f"{staged.source}/", input_mode=mode)
    return [{"ChannelName": name, **_channel(channel)} for name, channel in said.items()]


def _channel(channel: Channel) -> Request:
    if channel.uri is None:
        return request_of(channel)
    usual = replace(
        channel, data_type=channel.data_type or "S3Prefix", distribution=channel.distribution or "FullyReplicated"
    )
    return request_of(usual)


_MATCHED_RESOURCES = (
    "InstanceType",
    "InstanceCount",
    "VolumeSizeInGB",
    "VolumeKmsKeyId",
    "InstanceGroups",
    "InstancePreferences",
    "InstancePlacementConfig",
    "TrainingPlanArn",
)
_MATCHED = (
    "RoleArn",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "SessionChainingConfig",
)
NOT_DESCRIBED = "SessionChainingConfig"
"""The one matching field that DescribeTrainingJob never shows."""


@dataclass(frozen=True)
class PoolKey:
    """The fields of a request that a warm pool matches on, as one comparable value."""

    text: str

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> PoolKey:
        """The key of this request, or of a job as described.

        The documented fields, and those of which it is not known whether they must match; no member that is new.
        """
        asked, network = request.get("ResourceConfig") or {}, request.get("VpcConfig") or {}
        resources = {k: asked[k] for k in _MATCHED_RESOURCES if asked.get(k)}
        vpc = {k: sorted(network[k]) for k in ("SecurityGroupIds", "Subnets") if network.get(k)}
        return cls(canonical([resources, vpc, [request.get(field) or None for field in _MATCHED]]))

    @property
    def fields(self) -> Mapping[str, Any]:
        """Each field that is set, by its name in the request."""
        resources, vpc, others = json.loads(self.text)
        return {
            **{f"ResourceConfig.{name}": value for name, value in resources.items()},
            **{f"VpcConfig.{name}": value for name, value in vpc.items()},
            **{name: value for name, value in zip(_MATCHED, others, strict=True) if value is not None},
        }

    def differences(self, other: PoolKey) -> dict[str, tuple[Any, Any]]:
        """Each field that differs, with its value here and there; None where it is not set."""
        ours, theirs = self.fields, other.fields
        names = [*ours, *(name for name in theirs if name not in ours)]
        return {n: (ours.get(n), theirs.get(n)) for n in names if ours.get(n) != theirs.get(n)}

    def may_match(self, described: PoolKey) -> bool:
        """Does the pool of a job with this key as described fit, as far as a description tells?"""
        return not self.differences(described).keys() - {NOT_DESCRIBED}

    @property
    def short(self) -> str:
        """Twelve characters that name the key in a lock file."""
        return digest(self.text)[:12]


def differing(frozen: PoolKey, request: Mapping[str, Any]) -> str:
    """In words, how the pool key of this request differs from the frozen one; empty when it does not."""
    found = frozen.differences(PoolKey.of(request))
    return ", ".join(f"{name} is {canonical(now)} and not {canonical(was)}" for name, (was, now) in found.items())


def locked_key(locked: Mapping[str, Any], backend: Backend | None = None) -> PoolKey:
    """The pool key of every request that is built from this `locked` section, as this backend sends it."""
    config = {
        "locked": locked,
        "job": {"launch": Launch.IMAGE.value, "image_uri": "-"},
        "hyperparameters": {},
        "environment": {},
    }
    staged = Staged(source="", inputs={}, output="-")
    request = build(config, name="-", mark="-", sweep="-", max_runtime_s=1, staged=staged, region="-")
    return PoolKey.of(backend.shape(request, 0) if backend else request)


def listing(token: str) -> dict[str, Any]:
    """ListTrainingJobs for one page, newest first; `token` is that of the page before, empty for the first."""
    asked = {"MaxResults": PAGE, "SortBy": "CreationTime", "SortOrder": "Descending"}
    return {**asked, "NextToken": token} if token else asked


def searching(mark: str, since: float) -> dict[str, Any]:
    """Search for the training jobs created since then (UTC seconds) with this in the tag that holds their mark."""
    when = datetime.fromtimestamp(since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    filters = [
        {"Name": f"Tags.{MARK}", "Operator": "Contains", "Value": mark},
        {"Name": "CreationTime", "Operator": "GreaterThanOrEqualTo", "Value": when},
    ]
    return {"Resource": "TrainingJob", "MaxResults": PAGE, "SearchExpression": {"Filters": filters}}
