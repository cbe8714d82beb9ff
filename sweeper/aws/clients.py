"""Boto3 clients as the protocol needs them: one wire attempt for a mutation, botocore's retries for a question."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Protocol

from sweeper.aws import guard
from sweeper.aws.credentials import ENVIRONMENT, renewal, without_advice
from sweeper.aws.errors import kind_of, mapped, readable
from sweeper.core.options import option
from sweeper.core.ports import Description, Page, Request
from sweeper.core.request import listing, searching
from sweeper.errors import ApiError, ApiErrorKind, UsageError

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

S3_MOST_AT_ONCE = 5 << 30
"""Bytes that S3 takes in one request."""
ANSWER_S = 10.0
"""Seconds in which SageMaker answers a question: who waits for one that never comes should not wait for long."""
_SESSION = re.compile(r"(:assumed-role/[^/]+)/.*\Z")
_AWS = re.compile(r"\.(?:amazonaws\.com|api\.aws|amazonwebservices\.com)(?:\.cn)?(?:$|[:/])")
_NO_REASON = "400"
"""S3's answer to a HEAD that it refuses: it has no body, and so no word of expired credentials either."""
_NOT_THERE = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ConfigParseError")


class Served(Protocol):
    """What is to be known of an engine on this machine to ask it."""

    @property
    def url(self) -> str:
        """Where it answers."""

    @property
    def region(self) -> str:
        """The region that it says it is."""

    @property
    def access_key(self) -> str:
        """Who may ask it."""

    @property
    def secret_key(self) -> str:
        """What who asks signs with."""

    def lives(self) -> bool:
        """Is its process there?"""


@dataclass(frozen=True)
class Endpoint:
    """Where the API is and who asks. All None: boto3's own configuration decides."""

    url: str | None = None
    region: str | None = option(
        "The Region. Default: boto3's own.",
        default=None,
        pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$",
        says="must be a region, such as us-east-1",
    )
    profile: str | None = option("The profile of the credentials. Default: boto3's own.", default=None)
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    lives: Callable[[], bool] | None = field(default=None, repr=False, compare=False)
    """Asked before anything is sent, also once more: whoever answers there later may be another one."""
    most_at_once: int | None = field(default=None, repr=False)
    """Bytes that an object may have to be sent in one request; None: as S3 does best."""

    @property
    def known_region(self) -> str:
        """The region that is named, here, in the environment or by the profile; empty when none is. Raises ApiError.

        boto3 itself reads AWS_DEFAULT_REGION only; the AWS CLI and every other SDK read AWS_REGION first.
        """
        named = self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return named or str(Clients(self).session.region_name or "")

    @classmethod
    def local(cls, engine: Served) -> Endpoint:
        """The local engine: its own credentials, explicitly, so that the user's AWS configuration is never touched."""
        return cls(
            engine.url,
            engine.region,
            access_key=engine.access_key,
            secret_key=engine.secret_key,
            lives=engine.lives,
            most_at_once=S3_MOST_AT_ONCE,  # it writes what comes to disk
        )


@dataclass(frozen=True)
class Caller:
    """Who signs the requests: the number of the account, and the ARN."""

    account: str
    arn: str

    def not_of(self, account: str) -> str:
        """Why nothing of this account can be asked, in words; empty for its own caller."""
        if self.account == account:
            return ""
        return f"the credentials are of account {self.account}; take those of {account}"

    @property
    def person(self) -> str:
        """The ARN without its session, which is the same for every session of one role.

        A role of single sign-on is shared by people, and its session is named after the person.
        """
        person = self.arn if ":assumed-role/AWSReservedSSO_" in self.arn else _SESSION.sub(r"\1", self.arn)
        return person.replace(",", "-")  # the one letter of an ARN that no tag takes


