"""A request, the experiment that says it, and the request of that again; published requests are the measure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sweeper import backends
from sweeper.config import from_job, requests, whole_request
from sweeper.config.reading import Loader
from sweeper.config.schema import OPTIONS
from sweeper.core.channels import Channel, channels
from sweeper.core.job import Job, Locked
from sweeper.core.options import Schema, defaults_of, schema_of, sent
from sweeper.core.request import MARK, Staged, build
from sweeper.core.unbuilt import Unbuilt, experiment_of, requested
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.service import Service
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire import rules

HERE = Path(__file__).parent


def published(what: str) -> dict[str, Any]:
    """What people have published, by its number; where each is from stands beside it."""
    lines = (HERE / f"published_{what}s.jsonl").read_text(encoding="utf-8").splitlines()
    return {told["number"]: told[what] for told in map(json.loads, lines)}


PUBLISHED, ANSWERS = published("request"), published("answer")
REFUSED_BY_SERVICE = {
    "request 051": "Value 'intentionally@invalid-name' at 'trainingJobName' failed to satisfy constraint",
    "request 081": "'retryStrategy.maximumRetryAttempts' failed to satisfy constraint: Member must have value greater",
    "request 085": "MaxWaitTimeInSeconds must be specified when EnableManagedSpotTraining is set to true",
    "answer 050": "Value null at 'outputDataConfig' failed to satisfy constraint: Member must not be null",
}
"""What was published and cannot be sent, and why: the last one was published without its half."""
OF_GROUPS = {"request 071", "answer 010"}
GROUPS = ("request", "ResourceConfig", "InstanceGroups"), "cannot be set: several types of machines in one job"
USUAL = {
    "EnableNetworkIsolation": False,
    "EnableInterContainerTrafficEncryption": False,
    "EnableManagedSpotTraining": False,
}
"""What the service takes where a request says nothing."""


def comparable(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request without names and staging, and with what the service takes for what is not said."""
    told = {**USUAL, **json.loads(json.dumps(request))}
    told.pop("TrainingJobName")
    told.get("Environment", {}).pop("SWEEPER_FINGERPRINT", None)
    told["Tags"] = sorted(
        (t["Key"], t["Value"]) for t in told.get("Tags", []) if t["Key"] not in ("sweeper:sweep", MARK)
    )
    told["OutputDataConfig"]["S3OutputPath"] = told["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    told.get("CheckpointConfig", {}).pop("S3Uri", None)
    told.setdefault("StoppingCondition", {}).setdefault("MaxRuntimeInSeconds", 86400)
    told["VpcConfig"] = {key: sorted(ids) for key, ids in told.get("VpcConfig", {}).items()}
    if told["ResourceConfig"].get("KeepAlivePeriodInSeconds") == 0:
        del told["ResourceConfig"]["KeepAlivePeriodInSeconds"]
    return {key: value for key, value in told.items() if value not in ({}, [])}


def said_again(text: str) -> dict[str, Any]:
    """The request of an experiment file, as the runner builds it."""
    said: Any = OmegaConf.to_container(OmegaConf.create(yaml.load(text, Loader)), resolve=True)
    kind = said["defaults"][0]["override /backend"]
    job = {**defaults_of(OPTIONS["job"]), **said["job"]}
    config = {
        **said,
        "locked": {**defaults_of(OPTIONS["locked"]), **said["locked"]},
        "job": job,
        "hyperparameters": said.get("hyperparameters") or {},
        "environment": said.get("environment") or {},
    }
    inputs = {name: str(channel.uri) for name, channel in channels(job).items() if channel.in_s3}
    staged = Staged("", inputs, job["output_path"].rstrip("/"))
    backend, pool = backends.made({"kind": kind, **said.get("backend", {})}), said.get("pool", {})
    made = build(
        config,
        name="x-a01",
        mark="m",
        sweep="x",
        max_runtime_s=job["max_runtime_s"],
        staged=staged,
        region="r",
        caches=backend.keeps_pool and pool.get("caches", True),
    )
    keep_alive_s = pool.get("keep_alive_s", 0)
    assert not [*backend.refused({**config, "pool": {"keep_alive_s": keep_alive_s}})]
    return backend.shape(made, keep_alive_s)


def asked(which: str) -> dict[str, Any]:
    """The request that this one of the published is, or tells of."""
    kind, number = which.split()
    return PUBLISHED[number] if kind == "request" else {"TrainingJobName": "x", **requested(ANSWERS[number])}


ALL = [*(f"request {number}" for number in PUBLISHED), *(f"answer {number}" for number in ANSWERS)]


@pytest.mark.parametrize("which", sorted({*ALL} - REFUSED_BY_SERVICE.keys() - OF_GROUPS))
def test_a_published_request_is_said_and_built_again(which: str) -> None:
    """An experiment says the whole of it: what is built of that is the same but for names and staging."""
    request = rules.validated("CreateTrainingJob", asked(which))
    unbuilt = experiment_of(request)
    assert [*from_job.unsayable(unbuilt)] == []
    assert comparable(said_again(from_job.text(unbuilt))) == comparable(request)


def test_what_is_refused_is_refused_with_its_reason() -> None:
    """By the service; or by us, who know of no pool and no price of several types in one job."""
    for which, why in REFUSED_BY_SERVICE.items():
        with pytest.raises(ServiceError) as error:
            rules.validated("CreateTrainingJob", asked(which))
        assert why in str(error.value)
        assert all(what.startswith("SageMaker would refuse") for _, what in whole_request.refused(asked(which)))
        assert [*whole_request.refused(asked(which))]
    for which in OF_GROUPS:
        place, what = GROUPS
        assert dict(from_job.unsayable(experiment_of(asked(which))))[place].startswith(what)


# -- whatever may be said -----------------------------------------------------------------------------------------

ARNS = {
    "mlflow_resource_arn": "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/team",
    "training_repository_credentials_provider_arn": "arn:aws:lambda:eu-west-1:123456789012:function:credentials",
    "training_plan_arn": "arn:aws:sagemaker:eu-west-1:123456789012:training-plan/mine",
    "dataset_arn": "arn:aws:sagemaker:eu-west-1:123456789012:hub-content/Hub/DataSet/mine/1.0.0",
    "hub_content_arn": "arn:aws:sagemaker:eu-west-1:123456789012:hub-content/Hub/Model/mine/1.0.0",
    "role_arn": "arn:aws:iam::123456789012:role/Role",
    "uri": "s3://bucket/data",
    "s3_output_path": "s3://bucket/boards",
    "output_path": "s3://bucket/out",
    "checkpoint_s3_uri": "s3://bucket/checkpoints",
    "algorithm_name": "mine",
    "image_uri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/train:1",
    "instance_type": "ml.m5.large",
    "volume_kms_key_id": "alias/volumes",
    "output_kms_key_id": "alias/models",
}
"""What has a form that the service knows better than our schema does."""
TEXT = st.text("abcXYZ019-_.:/ ", min_size=1, max_size=12).map(str.strip).filter(bool) | st.sampled_from(
    ["1e-5", "yes", "012", "null", "${x}", "2024-01-01"]
)
PLACES = ("uri", "efs", "fsx", "dataset_arn")
IN_S3 = {name for name, (member, _) in sent(Channel).items() if member.startswith("DataSource.S3DataSource")}
TOLD = {"compression": "Gzip", "record_wrapper": "RecordIO", "enable_sagemaker_metrics_time_series": True}
"""The service fills in the other values where a job has said nothing, so that nobody can tell the two apart."""
APART = ("inputs", "tags", "max_runtime_s", "output_path", "role_arn")
"""What every experiment here says, in a way of its own."""
NEEDS = {
    "training_repository_credentials_provider_arn": "training_repository_access_mode",
    "checkpoint_local_path": "checkpoint_s3_uri",
}
"""What says nothing without something else."""
WORLDS: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    ("image_uri", "instance_type", {"backend": "on_demand"}),
    ("image_uri", "instance_type", {"backend": "warm_pool", "pool": {"keep_alive_s": 300}}),
    ("image_uri", "instance_type", {"backend": "warm_pool", "pool": {"keep_alive_s": 60, "caches": False}}),
    ("image_uri", "instance_type", {"backend": "spot"}),
    ("algorithm_name", "instance_preferences", {"backend": "on_demand"}),
)
"""What stands in place of each other: image or algorithm, one type or several, and where the machines are from."""


