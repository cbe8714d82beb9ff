"""What IAM has to allow an experiment, as documents for IAM: its runner, its watchdog, its jobs' role. Pure.

Actions, resources and condition keys: AWS's service authorization reference. `sts:GetCallerIdentity` is called too and
needs no permission.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any

from sweeper.core.channels import channels
from sweeper.core.identity import canonical
from sweeper.core.images import Image
from sweeper.core.model import MOST_KEEP_ALIVE_S, Launch, Sweep
from sweeper.core.ports import Backend
from sweeper.core.request import INPUTS, SOURCES, VALUES, default_output, slug, staged_below
from sweeper.core.smoke.jobs import SWEEP as SMOKE

ACCOUNT, REGION, CALLER = "ACCOUNT", "REGION", "YOUR-ROLE"
"""What stands where something is not known."""
_ROLE = "ROLE"
_GROUP = "/aws/sagemaker/TrainingJobs"
_SERVICE = "sagemaker.amazonaws.com"
Statement = dict[str, Any]
Document = dict[str, Any]


class For(str, Enum):
    """Who is allowed."""

    RUNNER = "runner"
    WATCHDOG = "watchdog"
    EXECUTION = "execution"
    SMOKE = "smoke"


@dataclass(frozen=True)
class Place:
    """Where an experiment runs, as far as it is known, and the ARN of the role or user that runs it."""

    partition: str = "aws"
    region: str = REGION
    account: str = ACCOUNT
    caller: str = ""

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account in this Region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def role(self, name: str) -> str:
        """The ARN of a role of this account."""
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"

    def s3(self, *where: str) -> list[str]:
        """The ARNs of buckets, or of what is in them, by their s3:// URIs; sorted, each once."""
        return sorted({f"arn:{self.partition}:s3:::{uri.removeprefix('s3://')}" for uri in where})


@dataclass(frozen=True)
class Uses:
    """What permissions depend on of an experiment. URIs are s3://; none of a field: it is not used."""

    place: Place
    role: str
    jobs: str = "*"
    """The pattern of its jobs' names."""
    keeps_pool: bool = True
    queue: str = ""
    share: str = ""
    """The kind of share of the queue that the jobs count for; empty: none."""
    lease: str = ""
    buckets: frozenset[str] = frozenset()
    """Buckets that are looked for before they are used."""
    made: frozenset[str] = frozenset()
    """Those of them that are made when they are missing."""
    staged: frozenset[str] = frozenset()
    """Prefixes below which the source and local inputs are put."""
    read: frozenset[str] = frozenset()
    """Prefixes that the jobs read."""
    written: frozenset[str] = frozenset()
    """Prefixes that they write."""
    outputs: frozenset[str] = frozenset()
    """Those of them where their models go."""
    restored: frozenset[str] = frozenset()
    """Prefixes of checkpoints, which they read as well."""
    images: frozenset[str] = frozenset()
    volume_key: str = ""
    output_keys: frozenset[str] = frozenset()
    """The keys that encrypt what is put into S3, by its runner and by its jobs."""
    in_vpc: bool = False


def anything(place: Place) -> Uses:
    """An experiment of which nothing is known but that it keeps to the defaults."""
    home = default_output(place.account, place.region, "")
    return Uses(
        place,
        place.role(_ROLE),
        buckets=frozenset({_bucket(home)}),
        made=frozenset({_bucket(home)}),
        staged=frozenset({home}),
        read=frozenset({home}),
        written=frozenset({home}),
        outputs=frozenset({home}),
    )


def _jobs(sweep: Sweep) -> list[Mapping[str, Any]]:
    """The different `job` sections of its trials; the first one stands for all where none is swept."""
    swept = any(key.startswith("job.") for key in sweep.trials.keys)
    sections = (sweep.resolve(trial)["job"] for trial in (sweep.trials if swept else islice(sweep.trials, 1)))
    return list({canonical(section): section for section in sections}.values())


def _staged(job: Mapping[str, Any], place: Place, *, queued: bool) -> Iterator[str]:
    if Launch(job["launch"]) is not Launch.IMAGE:
        yield staged_below(job.get("output_path"), place.account, place.region, SOURCES)
    if queued and Launch(job["launch"]) is Launch.DRIVER:
        yield staged_below(job.get("output_path"), place.account, place.region, VALUES)
    if any(channel.folder is not None for channel in channels(job).values()):
        yield staged_below(job.get("output_path"), place.account, place.region, INPUTS)