class Clients:
    """The clients of one endpoint, made when first used."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._made: dict[tuple[str, int, float], Any] = {}
        self._caller: Caller | None = None
        self._answered = self._stale = False

    @property
    def most_at_once(self) -> int | None:
        """Bytes that an object may have to be sent in one request; None: as S3 does best."""
        return self._endpoint.most_at_once

    @cached_property
    def session(self) -> boto3.Session:
        """The boto3 session."""
        import boto3  # importing it costs 0.2 s: commands that never call AWS do not pay for it
        import botocore.session

        with mapped("Session"):
            inner = botocore.session.Session(profile=self._endpoint.profile)
            inner.register_component("data_loader", _models(inner.get_config_variable("data_path")))
            inner.register("before-send", self._check_life)
            inner.register("after-call", self._look_for_expiry)
            made = boto3.Session(
                botocore_session=inner,
                region_name=self._endpoint.region,
                aws_access_key_id=self._endpoint.access_key,
                aws_secret_access_key=self._endpoint.secret_key,
            )
        guard.watch(made)
        return made

    def _check_life(self, **event: Any) -> None:
        """Before each attempt, botocore's own retries too. Raises ApiError, which it does not try again."""
        if self._endpoint.lives is not None and not self._endpoint.lives():
            operation = str(event["event_name"]).rpartition(".")[2]
            raise ApiError(
                ApiErrorKind.UNAVAILABLE, operation, "EngineEnded", f"no engine answers at {self._endpoint.url}"
            )

    def _look_for_expiry(self, **event: Any) -> None:
        """After each answer of any service: what signed it was there, and may have run out."""
        self._answered = True
        code = str((event["parsed"].get("Error") or {}).get("Code", ""))
        self._stale = self._stale or kind_of(code, "", 400) is ApiErrorKind.EXPIRED

    def secrets(self) -> list[str]:
        """The secret key and the token that these clients sign with, none where there are no credentials yet."""
        with mapped("Credentials"):
            credentials = self.session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        return [text for text in (frozen.secret_key, frozen.token) if text] if frozen else []

    @property
    def caller(self) -> Caller:
        """Who signs, asked once for the credentials that are in use. Raises ApiError."""
        if self._caller is None or self._stale:
            client = self.client("sts")
            with self.asked("GetCallerIdentity"):
                identity = client.get_caller_identity()
            self._caller = Caller(str(identity["Account"]), str(identity["Arn"]))
        return self._caller

    def renew(self) -> None:
        """Read the credentials again at the next call: somebody may have written others into a file meanwhile."""
        self._stale = True

    def _renew(self) -> None:
        self.__dict__.pop("session", None)
        self._made.clear()
        self._caller = None
        self._stale = False

    @contextmanager
    def asked(self, operation: str) -> Iterator[None]:
        """Botocore's failures inside become ApiErrors; expired credentials are read again before the next call.

        Credentials that were there and are not any more are being written anew.
        """
        try:
            with mapped(operation):
                yield
        except ApiError as error:
            if error.kind is ApiErrorKind.EXPIRED or (self._answered and error.code in _NOT_THERE):
                self.renew()
                message = f"{without_advice(error.message)}; {self._renewal(error.code)}"
                raise ApiError(ApiErrorKind.EXPIRED, operation, error.code, message) from error
            if error.code == _NO_REASON:
                self._ask_whether_expired()
            raise

    def _ask_whether_expired(self) -> None:
        """Raises ApiError when the credentials have run out, or nobody can tell."""
        self._caller = None
        _ = self.caller

    def _renewal(self, code: str) -> str:
        return renewal(code, self.method, self._endpoint.profile or os.environ.get("AWS_PROFILE", ""))

    @property
    def method(self) -> str:
        """Botocore's name for where the credentials come from; empty while there are none."""
        with suppress(ApiError), mapped("Credentials"):
            credentials = self.session.get_credentials()
            return str(credentials.method) if credentials else ""
        return ""

    @property
    def temporary(self) -> bool:
        """Do the credentials run out? Raises ApiError."""
        with mapped("Credentials"):
            credentials = self.session.get_credentials()
            return bool(credentials and credentials.get_frozen_credentials().token)

    @property
    def profile(self) -> str | None:
        """The profile whose credentials these are, whoever has named it; None for those that come from elsewhere."""
        return self._endpoint.profile or (None if self.method == ENVIRONMENT else os.environ.get("AWS_PROFILE"))

    @property
    def own_endpoint(self) -> str:
        """The URL of SageMaker where somebody has named one; empty where it is AWS's own."""
        url = str(self.asking.meta.endpoint_url)
        return "" if _AWS.search(url) else url

    @property
    def once(self) -> Any:
        """SageMaker with one wire attempt: a blind retry of a mutation hides whether it happened."""
        return self.client("sagemaker", attempts=1)

    @property
    def asking(self) -> Any:
        """SageMaker for questions, which may be asked again."""
        return self.client("sagemaker", attempts=5, patience_s=ANSWER_S)

    def client(self, service: str, attempts: int = 5, patience_s: float = 60) -> Any:
        """A client of any service of this endpoint, made once; `patience_s`: seconds to wait for an answer."""
        if self._stale:
            self._renew()
        key = (service, attempts, patience_s)
        if key not in self._made:
            self._made[key] = self._make(service, attempts, patience_s)
        return self._made[key]

    def _make(self, service: str, attempts: int, patience_s: float) -> Any:
        make: Callable[..., Any] = self.session.client
        guard.watch_default()
        config = _config(attempts, self._endpoint, patience_s)
        try:
            with mapped(service):
                return make(service, endpoint_url=self._endpoint.url, config=config)
        except ValueError as error:  # botocore's answer to an address that is none
            raise UsageError(f"{error}; AWS_ENDPOINT_URL and endpoint_url are like http://HOST:PORT") from error