def of_schema(schema: Schema, name: str = "", *, every: bool = False) -> st.SearchStrategy[Any]:
    """What an option may be, by its schema; `every`: with all that it may hold."""
    if name in ARNS | TOLD:
        return st.just((ARNS | TOLD)[name])
    if name == "training_plan_arns":
        return st.just([ARNS["training_plan_arn"]])
    options = [part for part in schema.get("anyOf", []) if part != {"type": "null"}]
    if options:
        return st.one_of(*(of_schema(part, name, every=every) for part in options))
    if "enum" in schema:
        return st.sampled_from([one for one in schema["enum"] if one is not None])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "object" in kinds:
        return mapping(schema, every=every)
    if "array" in kinds:
        most = min(schema.get("maxItems", 2), 2)
        return st.lists(of_schema(schema["items"], every=every), min_size=1, max_size=most, unique_by=str)
    if "integer" in kinds:
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 2**40))
    if "boolean" in kinds:
        return st.booleans()
    if "pattern" not in schema:
        return TEXT
    return st.from_regex(schema["pattern"], fullmatch=True).filter(
        lambda text: len(text) <= schema.get("maxLength", 64)
    )


def mapping(schema: Schema, *, every: bool) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with what is required of it, and some of what may be there, or all of it."""
    known = {name: of_schema(part, name, every=every) for name, part in schema["properties"].items()}
    needed = {name: known.pop(name) for name in (known.copy() if every else schema.get("required", ()))}
    return st.fixed_dictionaries(needed, optional=known)


def options_of(options: type, *, every: bool, always: Sequence[str] = (), never: Sequence[str] = ()) -> Any:
    """Some of the options that are members of a request, or all of them."""
    properties = schema_of(options)["properties"]
    drawn = [name for name in sent(options) if name not in never]
    return mapping({"properties": {name: properties[name] for name in drawn}, "required": always}, every=every)


@st.composite
def channel(draw: st.DrawFn, place: str, *, every: bool) -> Any:
    """A channel that lies in this place, with what may be said of it there."""
    others = {*PLACES, *(IN_S3 if place != "uri" else ())} - {place}
    said = draw(options_of(Channel, every=every, always=[place], never=tuple(others)))
    mode = {"efs": "File", "fsx": "File"}.get(place, said.get("input_mode"))
    mode = "Pipe" if said.get("data_type", "S3Prefix") != "S3Prefix" else mode
    return {**said, **({"input_mode": mode} if mode else {})}  # not all of them go with every place and type


@st.composite
def sections(draw: st.DrawFn, *, every: bool) -> tuple[dict[str, Any], str]:
    """An experiment that says any of what may be said of a request, or all of it; and its backend."""
    program, machines, come = draw(st.sampled_from(WORLDS))
    return draw(in_world(program, machines, come, every=every))


@st.composite
def in_world(
    draw: st.DrawFn, program: str, machines: str, come: Mapping[str, Any], *, every: bool
) -> tuple[dict[str, Any], str]:
    """The same of one of the worlds."""
    others = {"instance_type", "instance_preferences"} - {machines}
    locked = draw(options_of(Locked, every=every, always=["role_arn", machines], never=[*others]))
    locked |= {"security_group_ids": ["sg-1"], "subnets": ["subnet-2", "subnet-1"]} if "subnets" in locked else {}
    locked.pop("security_group_ids" if "subnets" not in locked else "", None)
    preferences_fit(locked)
    apart = [*APART, *({"image_uri", "algorithm_name"} - {program})]
    job = draw(options_of(Job, every=every, always=[program], never=apart))
    if "metrics" in job:
        job["metrics"] = list({metric["name"]: metric for metric in job["metrics"]}.values())
    for name, needed in NEEDS.items():
        if needed not in job:
            job.pop(name, None)
    job |= {"image_uri": job.get("image_uri"), "launch": "image", "output_path": ARNS["output_path"]}
    job["max_runtime_s"] = draw(st.integers(1, 2419200))
    places = PLACES if every else draw(st.lists(st.sampled_from(PLACES), unique=True, max_size=2))
    job["inputs"] = {f"in.{place}": draw(channel(place, every=every)) for place in places}
    few = 1 if every else 0
    job["tags"] = draw(
        st.dictionaries(st.sampled_from(["team", "cost centre", "a:b"]), st.just("1e-5"), min_size=few, max_size=2)
    )
    given = st.dictionaries(st.sampled_from(["lr", "A", "b_1"]), TEXT, min_size=few, max_size=2)
    said = {"locked": locked, "job": job, "hyperparameters": draw(given), "environment": draw(given)}
    if come["backend"] == "spot":
        anew = {} if "checkpoint_s3_uri" in job else {"allow_restart": True}
        said["backend"] = {"wait_s": draw(st.integers(0, 3600)), **anew}
    return {**said, **({"pool": come["pool"]} if "pool" in come else {})}, come["backend"]


def preferences_fit(locked: dict[str, Any]) -> None:
    """Several types are different ones; each of them has a number or none, and its plan is not the job's."""
    if "instance_preferences" not in locked:
        return
    first, *others = locked["instance_preferences"]
    kinds = ("ml.m5.large", "ml.g5.xlarge")
    locked["instance_preferences"] = several = [{**first, "instance_type": kind} for kind in kinds[: 1 + len(others)]]
    if "instance_count" in first:
        locked.pop("instance_count", None)
    if any("training_plan_arns" in one for one in several):
        locked.pop("training_plan_arn", None)


