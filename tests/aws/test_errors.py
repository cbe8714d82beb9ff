"""What botocore raises becomes an error of ours, without what was sent in confidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from sweeper.aws.clients import Clients, Endpoint
from sweeper.aws.errors import mapped
from sweeper.errors import ApiError


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "The Canonical String should have been 'POST\nx-amz-date:2030\nx-amz-security-token:FwoGZX+/=\n\nhost'",
            "The Canonical String should have been 'POST\nx-amz-date:2030\nx-amz-security-token:***\n\nhost'",
        ),
        ("GET /b/k?X-Amz-Security-Token=FwoGZX&X-Amz-Date=2030", "GET /b/k?X-Amz-Security-Token=***&X-Amz-Date=2030"),
        (
            "Value '{A=b' at 'environment.A.member' failed to satisfy; Value 'x' at 'y' failed",
            "Value '***' at 'environment.A.member' failed to satisfy; Value 'x' at 'y' failed",
        ),
    ],
)
def test_a_message_that_repeats_the_request_is_told_without_its_secrets(said: str, told: str) -> None:
    """A refused signature repeats the session's token, a refused value the environment."""
    with pytest.raises(ApiError) as caught, mapped("CreateTrainingJob"):
        raise ClientError({"Error": {"Code": "ValidationException", "Message": said}}, "CreateTrainingJob")
    assert caught.value.message == told


def test_who_finds_no_account_is_told_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, no such profile, a key that is refused, nobody who answers: each has its own way out."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for profile, helps in ((None, "; sign in (`aws sso login`"), ("no-such", "; name one of ~/.aws/config")):
        with pytest.raises(ApiError, match=re.escape(helps)):
            _ = Clients(Endpoint(region="us-east-1", profile=profile)).caller
    for failure, helps in (
        (ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, "x"), "; these credentials are not"),
        (EndpointConnectionError(endpoint_url="http://localhost:1"), "; look at the network, and at AWS_ENDPOINT_URL"),
    ):
        with pytest.raises(ApiError, match=re.escape(helps)), mapped("GetCallerIdentity"):
            raise failure


def test_the_secrets_of_a_profile_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What signs requests is masked wherever it comes from."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[team]\naws_access_key_id = A\naws_secret_access_key = s3cr3t\naws_session_token = t0k3n\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    assert Clients(Endpoint(region="us-east-1", profile="team")).secrets() == ["s3cr3t", "t0k3n"]
