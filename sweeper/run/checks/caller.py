"""Who asks, where, and for how long that can go on."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.aws.credentials import ENVIRONMENT
from sweeper.core.verdict import Check, Verdict
from sweeper.run.checks.subject import Subject


def who(subject: Subject) -> Iterator[Check]:
    """The account, the ARN, the region, and what leads there."""
    clients = subject.clients()
    caller = clients.caller
    found = f"account {caller.account} in {subject.scope.region} as {caller.arn}"
    ways = (("profile", clients.profile), ("endpoint", clients.own_endpoint))
    yield Check("caller", Verdict.PASS, ", ".join([found, *(f"{word} {value}" for word, value in ways if value)]))


def credentials(subject: Subject) -> Iterator[Check]:
    """Can they be renewed while this runs?"""
    clients = subject.clients()
    method, temporary = clients.method, clients.temporary
    if method == ENVIRONMENT and temporary:
        found = "the credentials are temporary and come from environment variables: they cannot be renewed in a run"
        do = "take a profile (engine.profile=NAME, `aws sso login`), or let them outlast the sweep"
        yield Check("credentials", Verdict.WARN, found, do)
    else:
        lasting = "temporary, renewed as they run out" if temporary else "lasting"
        yield Check("credentials", Verdict.PASS, f"from {method or 'boto3'}, {lasting}")
