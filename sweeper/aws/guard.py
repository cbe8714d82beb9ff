"""The last look at a Create before it leaves the process: while a sweep runs, none goes out that would leave its pool.

Whoever has built or altered the request: it is read as it is sent, after every handler of botocore's events. Watched
are the clients that sweeper makes, and those that other code in this process makes by `boto3.client` or of boto3's
default session, once sweeper has made its own; a session that such code makes for itself is out of reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sweeper.core.request import PoolKey, differing
from sweeper.errors import ApiError, ApiErrorKind

if TYPE_CHECKING:
    import boto3

CREATE, SUBMIT = "CreateTrainingJob", "SubmitServiceJob"
_EVENTS = (f"before-send.sagemaker.{CREATE}", f"before-send.batch.{SUBMIT}")
_KIND = "SAGEMAKER_TRAINING"
_frozen: list[PoolKey] = []
"""Of the sweep that this process runs; the last one counts."""


@contextmanager
def frozen(key: PoolKey) -> Iterator[None]:
    """Inside, what is watched sends no Create of another pool key."""
    _frozen.append(key)
    try:
        yield
    finally:
        _frozen.remove(key)


def watch(session: boto3.Session) -> None:
    """Look at what the clients that are made of this session from now on send."""
    for event in _EVENTS:
        session.events.register_last(event, _check, unique_id=f"sweeper.{event}")


def watch_default() -> None:
    """While a sweep runs, the same for boto3's default session, which other code in this process may use."""
    if not _frozen:
        return
    import boto3
    from botocore.exceptions import BotoCoreError

    with suppress(BotoCoreError):  # a profile that is not there: nobody else can make it either
        if boto3.DEFAULT_SESSION is None:
            boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION is not None
        watch(boto3.DEFAULT_SESSION)


def _check(request: Any, event_name: str, **_: Any) -> None:
    """Before each attempt. Raises ApiError (WITHHELD), which botocore does not try again."""
    if not _frozen:
        return
    operation = event_name.rpartition(".")[2]
    sent = json.loads(request.body)
    if operation == SUBMIT:
        if sent.get("serviceJobType") != _KIND:
            return
        sent = json.loads(sent["serviceRequestPayload"])
    if differences := differing(_frozen[-1], sent):
        text = f"this request would leave the sweep's pool: {differences}; nothing was sent. It was not sweeper "
        text += "that wrote so"
        raise ApiError(ApiErrorKind.WITHHELD, operation, "LeavesThePool", text)
