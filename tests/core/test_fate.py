"""One reading of one Describe."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import Closed
from sweeper.core.fate import Look, Pool, look, warning

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
