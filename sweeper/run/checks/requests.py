"""Would the service take the request of the first trial, with the names that it is sent with?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sweeper.config.problems import dotted
from sweeper.config.whole_request import judged
from sweeper.core.verdict import Check, Verdict
from sweeper.run.checks.subject import Subject


def request(subject: Subject) -> Iterator[Check]:
    """By the service's own model. What each axis gives was judged when the experiment was composed."""
    sweep = subject.sweep
    first = next(islice(sweep.trials, 1), None) if sweep else None
    if sweep is None or first is None:
        return
    wrong = [f"{dotted(path)}: {what}" for path, what in judged(sweep, first, subject.owner, subject.scope)]
    yield from (Check("request", Verdict.FAIL, line) for line in wrong)
    if not wrong:
        yield Check("request", Verdict.PASS, "the service's model takes it, with each value of each axis")
