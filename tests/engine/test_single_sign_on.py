"""Several people on one engine: single sign-on, users of IAM and roles of STS, each with credentials of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from sweeper.engine import launch
from sweeper.engine.credentials import KeyPair
from sweeper.engine.wire.sessions import Sessions, Temporary
from tests.forked import start_engine

from .conftest import FAST, Clients
from .test_gate import CALLS, opened

ALICE, BOB = "alice@example.com", "bob@example.com"
PEOPLE = {ALICE: "Research", BOB: "Research"}
ROLE = "AWSReservedSSO_Research_"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """An engine on which two people share a permission set, whose credentials are good for an hour."""
    state = tmp_path_factory.mktemp("people")
    yield Clients(start_engine(state, {**FAST, "sso_users": PEOPLE}), state)
    launch.stop(state)


def sessions(clients: Clients) -> Sessions:
    """What whoever holds the engine's own pair can do for the people on it."""
    return Sessions(KeyPair(clients.engine.access_key, clients.engine.secret_key), PEOPLE)


def portal(clients: Clients) -> Any:
    """A client of the portal, which signs nothing."""
    return clients.client("sso", config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))


def given(clients: Clients, person: str, role: str = "Research", account: str = "123456789012") -> dict[str, str]:
    """Temporary credentials of somebody who has just signed in, as boto3 takes them."""
    token = sessions(clients).sign_in(person)
    told = portal(clients).get_role_credentials(roleName=role, accountId=account, accessToken=token)
    return as_options(told["roleCredentials"])


def as_options(told: dict[str, Any]) -> dict[str, str]:
    """Credentials as the portal writes them, or STS, as boto3 takes them."""
    found = {name.lower(): value for name, value in told.items()}
    return {
        "aws_access_key_id": found["accesskeyid"],
        "aws_secret_access_key": found["secretaccesskey"],
        "aws_session_token": found["sessiontoken"],
    }


def code_of(call: Any, **params: Any) -> tuple[str, int]:
    """How a call is refused: the code, and the status of HTTP."""
    with pytest.raises(ClientError) as refused:
        call(**params)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_two_people_of_one_permission_set_are_two_sessions_of_one_role(people: Clients) -> None:
    """Each is told apart by the session's name alone; the role has the path of single sign-on."""
    arns = [people.client("sts", **given(people, who)).get_caller_identity()["Arn"] for who in PEOPLE]
    roles = {arn.split("/")[1] for arn in arns}
    assert [arn.rpartition("/")[2] for arn in arns] == [ALICE, BOB]
    (role,) = roles
    assert role.startswith(ROLE)
    found = people.client("iam").get_role(RoleName=role)["Role"]
    assert found["Arn"] == f"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/{role}"
    asked = {"ActionNames": ["sagemaker:StopTrainingJob"]}
    simulate = people.client("iam").simulate_principal_policy
    assert simulate(PolicySourceArn=found["Arn"], **asked)["EvaluationResults"][0]["EvalDecision"] == "allowed"
    without = f"arn:aws:iam::123456789012:role/{role}"
    assert code_of(simulate, PolicySourceArn=without, **asked) == ("NoSuchEntity", 404)
    url = people.client("sts", **given(people, BOB)).generate_presigned_url("get_caller_identity", HttpMethod="GET")
    assert f"/{BOB}</Arn>".encode() in opened(people, url).body


def test_nobody_gets_what_is_not_theirs(people: Clients) -> None:
    """Another permission set, another account, an invented token, one that was signed out, one of another engine."""
    held = sessions(people).sign_in(ALICE)
    ask, asked = portal(people).get_role_credentials, {"roleName": "Research", "accountId": "123456789012"}
    refused = ("ForbiddenException", 403)
    assert code_of(ask, **{**asked, "roleName": "Admin"}, accessToken=held) == refused
    assert code_of(ask, **{**asked, "accountId": "210987654321"}, accessToken=held) == refused
    others = Sessions(KeyPair("LOCAL", "another"), PEOPLE).sign_in(ALICE)
    strangers = Sessions(KeyPair(people.engine.access_key, people.engine.secret_key), {}).sign_in("mallory")
    portal(people).logout(accessToken=held)
    for token in (held, others, strangers, "invented", f"{held}0"):
        assert code_of(ask, **asked, accessToken=token) == ("UnauthorizedException", 401)


