"""One reading of one Describe."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import Closed
from sweeper.core.fate import DENIED_S, GRACE_S, IMPATIENT_S, Look, Pool, Unseen, longest_life_s, look, warning
from sweeper.errors import ApiErrorKind

OWN = "own"


def seen(pool: dict[str, Any] | None, *, ours_s: int = 300, theirs_s: int = 0, mark: str = "o/s/t/1") -> Look:
    """A completed job, kept alive as we know it and as the service has it, with this pool."""
    job = Job(ev.Intent("job", "t", 0, "x=1", {}, 1, "o/s/t/1", ours_s, 600, ""))
    description = {
        "TrainingJobStatus": "Completed",
        "Environment": {"SWEEPER_FINGERPRINT": mark},
        "ResourceConfig": {"KeepAlivePeriodInSeconds": theirs_s} if theirs_s else {},
        "WarmPoolStatus": pool,
    }
    return look(job, description)


@pytest.mark.parametrize(
    ("pool", "ours_s", "theirs_s", "shows", "how"),
    [
        ({"Status": "Available"}, 300, 0, Pool.IDLES, None),
        ({"Status": "Available"}, 0, 0, Pool.IDLES, None),
        ({"Status": "Terminated"}, 300, 0, Pool.TERMINATED, Closed.TERMINATED),
        ({"Status": "Reused", "ReusedByJob": OWN}, 300, 0, Pool.TAKEN, Closed.REUSED_BY_OWN),
        ({"Status": "Reused", "ReusedByJob": "x"}, 300, 0, Pool.TAKEN, Closed.REUSED_BY_FOREIGN),
        (None, 300, 0, Pool.NOT_SHOWN, None),
        (None, 0, 300, Pool.NOT_SHOWN, None),
        ({"Status": "a word of tomorrow"}, 300, 0, Pool.NOT_SHOWN, None),
        (None, 0, 0, Pool.NEVER, Closed.NEVER_HAD_POOL),
    ],
)
def test_a_pool_is_closed_when_it_is_seen_closed_and_never_else(
    pool: dict[str, Any] | None, ours_s: int, theirs_s: int, shows: Pool, how: Closed | None
) -> None:
    """What may bill is open; a keep-alive that only the service knows of counts as ours does."""
    shown = seen(pool, ours_s=ours_s, theirs_s=theirs_s)
    closed = shown.closed(OWN.__eq__)
    assert shown.pool is shows
    assert (closed.how if closed else None) == (how.value if how else None)
    assert bool(closed and warning(closed)) is (how is Closed.REUSED_BY_FOREIGN)


def test_a_job_without_our_fingerprint_is_not_ours() -> None:
    """The name alone proves nothing."""
    assert seen(None).ours
    assert not seen(None, mark="somebody/s/t/1").ours
    assert not seen(None, mark="").ours


INTENDED = Job(ev.Intent("job", "t", 0, "x=1", {}, 1, "o/s/t/1", 300, 600, ""))
CREATED = Job(INTENDED.intent, acknowledged=True)
MISSING, SILENT, DENIED = ApiErrorKind.NOT_FOUND, ApiErrorKind.LOST, ApiErrorKind.DENIED


@pytest.mark.parametrize(
    ("unseen", "how"),
    [
        (Unseen(INTENDED, MISSING, missing_s=61, arriving_s=-61), Closed.NEVER_HAD_POOL),
        (Unseen(INTENDED, MISSING, missing_s=61, arriving_s=-60), None),
        (Unseen(INTENDED, MISSING, missing_s=60, arriving_s=-61), None),
        (Unseen(INTENDED, MISSING, missing_s=1e6, arriving_s=1), None),
        (Unseen(CREATED, MISSING, missing_s=301 + GRACE_S), Closed.EXPIRED_BY_BOUND),
        (Unseen(CREATED, MISSING, missing_s=300 + GRACE_S), None),
        (Unseen(INTENDED, SILENT, silent_s=1e6, arriving_s=-1e6), None),
        (Unseen(CREATED, DENIED, denied_s=1e6), None),
    ],
)
def test_what_is_not_seen_is_closed_when_nothing_of_it_can_come_or_live_any_more(
    unseen: Unseen, how: Closed | None
) -> None:
    """No answer proves nothing; NotFound does once no Create can arrive, or the keep-alive has ended."""
    assert unseen.closed(60) is how


@pytest.mark.parametrize(
    ("unseen", "named", "named_in_a_hurry"),
    [
        (Unseen(INTENDED, MISSING, missing_s=IMPATIENT_S + 1, arriving_s=50), False, True),
        (Unseen(INTENDED, MISSING, missing_s=IMPATIENT_S + 1, arriving_s=-1), False, False),
        (Unseen(INTENDED, MISSING, missing_s=IMPATIENT_S, arriving_s=50), False, False),
        (Unseen(CREATED, MISSING, missing_s=IMPATIENT_S + 1), False, True),
        (Unseen(CREATED, SILENT, silent_s=IMPATIENT_S + 1), False, True),
        (Unseen(CREATED, SILENT, silent_s=longest_life_s(CREATED) + 1), True, True),
        (Unseen(CREATED, DENIED, denied_s=DENIED_S + 1, silent_s=0), True, True),
        (Unseen(CREATED, SILENT, denied_s=DENIED_S + 1, silent_s=0), False, False),
    ],
)
def test_nobody_waits_for_ever_for_what_is_not_seen(unseen: Unseen, named: bool, named_in_a_hurry: bool) -> None:
    """It is named past every bound; by whoever cannot wait it is named soon, unless it proves closed even sooner."""
    assert [bool(unseen.hopeless(hurried=hurried)) for hurried in (False, True)] == [named, named_in_a_hurry]