def looking(clients: Clients, service: str) -> Any:
    """A client for what is only looked at before a run: an answer that does not come is not waited for long."""
    return clients.client(service, attempts=2, patience_s=ANSWER_S)


@cache
def _models(data_path: str | None) -> Any:
    """What loads the services' models, one for this process: a megabyte of JSON is not parsed for every session."""
    import botocore.loaders

    return botocore.loaders.create_loader(data_path)


def _config(attempts: int, endpoint: Endpoint, patience_s: float) -> Config:
    from botocore.config import Config

    return Config(
        # The default number and mode of retries change between versions of botocore: pinned here.
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=patience_s,
        tcp_keepalive=True,
        s3={"addressing_style": "path"} if endpoint.url else None,
    )


class SageMakerApi:
    """The TrainingApi port over boto3. The clients are asked for at every call: a local engine may be another one."""

    def __init__(self, clients: Callable[[], Clients]) -> None:
        self._make = clients

    @contextmanager
    def _asked(self, operation: str) -> Iterator[Clients]:
        clients = self._make()
        with clients.asked(operation):
            yield clients

    def create_training_job(self, request: Request) -> str:
        """Send CreateTrainingJob once; returns the ARN."""
        with self._asked("CreateTrainingJob") as clients:
            answer = clients.once.create_training_job(**request)
        return str(readable("CreateTrainingJob", answer, "TrainingJobArn")["TrainingJobArn"])

    def describe_training_job(self, name: str) -> Description:
        """DescribeTrainingJob."""
        with self._asked("DescribeTrainingJob") as clients:
            answer = clients.asking.describe_training_job(TrainingJobName=name)
        return dict(readable("DescribeTrainingJob", answer, "TrainingJobStatus"))

    def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of what has this ARN: ListTags, all pages."""
        with self._asked("ListTags") as clients:
            pages = clients.asking.get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    def stop_training_job(self, name: str) -> None:
        """Send StopTrainingJob once."""
        with self._asked("StopTrainingJob") as clients:
            clients.once.stop_training_job(TrainingJobName=name)

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """Send UpdateTrainingJob once."""
        with self._asked("UpdateTrainingJob") as clients:
            clients.once.update_training_job(
                TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": keep_alive_s}
            )

    def list_training_jobs(self, token: str = "") -> Page:
        """Send ListTrainingJobs once."""
        with self._asked("ListTrainingJobs") as clients:
            found = clients.once.list_training_jobs(**listing(token))
        found = readable("ListTrainingJobs", found, "TrainingJobSummaries")
        return Page(found["TrainingJobSummaries"], found.get("NextToken", ""))

    def search_training_jobs(self, mark: str, since: float) -> Iterable[Description]:
        """Search, page by page."""
        with self._asked("Search") as clients:
            for page in clients.asking.get_paginator("search").paginate(**searching(mark, since)):
                yield from (found["TrainingJob"] for found in readable("Search", page, "Results")["Results"])