def _bucket(uri: str) -> str:
    return uri.removeprefix("s3://").partition("/")[0]


def uses(sweep: Sweep, place: Place) -> Uses:
    """What this experiment uses: every trial is looked at, for a job's places and image may be swept."""
    locked, backend = sweep.locked, sweep.backend
    home = default_output(place.account, place.region, sweep.name)
    jobs = _jobs(sweep)
    outputs = {str(job.get("output_path") or home).rstrip("/") for job in jobs}
    restored = {str(job["checkpoint_s3_uri"]).rstrip("/") for job in jobs if job.get("checkpoint_s3_uri")}
    staged = {where for job in jobs for where in _staged(job, place, queued=backend.through is not None)}
    inputs = {channel.uri for job in jobs for channel in channels(job).values() if channel.uri}
    boards = {board["s3_output_path"].rstrip("/") for job in jobs if (board := job.get("tensor_board_output_config"))}
    buckets = {_bucket(uri) for uri in (*outputs, *restored)}
    return Uses(
        place=place,
        role=str(locked["role_arn"]),
        jobs="*" if backend.through else f"{slug(sweep.name)}-*",
        keeps_pool=backend.keeps_pool,
        queue=backend.through.queue if backend.through else "",
        share=_share(backend),
        lease=(sweep.pool.lease or "").rstrip("/"),
        buckets=frozenset(buckets),
        made=frozenset(buckets & {_bucket(home)}),
        staged=frozenset(staged),
        read=frozenset(staged | inputs),
        written=frozenset(outputs | boards),
        outputs=frozenset(outputs),
        restored=frozenset(restored),
        images=frozenset(str(job["image_uri"]) for job in jobs if job.get("image_uri")),
        volume_key=str(locked.get("volume_kms_key_id") or ""),
        output_keys=frozenset(str(job["output_kms_key_id"]) for job in jobs if job.get("output_kms_key_id")),
        in_vpc=bool(locked.get("subnets")),
    )


def policy(who: For, used: Uses) -> Document:
    """The least that this one needs, as a document for IAM."""
    statements = _STATEMENTS[who](used)
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str], **condition: Mapping[str, Any]) -> Statement:
    found: Statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**found, "Condition": condition} if condition else found


def placeholders(document: Document) -> list[str]:
    """What has to be replaced in it before IAM can take it."""
    text = canonical(document)
    return [word for word in (ACCOUNT, REGION, CALLER, _ROLE) if re.search(rf"(?<![A-Z-]){word}(?![A-Z])", text)]


# -- the runner -------------------------------------------------------------------------------------------------


def _runner(used: Uses) -> Iterator[Statement]:
    place = used.place
    jobs = [place.arn("sagemaker", f"training-job/{used.jobs}")]
    if used.queue:
        yield from _queue(used)
    else:
        actions = ["sagemaker:CreateTrainingJob", "sagemaker:AddTags", "sagemaker:StopTrainingJob"]
        if used.keeps_pool:
            # the service takes up to 21600 s; sweeper never asks for more than this
            most = {"sagemaker:KeepAlivePeriod": str(MOST_KEEP_ALIVE_S)}
            actions.append("sagemaker:UpdateTrainingJob")
            yield _allow("Jobs", actions, jobs, NumericLessThanEqualsIfExists=most)
        else:
            yield _allow("Jobs", actions, jobs)
    yield _allow("PassRole", ["iam:PassRole"], [used.role], StringEquals={"iam:PassedToService": _SERVICE})
    # of any job: an idle pool of somebody else may match
    yield _allow("Look", ["sagemaker:DescribeTrainingJob"], [place.arn("sagemaker", "training-job/*")])
    yield _allow("List", ["sagemaker:ListTrainingJobs", "sagemaker:Search"], ["*"])
    yield from _storage(used)
    group = place.arn("logs", f"log-group:{_GROUP}")
    yield _allow("LogStreams", ["logs:DescribeLogStreams"], [f"{group}:*"])
    streams = "AWSBatch*" if used.queue else used.jobs
    yield _allow("Logs", ["logs:GetLogEvents"], [f"{group}:log-stream:{streams}"])
    yield from _models(used)
    yield from _checks(used)