def members_of(request: Any, at: str = "") -> set[str]:
    """Every member of a request that says something, by its dotted name."""
    if isinstance(request, list):
        return {name for item in request for name in members_of(item, at)}
    if not isinstance(request, dict):
        return {at}
    return {name for key, inner in request.items() for name in members_of(inner, f"{at}.{key}" if at else key)}


def round_trip(said: Mapping[str, Any], backend: str) -> dict[str, Any]:
    """An experiment, its request, the engine's answer, and the experiment that is written of that: the same file."""
    text = from_job.text(Unbuilt(without_defaults(said), backend, {}))
    request = said_again(text)
    assert request == rules.validated("CreateTrainingJob", request)
    service = Service(ServiceSettings(training_quota={"*": 10**6}, spot_quota={"*": 10**6}), Random(1))
    service.call("CreateTrainingJob", request, 1e9)
    service.tick(1e9 + 1)
    answer = service.call("DescribeTrainingJob", {"TrainingJobName": request["TrainingJobName"]}, 1e9 + 1)
    answer = rules.shaped("DescribeTrainingJob", answer)
    told = experiment_of({**requested(answer), "Tags": request["Tags"]})
    assert [*from_job.unsayable(told)] == []
    assert comparable_text(from_job.text(told)) == comparable_text(text)
    return request


