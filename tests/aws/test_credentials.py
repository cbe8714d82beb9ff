"""Credentials that run out, of every kind that botocore knows: a pause with what to type, never an end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from sweeper.aws.clients import Clients, Endpoint, SageMakerApi
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.testing.hook import attach
from sweeper.testing.twin import Faults, Twin

CONFIG = """
[sso-session team]
sso_start_url = https://nobody-has-logged-in-here.invalid/start
sso_region = us-east-1
[profile research]
sso_session = team
sso_account_id = 123456789012
sso_role_name = Research
[profile old]
sso_start_url = https://nobody-has-logged-in-there.invalid/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = Research
[profile program]
credential_process = false
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of somebody who has logged in nowhere; returns the credentials file, which is not there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "config").write_text(CONFIG, encoding="utf-8")
    return tmp_path / "credentials"


def described(clients: Clients) -> ApiError:
    """What looking at a job comes to."""
    with pytest.raises(ApiError) as caught:
        SageMakerApi(lambda: clients).describe_training_job("job")
    return caught.value


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("research", "run `aws sso login --profile research`"),
        ("old", "run `aws sso login --profile old`"),
        ("program", "renew those of the profile program"),
    ],
)
def test_a_session_that_has_ended_is_waited_for_and_what_renews_it_is_said(
    files: Path, profile: str, told: str
) -> None:
    """Single sign-on, old and new, a program of one's own: each is EXPIRED, and never DENIED or LOST."""
    error = described(Clients(Endpoint("http://twin.invalid", "us-east-1", profile=profile)))
    assert error.kind is ApiErrorKind.EXPIRED
    assert told in error.message


def answering(files: Path, **faults: float) -> tuple[Clients, Twin]:
    """Clients with keys in a file, that have been answered once."""
    files.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = x\n", encoding="utf-8")
    clients, twin = Clients(Endpoint("http://twin.invalid", "us-east-1")), Twin()
    attach(clients.asking, twin)
    assert described(clients).kind is ApiErrorKind.NOT_FOUND
    twin.faults = Faults(**faults)
    return clients, twin


def test_a_credentials_file_that_is_being_written_is_waited_for(files: Path) -> None:
    """Keys that were there and are not are on their way; where there were none, none are waited for."""
    assert described(Clients(Endpoint("http://twin.invalid", "us-east-1"))).kind is ApiErrorKind.DENIED
    clients, _ = answering(files, expired=1.0)
    assert described(clients).kind is ApiErrorKind.EXPIRED
    files.write_text("", encoding="utf-8")
    assert described(clients).kind is ApiErrorKind.EXPIRED
    files.write_text("[default]\naws_access_key_id = B\n", encoding="utf-8")
    assert described(clients).kind is ApiErrorKind.EXPIRED


def test_keys_in_the_environment_cannot_be_renewed_under_a_running_process(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to do about them is said."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    clients, twin = Clients(Endpoint("http://twin.invalid", "us-east-1")), Twin(faults=Faults(expired=1.0))
    attach(clients.asking, twin)
    error = described(clients)
    assert error.kind is ApiErrorKind.EXPIRED
    assert "set new ones and type the same command again" in error.message


def test_whichever_service_says_it_the_keys_are_read_again(files: Path) -> None:
    """What one client is told has expired is renewed for all: nobody signs with it once more."""
    clients, _ = answering(files)
    before, other = clients.session, clients.client("sagemaker", attempts=2)
    attach(other, Twin(faults=Faults(expired=1.0)))
    with pytest.raises(ClientError, match="ExpiredToken"):
        other.list_training_jobs()
    assert clients.client("s3") and clients.session is not before


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (exceptions.LoginRefreshRequired(), ApiErrorKind.EXPIRED),
        (exceptions.LoginTokenLoadError(error_msg="no session"), ApiErrorKind.EXPIRED),
        (exceptions.LoginInsufficientPermissions(), ApiErrorKind.DENIED),
    ],
)
def test_what_aws_login_needs_is_said(files: Path, raised: Exception, kind: ApiErrorKind) -> None:
    """The session of `aws login` is one more that somebody renews."""
    with pytest.raises(ApiError) as caught, Clients(Endpoint(region="us-east-1")).asked("ListTrainingJobs"):
        raise raised
    assert caught.value.kind is kind
    assert ("run `aws login`" in caught.value.message) is (kind is ApiErrorKind.EXPIRED)


@pytest.mark.parametrize("config", ["[profile x]\nlogin_session = arn:aws:iam::1:user/x\n", "[profile x\n", CONFIG])
def test_a_configuration_that_nobody_can_sign_by_is_refused(files: Path, config: str) -> None:
    """A profile that is not there, a file that is none, a missing package: nothing was sent, nothing is waited for."""
    (files.parent / "config").write_text(config, encoding="utf-8")
    error = described(Clients(Endpoint("http://twin.invalid", "us-east-1", profile="x")))
    assert error.kind is ApiErrorKind.DENIED


def test_an_expired_session_is_no_reason_to_wait_for_a_network(files: Path) -> None:
    """Nothing is sent that nobody could sign: the answer comes at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert described(Clients(Endpoint(url, "us-east-1", profile="research"))).kind is ApiErrorKind.EXPIRED
        with pytest.raises(BlockingIOError):
            listening.accept()