def _checks(used: Uses) -> Iterator[Statement]:
    """What is only looked at before anything is created."""
    quotas = ["ListAWSDefaultServiceQuotas", "GetServiceQuota", "GetAWSDefaultServiceQuota"]
    yield _allow("OptionalQuotas", [f"servicequotas:{action}" for action in quotas], ["*"])
    callers = _callers(used.place)
    yield _allow("OptionalSimulation", ["iam:SimulatePrincipalPolicy"], callers)
    yield _allow("OptionalRoles", ["iam:GetRole"], sorted({used.role, *callers}))
    if used.buckets:
        yield _allow("OptionalEncryption", ["s3:GetEncryptionConfiguration"], used.place.s3(*used.buckets))
    if repositories := _repositories(used):
        yield _allow("OptionalImages", ["ecr:DescribeImages"], repositories)


QUOTA_SHARE, FAIR_SHARE = "quota share", "fair share"


def _share(backend: Backend) -> str:
    if (through := backend.through) is None:
        return ""
    return QUOTA_SHARE if through.quota_share else FAIR_SHARE if through.share_identifier else ""


def queue_arn(name: str, place: Place) -> str:
    """The ARN of a job queue of this name, which may be one."""
    return name if name.startswith("arn:") else place.arn("batch", f"job-queue/{name}")


def _queue(used: Uses) -> Iterator[Statement]:
    place, name = used.place, used.queue
    queue = queue_arn(name, place)
    jobs = place.arn("batch", "service-job/*")
    more = ["batch:UpdateServiceJob"] if used.share else []  # where priorities change something: `sweeper priority`
    yield _allow("Submit", ["batch:SubmitServiceJob"], [queue, jobs])
    yield _allow("OptionalQueue", ["batch:GetJobQueueSnapshot"], [queue])
    yield _allow("QueuedJobs", ["batch:TagResource", "batch:TerminateServiceJob", *more], [jobs])
    looks = ["batch:DescribeJobQueues", "batch:ListServiceJobs", "batch:DescribeServiceJob"]
    looks += ["batch:DescribeServiceEnvironments"]
    looks += ["batch:DescribeSchedulingPolicies"] if used.share else []
    looks += ["batch:ListQuotaShares"] if used.share == QUOTA_SHARE else []
    yield _allow("Queue", looks, ["*"])  # none of them is on a resource


def _models(used: Uses) -> Iterator[Statement]:
    """What `sweeper pull` reads."""
    if used.outputs:
        models = (f"{uri}/{used.jobs}/output/*" for uri in used.outputs)
        yield _allow("OptionalModels", ["s3:GetObject"], used.place.s3(*models))
    if not used.staged:  # else its runner has the keys
        for number, key in enumerate(sorted(used.output_keys)):
            yield _key(f"OptionalModelKey{number or ''}", ["kms:Decrypt"], used.place, key)


def _storage(used: Uses) -> Iterator[Statement]:
    s3 = used.place.s3
    yield _allow("Buckets", ["s3:ListBucket"], s3(*used.buckets))
    if used.made:
        yield _allow("DefaultBucket", ["s3:CreateBucket"], s3(*used.made))
    if used.staged:
        yield _allow("Stage", ["s3:GetObject", "s3:PutObject"], s3(*(f"{uri}/*" for uri in used.staged)))
    if used.staged:
        yield from _output_keys(used)
    if used.lease:
        actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        yield _allow("Lease", actions, s3(f"{used.lease}/*"))


def _output_keys(used: Uses) -> Iterator[Statement]:
    """To write under a key, and to read what lies under it; an upload in parts needs both."""
    for number, key in enumerate(sorted(used.output_keys)):
        yield _key(f"OutputKey{number or ''}", ["kms:GenerateDataKey", "kms:Decrypt"], used.place, key)


def _callers(place: Place) -> list[str]:
    """The role behind a session, whatever its path; a user as he is."""
    found = re.fullmatch(r"arn:[\w-]+:sts::\d+:assumed-role/([^/]+)/.*", place.caller)
    name = found[1] if found else "" if place.caller else CALLER
    return [place.role(name), place.role(f"*/{name}")] if name else [place.caller]


def _key(sid: str, actions: Sequence[str], place: Place, key: str) -> Statement:
    """A key by its ARN or id; an alias is any key that has it, for IAM knows keys by their ARNs."""
    alias = key.rpartition(":")[2]
    if alias.startswith("alias/"):
        has = {"kms:ResourceAliases": alias}
        return _allow(sid, actions, [place.arn("kms", "key/*")], **{"ForAnyValue:StringEquals": has})
    return _allow(sid, actions, [key if key.startswith("arn:") else place.arn("kms", f"key/{key}")])


