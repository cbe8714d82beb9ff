"""Is it known what a machine costs?"""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.core.costs import unpriced
from sweeper.core.machines import types
from sweeper.core.verdict import Check, Verdict
from sweeper.run.checks.subject import Subject


def price(subject: Subject) -> Iterator[Check]:
    """The price of the type in the region of the account."""
    if (sweep := subject.sweep) is None:
        return
    region = subject.scope.region
    if (rate := sweep.rate) is None:
        kind = unpriced(sweep.composed.get("prices"), sweep.locked) or types(sweep.locked)
        do = f"set prices.region={region} and prices.usd_per_hour.{kind}"
        yield Check("price", Verdict.UNKNOWN, f"the price of {kind} in {region} is unknown: no cost is told", do)
    else:
        when = f" (prices of {rate.as_of})" if rate.as_of else ""
        most = "at most " if rate.by_type else ""
        yield Check("price", Verdict.PASS, f"{most}{rate.usd_per_second * 3600:.3f} USD an hour{when}")