REFUSALS = {
    "s3": (("ExpiredToken", 400), ("InvalidToken", 400)),
    "sts": (("ExpiredToken", 403), ("InvalidClientTokenId", 403)),
    "iam": (("ExpiredToken", 403), ("InvalidClientTokenId", 403)),
}
OF_JSON = (("ExpiredTokenException", 403), ("UnrecognizedClientException", 403))


@pytest.mark.parametrize(("service", "operation"), [(service, operation) for service, operation, _ in CALLS])
def test_every_service_says_that_credentials_have_run_out(people: Clients, service: str, operation: str) -> None:
    """In its own words, of credentials of single sign-on; a token that is not that of the key is another matter."""
    good = given(people, ALICE)
    tokens = (given(people, BOB)["aws_session_token"], "invented", None)
    late, wrong = REFUSALS.get(service, OF_JSON)
    asked = {"operation_name": operation, "api_params": {}}
    assert code_of(people.client(service, **expired(people))._make_api_call, **asked) == late
    for token in tokens:
        call = people.client(service, **{**good, "aws_session_token": token})._make_api_call
        assert code_of(call, **asked) == wrong


def expired(clients: Clients) -> dict[str, str]:
    """Credentials of somebody who signed in long ago."""
    return as_options(told(sessions(clients).given(ALICE, 1.0)))


def told(session: Temporary) -> dict[str, str]:
    """As the portal writes them."""
    return {
        "accessKeyId": session.access_key,
        "secretAccessKey": session.secret_key,
        "sessionToken": session.token,
    }


def test_what_sts_has_handed_out_runs_out(people: Clients) -> None:
    """An assumed role is who it says it is, with its own token alone, and not for longer than was asked."""
    unchecked = people.client("sts", config=Config(parameter_validation=False))
    asked = {"RoleArn": "arn:aws:iam::123456789012:role/service-role/studio", "RoleSessionName": "night"}
    lasting = as_options(unchecked.assume_role(**asked)["Credentials"])
    over = as_options(unchecked.assume_role(**asked, DurationSeconds=0)["Credentials"])
    arn = people.client("sts", **lasting).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/studio/night"
    other = {**lasting, "aws_session_token": over["aws_session_token"]}
    list_jobs = "ListTrainingJobs"
    for options, code in ((over, "ExpiredTokenException"), (other, "UnrecognizedClientException")):
        call = people.client("sagemaker", **options)._make_api_call
        assert code_of(call, operation_name=list_jobs, api_params={}) == (code, 403)


def test_a_user_of_iam_signs_with_the_keys_that_they_were_given(people: Clients) -> None:
    """Until the key is made inactive; who asks is the user."""
    iam = people.client("iam")
    iam.create_user(UserName="build", Path="/ci/")
    key = iam.create_access_key(UserName="build")["AccessKey"]
    options = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    arn = people.client("sts", **options).get_caller_identity()["Arn"]
    assert arn == "arn:aws:iam::123456789012:user/ci/build"
    iam.update_access_key(UserName="build", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    call = people.client("sagemaker", **options).list_training_jobs
    assert code_of(call) == ("UnrecognizedClientException", 403)


def test_a_presigned_url_ends_with_the_credentials_that_signed_it(people: Clients) -> None:
    """However long it was made for, by either version of signatures."""
    people.s3.create_bucket(Bucket="people")
    people.s3.put_object(Bucket="people", Key="key", Body=b"told")
    asked = {"Bucket": "people", "Key": "key"}
    for version in ("s3", "s3v4"):
        for options, answer in (
            (given(people, ALICE), b"told"),
            (as_options(told(sessions(people).given(ALICE, 1.0))), b"ExpiredToken"),
        ):
            s3 = people.client("s3", config=Config(signature_version=version), **options)
            assert answer in opened(people, s3.generate_presigned_url("get_object", asked)).body


def test_an_engine_that_is_started_again_knows_who_has_signed_in(tmp_path: Path) -> None:
    """Token and credentials are good still: they follow from the secret of its folder."""
    settings = {**FAST, "sso_users": PEOPLE}
    first = Clients(start_engine(tmp_path, settings), tmp_path)
    options, token = given(first, ALICE), sessions(first).sign_in(BOB)
    launch.stop(tmp_path)
    again = Clients(start_engine(tmp_path, settings), tmp_path)
    try:
        again.client("sagemaker", **options).list_training_jobs()
        asked = {"roleName": "Research", "accountId": "123456789012", "accessToken": token}
        assert portal(again).get_role_credentials(**asked)["roleCredentials"]["sessionToken"]
    finally:
        launch.stop(tmp_path)
