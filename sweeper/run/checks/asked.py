"""What is to be checked: an account that answers, or what can be checked without one."""

from __future__ import annotations

from dataclasses import replace

from sweeper.aws.batch import training_api
from sweeper.aws.clients import Clients
from sweeper.config.engines import region_of
from sweeper.config.whole_request import SOMEWHERE
from sweeper.core.model import Sweep
from sweeper.core.ports import Clock
from sweeper.core.scope import EngineKind
from sweeper.errors import UsageError
from sweeper.run.checks.subject import Subject
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection


def subject_of(connection: Connection, clock: Clock, sweep: Sweep | None = None) -> Subject:
    """What is to be checked of an account, and of a sweep in it."""
    api = training_api(connection.clients)
    return Subject(connection.scope, connection.owner, connection.clients, api, clock, sweep)


def unanswered(sweep: Sweep | None = None) -> Subject:
    """The same where the account does not answer: what needs none can be checked all the same."""

    def nobody() -> Clients:
        raise UsageError("the account does not answer")

    region = region_of({"kind": EngineKind.AWS, **sweep.engine_options}) if sweep else ""
    scope = replace(SOMEWHERE, region=region or SOMEWHERE.region)
    return Subject(scope, (sweep and sweep.owner) or "owner", nobody, training_api(nobody), SystemClock(), sweep)
