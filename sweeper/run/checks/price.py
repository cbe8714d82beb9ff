"""Is it known what a machine costs?"""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.core.verdict import Check, Verdict
from sweeper.run.checks.subject import Subject


def price(subject: Subject) -> Iterator[Check]:
    """The price of the type in the region of the account."""
    if (sweep := subject.sweep) is None:
        return
    kind, region = sweep.locked["instance_type"], subject.scope.region
    if (rate := sweep.rate) is None:
        do = f"set prices.region={region} and prices.usd_per_hour.{kind}"
        yield Check("price", Verdict.UNKNOWN, f"the price of {kind} in {region} is unknown: no cost is told", do)
    else:
        when = f" (prices of {rate.as_of})" if rate.as_of else ""
        yield Check("price", Verdict.PASS, f"{rate.usd_per_second * 3600:.3f} USD an hour{when}")
