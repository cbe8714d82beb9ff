"""The lease of two hosts that run the same sweep, in a bucket whose answers may be lost or stay out for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sweeper.aws.lease import Lease
from sweeper.core.ports import Clock
from sweeper.simulation.host import Host
from sweeper.testing.bucket import Bucket


def give_leases(hosts: Sequence[Host], owner: str, clock: Clock) -> None:
    """Each of these hosts takes the same lease, as a process of this owner."""
    bucket = Bucket(clock)
    for number, host in enumerate(hosts):
        clients, holder = bucket.reached(_trouble(host, clock)), f"{owner}, process {number}"
        host.lease = partial(Lease, partial(_same, clients), "s3://bucket/leases", "key", holder, clock)
        host.lease_is_anothers = partial(bucket.held_by_another, holder)


def _same(clients: Any) -> Any:
    return clients


def _trouble(host: Host, clock: Clock) -> Callable[[], str]:
    """What meets a call to the lease's bucket: nothing, a lost answer, or an outage that lasts."""
    until = 0.0

    def trouble() -> str:
        nonlocal until
        if not host.danger.chance:
            return ""
        if host.rng.random() < 0.05:
            until = clock.now() + host.rng.choice((30.0, 100.0, 400.0))
        if clock.now() < until:
            return "out"
        return "lost" if host.rng.random() < 0.05 else ""

    return trouble
