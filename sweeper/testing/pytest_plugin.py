"""pytest fixtures: a SageMaker with warm pools and spot machines for your own tests, in process and in virtual time.

Ask for them with `pytest_plugins = ["sweeper.testing.pytest_plugin"]` in a conftest.py, or with
`-p sweeper.testing.pytest_plugin`. Nothing but pytest is imported before a test uses one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest

if TYPE_CHECKING:
    import boto3

    from sweeper.engine.launch import EngineInfo
    from sweeper.engine.training.settings import ServiceSettings
    from sweeper.testing.hook import Hook
    from sweeper.testing.scripts import Behaviour
    from sweeper.testing.twin import Faults, Twin

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "twin",
    "AWS_SECRET_ACCESS_KEY": "twin",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture
def sagemaker_settings() -> ServiceSettings:
    """How the service behaves: machines take five minutes to start, and 20 s on a warm pool. Override it with yours."""
    from sweeper.engine.training.settings import ServiceSettings

    return ServiceSettings(
        cold_start_s=300.0, warm_start_s=20.0, settle_gap_s=2.0, release_lag_s=3.0, spot_wait_s=120.0
    )


@pytest.fixture
def sagemaker_behaviour() -> Behaviour:
    """What each job's container does: it completes after a minute of training. Override it with yours."""
    from sweeper.testing.scripts import Script, always

    return always(Script())


@pytest.fixture
def sagemaker_faults() -> Faults:
    """What goes wrong on the way to the service, by rate: nothing. Override it with yours."""
    from sweeper.testing.twin import Faults

    return Faults()


@pytest.fixture
def sagemaker_twin(
    sagemaker_settings: ServiceSettings, sagemaker_behaviour: Behaviour, sagemaker_faults: Faults
) -> Twin:
    """A new SageMaker that begins now; `sagemaker_twin.clock.sleep(seconds)` lets its time pass."""
    from sweeper.testing.twin import Twin, VirtualClock

    clock = VirtualClock(time.time())
    return Twin(clock, settings=sagemaker_settings, behaviour=sagemaker_behaviour, faults=sagemaker_faults)


class _Made(NamedTuple):
    """What is made once, since it takes longer than a test; the hook's twin is each test's own."""

    hook: Hook
    session: boto3.Session
    client: Any


@pytest.fixture(scope="session")
def _sagemaker_made() -> _Made:
    import boto3
    from botocore.config import Config

    from sweeper.testing.hook import Hook
    from sweeper.testing.twin import Twin

    hook, once = Hook(Twin()), Config(retries={"mode": "standard", "total_max_attempts": 1})
    with pytest.MonkeyPatch.context() as patch, _answering(hook):
        _configure(patch)
        session = boto3.Session()
        return _Made(hook, session, session.client("sagemaker", config=once))


@pytest.fixture
def sagemaker_client(_sagemaker_made: _Made, sagemaker_twin: Twin) -> Any:
    """A real boto3 client of `sagemaker_twin`, with botocore's own validation, parsing and exceptions. No retries."""
    _sagemaker_made.hook.twin = sagemaker_twin
    return _sagemaker_made.client


@pytest.fixture
def sagemaker_everywhere(
    _sagemaker_made: _Made, sagemaker_twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Twin]:
    """For code that makes clients and waits by itself: it talks to the twin, which is returned.

    For as long as the test lasts every new boto3 session and client is answered by the twin, the user's own AWS
    configuration is not read, and `time.sleep` passes the twin's time instead of yours. A call to another service is
    answered by moto's `mock_aws` where that is in use, else it is an error: nothing reaches the network.
    """
    import boto3

    _sagemaker_made.hook.twin = sagemaker_twin
    _configure(monkeypatch)
    # its models are read already, which is most of the time that a client takes
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", _sagemaker_made.session)
    monkeypatch.setattr(time, "sleep", sagemaker_twin.clock.sleep)
    with _answering(_sagemaker_made.hook):
        yield sagemaker_twin


@contextmanager
def _answering(hook: Hook) -> Iterator[None]:
    """Every botocore session that is made meanwhile is answered by the hook: the list is the one that moto adds to."""
    from botocore.handlers import BUILTIN_HANDLERS, REGISTER_LAST

    from sweeper.testing.hook import SENDING

    def answer(request: Any, **about: Any) -> Any:
        answered = hook.answer(request, **about)
        request.url = "https://twin.invalid/"  # botocore asks every handler, and moto must not do it once more
        return answered

    ours = [(SENDING, answer), ("before-send", _nobody_answers, REGISTER_LAST)]
    BUILTIN_HANDLERS.extend(ours)
    try:
        yield
    finally:
        for handler in ours:
            BUILTIN_HANDLERS.remove(handler)


def _configure(patch: pytest.MonkeyPatch) -> None:
    """Dummy credentials; the user's own configuration is not read, not even a profile that does not exist."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in _ENVIRONMENT.items():
        patch.setenv(name, value)


@pytest.fixture(scope="session")
def sagemaker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineInfo]:
    """The local engine, served for the whole session: jobs train for real.

    `boto3.client(service, **sagemaker_engine.client_options)` is a client; `environment` has the variables for others.
    """
    from sweeper.engine import launch

    state = tmp_path_factory.mktemp("sagemaker-engine")
    yield launch.ensure(state)
    launch.stop(state)


def _nobody_answers(request: Any, event_name: str, **_: Any) -> Any:
    """What a call gets that neither the twin nor another double (moto) has answered: an error, never the network."""
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    service, operation = event_name.split(".")[1:]
    return AWSResponse(request.url, 501, HTTPHeaders(), _Refusal(service, operation))


class _Refusal:
    """A body that cannot be read. It may be read only when there was no other answer: botocore takes the first."""

    def __init__(self, service: str, operation: str) -> None:
        self._what = f"{service}.{operation}"

    def stream(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(
            f"{self._what} was called in a test, and only SageMaker is answered there; put moto's mock_aws around it, "
            "or use the fixture sagemaker_engine"
        )
