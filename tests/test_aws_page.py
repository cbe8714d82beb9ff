"""docs/aws.md says what is true: its actions are those of `sweeper iam`, its commands are ones that there are."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import jmespath
import pytest
from botocore import xform_name

from sweeper import cli
from sweeper.commands import VERBS
from sweeper.core.policy import QUOTA_SHARE, For, Place, Uses, policy
from sweeper.engine import launch
from tests import documented
from tests.forked import start_engine

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "aws.md").read_text(encoding="utf-8")
GLOBAL = {"profile", "region", "query", "output"}
CUSTOM = {("sso", "login")}
"""Commands of the AWS CLI that are no operation of a service."""
EVERYWHERE = frozenset({"s3://bucket/prefix"})
KEY = frozenset({"arn:aws:kms:us-east-1:123456789012:key/0"})
FREE = "sts:GetCallerIdentity"


def printed() -> Iterator[str]:
    """Every action that `sweeper iam` prints for some experiment."""
    image = frozenset({"123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"})
    for who, queue in product(For, ("", "queue")):
        used = Uses(
            Place("aws", "us-east-1", "123456789012"),
            "arn:aws:iam::123456789012:role/x",
            queue=queue,
            share=QUOTA_SHARE if queue else "",
            lease="s3://bucket/lease",
            buckets=frozenset({"bucket"}),
            made=frozenset({"bucket"}),
            staged=EVERYWHERE,
            read=EVERYWHERE,
            written=EVERYWHERE,
            images=image,
            volume_key=next(iter(KEY)),
            output_keys=KEY,
            in_vpc=True,
        )
        for statement in policy(who, used)["Statement"]:
            yield from statement["Action"]


def commands() -> list[list[str]]:
    """The words of every command in a block of shell, what it is assigned to left out."""
    blocks = "\n".join(re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    told = re.sub(r"<<'END'\n.*?^END$", "", blocks, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ")
    inner = re.sub(r"^export \w+=\$\((.*)\)$", r"\1", told, flags=re.MULTILINE)
    words = (shlex.split(line.partition(" > ")[0], comments=True) for line in inner.splitlines())
    return [found for found in words if found and found[0] in ("aws", "sweeper")]


def test_the_page_names_the_actions_that_there_are() -> None:
    """Each that `sweeper iam` may print, and no other."""
    table = PAGE.partition("## Every action of IAM")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", table))
    known = {action for action in told if action.split(":")[0] != "sagemaker" or action != "sagemaker:KeepAlivePeriod"}
    assert known - {FREE} == set(printed())


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "sweeper"], ids=" ".join)
def test_a_command_of_ours_takes_what_the_page_gives_it(words: list[str]) -> None:
    """The verb, and every option, stand in its help."""
    verb = words[1]
    text = cli.HELP if verb.startswith("+") else documented.help_of(verb)
    assert verb.startswith("+experiment=") or verb in VERBS
    assert [word for word in words if word.startswith("--") and word not in text] == []


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "aws"], ids=" ".join)
def test_a_command_of_the_aws_cli_is_one_of_the_service(words: list[str]) -> None:
    """The operation is in botocore's model, with these members, and none that it needs is missing."""
    if tuple(words[1:3]) in CUSTOM:
        return
    model = client(words[1]).meta.service_model
    (name,) = [known for known in model.operation_names if xform_name(known, "-") == words[2]]
    shape = model.operation_model(name).input_shape
    known = {xform_name(member, "-"): member for member in shape.members} if shape else {}
    given = {word.removeprefix("--") for word in words if word.startswith("--")}
    assert given - GLOBAL <= set(known)
    needed = set(shape.required_members) if shape else set()
    assert needed <= {known[option] for option in given - GLOBAL}


def client(service: str, **options: Any) -> Any:
    """A client of boto3's; without options one that is never asked anything."""
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    make: Any = boto3.client
    return make(service, **{**keys, **options})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.EngineInfo]:
    """An account in which nobody has made a role yet."""
    folder = tmp_path_factory.mktemp("engine")
    yield start_engine(folder)
    launch.stop(folder)


def asked(engine: launch.EngineInfo, words: list[str], files: dict[str, str]) -> Any:
    """What a command of the page comes to: its answer, by its own query."""
    service, operation, *rest = words[1:]
    given = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    query = given.pop("query", "@")
    given.pop("output", None)
    call = client(service, **engine.client_options)
    operations = {xform_name(name, "-"): name for name in call.meta.service_model.operation_names}
    members = call.meta.service_model.operation_model(operations[operation]).input_shape.members
    named = {xform_name(member, "-"): member for member in members}
    params = {named[name]: files.get(value, value) for name, value in given.items()}
    method = xform_name(operations[operation])
    if call.can_paginate(method):  # as the CLI does by itself
        return jmespath.search(query, call.get_paginator(method).paginate(**params).build_full_result())
    return jmespath.search(query, getattr(call, method)(**params))


def test_the_role_and_the_quotas_of_the_page_are_to_be_had(engine: launch.EngineInfo) -> None:
    """Its commands make the role that its document trusts, put a policy on it, and find both quotas."""
    trust = re.findall(r"<<'END'\n(.*?)^END$", PAGE, re.MULTILINE | re.DOTALL)[0]
    execution = policy(For.EXECUTION, Uses(Place(), "x", written=EVERYWHERE))
    files = {"file://trust.json": trust, "file://execution.json": json.dumps(execution)}
    by_name = {" ".join(words[1:3]): words for words in commands() if words[0] == "aws"}
    asked(engine, by_name["iam create-role"], files)
    arn = asked(engine, by_name["iam get-role"], files)
    assert arn == f"arn:aws:iam::{engine.account}:role/sweeper-jobs"
    asked(engine, by_name["iam put-role-policy"], files)
    role = client("iam", **engine.client_options).get_role(RoleName="sweeper-jobs")["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(trust)
    quotas = asked(engine, by_name["service-quotas list-aws-default-service-quotas"], files)
    names = {name for _, _, name in quotas}
    assert {f"ml.m5.large for training {usage} usage" for usage in ("job", "warm pool")} <= names
