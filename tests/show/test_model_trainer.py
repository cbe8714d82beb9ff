"""A request as a script of SageMaker's SDK: what it says is what it was, no secret stands in it."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.config.foreign.sdk_script import convert
from sweeper.core import pool_caches
from sweeper.core.request import encode_hyperparameters
from sweeper.core.unbuilt import experiment_of, requested
from sweeper.errors import UsageError
from sweeper.show.model_trainer import Call, Exported, Start, rendered, script, started
from tests.config.test_from_job import OF_GROUPS, PUBLISHED

COMPARED = ("role_arn", "instance_type", "volume_kms_key_id", "subnets", "security_group_ids")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def exported(request: dict[str, Any], *hidden: str) -> Exported:
    """Its script."""
    return script(request, Start(), name="x", head=["a line\nof a name"], tags={"team": "us"}, hidden=hidden)


@pytest.mark.parametrize("number", sorted(number for number in PUBLISHED if f"request {number}" not in OF_GROUPS))
def test_a_published_request_is_read_back_from_its_script(number: str) -> None:
    """What `init --from` reads of the script is what the request said of machines, image and hyperparameters."""
    request = requested(PUBLISHED[number])
    read, said = convert(exported(request).text).sections, experiment_of(request).sections
    for name in COMPARED:
        assert read.get("locked", {}).get(name) == said["locked"].get(name)
    assert read["job"].get("image_uri", "???") == (said["job"]["image_uri"] or "???")
    assert encode_hyperparameters(read.get("hyperparameters", {})) == said.get("hyperparameters", {})
    assert read["job"]["max_runtime_s"] == said["job"]["max_runtime_s"]


def test_no_secret_stands_in_it() -> None:
    """Variables that look like one, URLs with a password and hidden hyperparameters are read where the script runs."""
    environment = {"API_TOKEN": "sesame", "URL": "https://me:sesame@host/", "MODE": "fast", "SWEEPER_FINGERPRINT": "m"}
    told = exported({"Environment": environment, "HyperParameters": {"data.url": "sesame"}}, "data.url").text
    assert "sesame" not in told and "SWEEPER_FINGERPRINT" not in told
    for line in ('"API_TOKEN": os.environ["API_TOKEN"]', '"MODE": "fast"', '"data.url": os.environ["data_url"]'):
        assert line in told
    assert "\nimport os\n" in told


def test_what_no_model_trainer_says_is_told() -> None:
    """A member without an argument of its own is named; a keep-alive is left out, and what only a kept machine has."""
    request = {
        "TrainingJobName": "x",
        "Environment": {"HF_HOME": f"{pool_caches.FOLDER}/huggingface"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "KeepAlivePeriodInSeconds": 300},
        "ExperimentConfig": {"ExperimentName": "e"},
        "AlgorithmSpecification": {"EnableSageMakerMetricsTimeSeries": True},
        "EnableNetworkIsolation": False,
    }
    told = exported(request)
    assert told.left == ["AlgorithmSpecification.EnableSageMakerMetricsTimeSeries", "ExperimentConfig.ExperimentName"]
    assert not any(word in told.text for word in ("keep_alive", "Networking", "environment"))
    assert told.text.startswith("# a line of a name\n")


def test_a_script_is_called_as_before() -> None:
    """By the SDK's own driver where that calls it alike, else by a command: for flags, and text that reads as JSON."""
    job = {"entry_script": "train.py"}
    plain, odd = {"lr": "0.1", "opt": "adam", "bias": "true"}, {"version": "1.10"}
    assert started({}, plain, job).source == {"entry_script": "train.py"}
    command = {"command": "python3 train.py", "args": ["--lr", "0.1", "--opt", "adam", "--bias"]}
    assert started({}, plain, {**job, "arguments": "flags"}).source == command
    assert started({}, odd, job).source == {"command": "python3 train.py", "args": ["--version", "1.10"]}
    assert started({}, {}, {"entry_script": "a b.sh"}).source == {"entry_script": "a b.sh"}


def test_several_processes_are_started_by_the_sdks_own_runner() -> None:
    """A launcher becomes the class that starts as many; one that is called otherwise than the SDK calls is refused."""
    job = {"entry_script": "train.py", "launcher": "torchrun", "processes_per_host": 4}
    start = started({"source_dir": "s3://b/code/"}, {"lr": "0.1"}, job)
    told = script({}, start, name="x", head=[], tags={}, hidden=[]).text
    assert "from sagemaker.train.distributed import Torchrun\n" in told
    assert "distributed=Torchrun(process_count_per_node=4)" in told
    with pytest.raises(UsageError, match=r"train\.py as it was called and starts it by torchrun"):
        started({}, {"version": "1.10"}, job)


@given(JSON)
def test_a_value_is_python(value: Any) -> None:
    """Whatever a request holds is written so that Python reads the same value, however it is broken into lines."""
    assert ast.literal_eval(rendered(value)) == value
    made = ast.parse(rendered(Call("f", {"a": value}))).body[0]
    assert isinstance(made, ast.Expr) and isinstance(made.value, ast.Call)
    assert ast.literal_eval(made.value.keywords[0].value) == value
