"""The lease on a pool: real botocore, real conditional writes on the engine's S3."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.aws.clients import Clients, Endpoint
from sweeper.aws.lease import HEARTBEAT_S, SILENT_BEATS, Lease
from sweeper.engine import launch
from sweeper.errors import LockHeldError
from sweeper.record.locks import has_ended, this_process
from sweeper.testing.bucket import Bucket
from sweeper.testing.twin import VirtualClock
from tests.forked import start_engine


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """A bucket on a local engine."""
    folder: Path = tmp_path_factory.mktemp("engine")
    info = start_engine(folder)
    made = Clients(Endpoint.local(info))
    made.client("s3").create_bucket(Bucket="leases")
    yield made
    launch.stop(folder)


def a_lease(clients: Clients, key: str, holder: str = "ann") -> Lease:
    """A lease under its own virtual clock."""
    return Lease(lambda: clients, "s3://leases/team", key, holder, VirtualClock())


def test_one_runner_holds_a_lease_and_the_other_is_told_who(clients: Clients) -> None:
    """A second runner is refused and told the holder's name."""
    a_lease(clients, "one", "ann on host a").acquire()
    with pytest.raises(LockHeldError, match="ann on host a"):
        a_lease(clients, "one", "bob").acquire()


def test_a_released_lease_can_be_taken(clients: Clients) -> None:
    """Giving it back frees it at once."""
    first, second = a_lease(clients, "two"), a_lease(clients, "two", "bob")
    first.acquire()
    first.release()
    second.acquire()
    assert second.beat()


def test_a_heartbeat_whose_answer_was_lost_is_no_loss_of_the_lease() -> None:
    """The object has changed, and the holder in it is us: the next heartbeat goes on from there."""
    clock = VirtualClock()
    bucket, troubles = Bucket(clock), ["", "lost"]
    clients = bucket.reached(lambda: troubles.pop(0) if troubles else "")
    lease = Lease(lambda: clients, "s3://leases/team", "key", "ann", clock)
    lease.acquire()
    for _ in range(4):
        clock.sleep(HEARTBEAT_S + 1)
        assert lease.beat()
    assert not bucket.held_by_another("ann")


@pytest.mark.parametrize("taken", [False, True])
def test_a_holder_whose_credentials_have_run_out_holds_the_lease_until_another_one_does(taken: bool) -> None:
    """Who cannot sign a heartbeat cannot create a job either: renewed after 20 minutes it is theirs, unless taken."""
    clock, troubles = VirtualClock(), dict[str, str]()
    bucket = Bucket(clock)
    held = bucket.reached(lambda: troubles.get("now", ""))
    lease = Lease(lambda: held, "s3://leases/team", "key", "ann", clock)
    lease.acquire()
    troubles["now"] = "expired"
    for _ in range(20):
        clock.sleep(HEARTBEAT_S)
        assert lease.beat()
    if taken:
        Lease(lambda: bucket.reached(lambda: ""), "s3://leases/team", "key", "bob", clock).acquire()
    troubles.clear()
    assert lease.beat() is not taken
    assert bucket.held_by_another("ann") is taken


def test_a_heartbeat_keeps_the_lease(clients: Clients) -> None:
    """When it is time the holder writes again and still holds it."""
    lease = a_lease(clients, "three")
    lease.acquire()
    lease.clock.sleep(HEARTBEAT_S + 1)
    assert lease.beat()


def test_a_holder_whose_lease_was_taken_over_learns_it_at_its_next_heartbeat(clients: Clients) -> None:
    """After a take-over the old holder's heartbeat says that the lease is gone, and its release leaves the new one."""
    old = a_lease(clients, "four")
    old.acquire()
    clients.client("s3").delete_object(Bucket="leases", Key="team/four.json")
    new = a_lease(clients, "four", "bob")
    new.acquire()
    old.clock.sleep(HEARTBEAT_S + 1)
    assert not old.beat()
    old.release()
    new.clock.sleep(HEARTBEAT_S + 1)
    assert new.beat()


def test_an_unreachable_bucket_costs_the_lease_only_after_three_heartbeats(clients: Clients) -> None:
    """A heartbeat that cannot be written is forgiven until the next runner might have taken over."""
    lease = a_lease(clients, "five")
    lease.acquire()
    lease.clients = lambda: Clients(Endpoint("http://127.0.0.1:9", "us-east-1", access_key="x", secret_key="x"))
    lease.__dict__.pop("_s3", None)
    lease.clock.sleep(HEARTBEAT_S + 1)
    assert lease.beat()
    lease.clock.sleep(HEARTBEAT_S * SILENT_BEATS)
    assert not lease.beat()


@pytest.mark.parametrize("same", [True, False])
def test_a_holder_that_is_seen_to_have_ended_has_lost_its_lease_at_once(same: bool) -> None:
    """A runner that was killed on this machine keeps nobody out for three heartbeats; elsewhere nobody can see it."""
    clock = VirtualClock()
    bucket = Bucket(clock)
    clients = bucket.reached(lambda: "")
    Lease(lambda: clients, "s3://leases/team", "key", "ann", clock, this_process()).acquire()
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    ((key, (body, etag, written)),) = bucket.objects.items()
    told = json.loads(body)
    told["process"] |= {"pid": pid} if same else {"pid": pid, "boot": "of another machine"}
    bucket.objects[key] = (json.dumps(told).encode(), etag, written)
    second = Lease(lambda: clients, "s3://leases/team", "key", "bob", clock, this_process(), has_ended)
    if same:
        second.acquire()
        assert bucket.held_by_another("ann")
    else:
        with pytest.raises(LockHeldError, match="ann"):
            second.acquire()
