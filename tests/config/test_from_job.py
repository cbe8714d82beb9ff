"""A request, the experiment that says it, and the request of that again; published requests are the measure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sweeper import backends
from sweeper.config import from_job, whole_request
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
    made = build(
        config, name="x-a01", mark="m", sweep="x", max_runtime_s=job["max_runtime_s"], staged=staged, region="r"
    )
    backend = backends.made({"kind": kind, **said.get("backend", {})})
    keep_alive_s = said.get("pool", {}).get("keep_alive_s", 0)
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
FILLED_IN = ("compression", "record_wrapper", "enable_sagemaker_metrics_time_series")
"""What the service says of a job that has said nothing of it, so that nobody can tell the two apart."""
NOT_DRAWN = ("enable_session_tag_chaining", "inputs", "tags", "algorithm_name", "max_runtime_s", "instance_count")


def of_schema(schema: Schema, name: str = "") -> st.SearchStrategy[Any]:
    """What an option may be, by its schema."""
    if name in ARNS:
        return st.just(ARNS[name])
    options = [part for part in schema.get("anyOf", []) if part != {"type": "null"}]
    if options:
        return st.one_of(*(of_schema(part, name) for part in options))
    if "enum" in schema:
        return st.sampled_from([one for one in schema["enum"] if one is not None])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "object" in kinds:
        return mapping(schema)
    if "array" in kinds:
        most = min(schema.get("maxItems", 2), 2)
        return st.lists(of_schema(schema["items"]), min_size=1, max_size=most, unique_by=str)
    if "integer" in kinds:
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 2**40))
    if "boolean" in kinds:
        return st.booleans()
    if "pattern" not in schema:
        return TEXT
    return st.from_regex(schema["pattern"], fullmatch=True).filter(
        lambda text: len(text) <= schema.get("maxLength", 64)
    )


def mapping(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with what is required of it and some of what may be there."""
    known = {name: of_schema(part, name) for name, part in schema["properties"].items()}
    needed = {name: known.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(needed, optional=known)


def some_of(options: type, *, always: Sequence[str] = ()) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the options that are members of a request."""
    properties = schema_of(options)["properties"]
    drawn = [name for name in sent(options) if name not in (*NOT_DRAWN, *FILLED_IN)]
    return mapping({"properties": {name: properties[name] for name in drawn}, "required": always})


@st.composite
def channel(draw: st.DrawFn) -> Any:
    """A channel that lies in one place, with what may be said of it there."""
    place = draw(st.sampled_from(PLACES))
    said = draw(some_of(Channel, always=[place]))
    others = {*PLACES, *(IN_S3 if place != "uri" else ())} - {place}
    mode = {"efs": "File", "fsx": "File"}.get(place, said.get("input_mode"))
    mode = "Pipe" if said.get("data_type", "S3Prefix") != "S3Prefix" and "data_type" not in others else mode
    said |= {"input_mode": mode} if mode else {}  # not all of them go with every place and type
    return {key: value for key, value in said.items() if key not in others}


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """An experiment that says any of what may be said of a request."""
    locked = draw(some_of(Locked, always=["role_arn", "instance_type"]))
    locked |= {"security_group_ids": ["sg-1"], "subnets": ["subnet-2", "subnet-1"]} if "subnets" in locked else {}
    locked.pop("security_group_ids" if "subnets" not in locked else "", None)
    job = draw(some_of(Job, always=["image_uri", "output_path"]))
    job["metrics"] = list({metric["name"]: metric for metric in job.get("metrics", [])}.values())
    if "training_repository_access_mode" not in job:
        job.pop("training_repository_credentials_provider_arn", None)
    if draw(st.booleans()):
        job |= {"image_uri": None, "algorithm_name": "mine"}
    job |= {"launch": "image", "max_runtime_s": draw(st.integers(1, 2419200))}
    job["inputs"] = draw(st.dictionaries(st.sampled_from(["train", "more", "x.y"]), channel(), max_size=2))
    job["tags"] = draw(st.dictionaries(st.sampled_from(["team", "cost centre", "a:b"]), st.just("1e-5"), max_size=2))
    given = st.dictionaries(st.sampled_from(["lr", "A", "b_1"]), TEXT, max_size=2)
    return {"locked": locked, "job": job, "hyperparameters": draw(given), "environment": draw(given)}


@given(said=sections(), backend=st.sampled_from(["on_demand", "warm_pool"]))
@settings(max_examples=30, deadline=None)
def test_what_is_said_is_read_off_the_job_again(said: dict[str, Any], backend: str) -> None:
    """An experiment, its request, the engine's answer, and the experiment that is written of that: the same file."""
    more = {"pool": {"keep_alive_s": 300}} if backend == "warm_pool" else {}
    sent_first = said_again(from_job.text(Unbuilt({**said, **more}, backend, {})))
    assert sent_first == rules.validated("CreateTrainingJob", sent_first)
    written = experiment_of(requested(sent_first) | {"Tags": sent_first["Tags"]})
    assert [*from_job.unsayable(written)] == []
    assert "request" not in written.sections  # an option says each of them
    request = said_again(from_job.text(written))
    assert comparable(request) == comparable(sent_first)
    service = Service(ServiceSettings(), Random(1))
    service.call("CreateTrainingJob", request, 1e9)
    answer = service.call("DescribeTrainingJob", {"TrainingJobName": request["TrainingJobName"]}, 1e9)
    answer = {**rules.shaped("DescribeTrainingJob", answer), "Tags": request["Tags"]}
    told = experiment_of(requested(answer) | {"Tags": request["Tags"]})
    assert without_place(from_job.text(told)) == without_place(from_job.text(written))


def without_place(text: str) -> Any:
    """A file as it is read, without the prefix that a trial's checkpoints have."""
    read: Any = yaml.load(text, Loader)
    read["job"].pop("checkpoint_s3_uri", None)
    return read