def without_defaults(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a file has to say of it: `init` writes no default, nor what is empty."""
    locked, job = ({**said[name]} for name in ("locked", "job"))
    for section, options in ((locked, Locked), (job, Job)):
        defaults = defaults_of(options)
        same = (name for name, value in section.items() if name != "image_uri" and defaults.get(name, said) == value)
        for name in {*same, *(name for name, value in section.items() if value == {})}:
            del section[name]
    if job.get("input_mode") == "File":
        del job["input_mode"]
    return {name: value for name, value in {**said, "locked": locked, "job": job}.items() if value}


def comparable_text(text: str) -> Any:
    """A file as it is read, without what Describe does not tell, and the prefix that a trial's checkpoints have.

    What may be said in a short form and in a longer one is the same.
    """
    read: Any = yaml.load(text, Loader)
    read["locked"].pop("enable_session_tag_chaining", None)
    read["job"].pop("checkpoint_s3_uri", None)
    if read["locked"].get("enable_network_isolation"):
        read.get("pool", {}).pop("caches", None)  # nothing is downloaded then
    for name in ("subnets", "security_group_ids"):
        read["locked"][name] = sorted(read["locked"].get(name, []))
    usual = {"data_type": "S3Prefix", "distribution": "FullyReplicated"}
    for name, channel in channels(read["job"]).items():
        held = asdict(channel)
        read["job"]["inputs"][name] = {key: held[key] for key in held if held[key] not in (None, usual.get(key))}
    return read


def test_what_is_said_is_read_off_the_job_again() -> None:
    """Whatever an experiment says of a request, and in some draws all of it: no member is left out of them."""
    seen: set[str] = set()

    @given(drawn=sections(every=False))
    @settings(max_examples=25, phases=[Phase.generate])
    def some(drawn: tuple[dict[str, Any], str]) -> None:
        round_trip(*drawn)

    some()
    for world in WORLDS:

        @given(drawn=in_world(*world, every=True))
        @settings(max_examples=4, phases=[Phase.generate])
        def all_of_it(drawn: tuple[dict[str, Any], str]) -> None:
            seen.update(members_of(round_trip(*drawn)))

        all_of_it()
    settable = requests.settable()
    never = [name for name in settable if not any(f"{one}.".startswith(f"{name}.") for one in seen)]
    assert never == []