# -- the watchdog -----------------------------------------------------------------------------------------------


def _watchdog(used: Uses) -> Iterator[Statement]:
    """It lets a running job finish, looks, and releases; it stops nothing, and creates nothing."""
    place = used.place
    if used.queue:
        yield _allow("Queue", ["batch:ListServiceJobs", "batch:DescribeServiceJob"], ["*"])
    jobs = [place.arn("sagemaker", f"training-job/{used.jobs}")]
    yield _allow("Look", ["sagemaker:DescribeTrainingJob"], jobs)
    if used.keeps_pool:
        none = {"sagemaker:KeepAlivePeriod": "0"}
        yield _allow("Release", ["sagemaker:UpdateTrainingJob"], jobs, NumericEquals=none)


# -- the role of the jobs ---------------------------------------------------------------------------------------


def _execution(used: Uses) -> Iterator[Statement]:
    """What SageMaker and the container do in the role's name; what a script does beside that is not known here."""
    place = used.place
    reads, writes = used.read | used.restored, used.written | used.restored
    if reads:
        yield _allow("Read", ["s3:GetObject"], place.s3(*(f"{uri.rstrip('/')}*" for uri in reads)))
    yield _allow("Buckets", ["s3:ListBucket"], place.s3(*(_bucket(uri) for uri in reads | writes)))
    yield _allow("Write", ["s3:PutObject"], place.s3(*(f"{uri}/*" for uri in writes)))
    group = place.arn("logs", f"log-group:{_GROUP}")
    logs = ["CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"]
    yield _allow("Logs", [f"logs:{action}" for action in logs], [group, f"{group}:*"])
    namespace = {"cloudwatch:namespace": _GROUP}
    yield _allow("Metrics", ["cloudwatch:PutMetricData"], ["*"], StringEquals=namespace)
    yield from _images(used)
    if used.volume_key:
        yield _key("VolumeKey", ["kms:CreateGrant", "kms:DescribeKey"], place, used.volume_key)
    yield from _output_keys(used)
    if used.in_vpc:
        yield from _network()


def _images(used: Uses) -> Iterator[Statement]:
    """Of images in private registries of ECR; any other is pulled without a permission."""
    repositories = _repositories(used)
    if repositories or not used.images:
        pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        yield _allow("Pull", pull, repositories or [used.place.arn("ecr", "repository/*")])
        yield _allow("PullLogin", ["ecr:GetAuthorizationToken"], ["*"])


def _repositories(used: Uses) -> list[str]:
    found = [image for uri in used.images if (image := Image.of(uri))]
    arn = f"arn:{used.place.partition}:ecr"
    return sorted({f"{arn}:{image.region}:{image.account}:repository/{image.repository}" for image in found})


def _network() -> Iterator[Statement]:
    interfaces = ["CreateNetworkInterface", "CreateNetworkInterfacePermission", "DeleteNetworkInterface"]
    interfaces += ["DeleteNetworkInterfacePermission", "DescribeNetworkInterfaces", "DescribeVpcs"]
    described = ["DescribeDhcpOptions", "DescribeSubnets", "DescribeSecurityGroups"]
    yield _allow("Network", [f"ec2:{action}" for action in (*interfaces, *described)], ["*"])


def _smoke(used: Uses) -> Iterator[Statement]:
    """Who asks the sixteen questions: of a keep-alive there is no longest one, for that is what is asked."""
    place = used.place
    actions = [f"sagemaker:{name}TrainingJob" for name in ("Create", "Stop", "Update", "Describe")]
    jobs = [place.arn("sagemaker", f"training-job/{SMOKE}-*")]
    yield _allow("Jobs", [*actions, "sagemaker:AddTags"], jobs)
    yield _allow("PassRole", ["iam:PassRole"], [used.role], StringEquals={"iam:PassedToService": _SERVICE})
    yield _allow("Search", ["sagemaker:Search"], ["*"])
    yield from _storage(replace(used, staged=frozenset(), lease=""))


_STATEMENTS: Mapping[For, Callable[[Uses], Iterator[Statement]]] = {
    For.RUNNER: _runner,
    For.WATCHDOG: _watchdog,
    For.EXECUTION: _execution,
    For.SMOKE: _smoke,
}
