"""Will the job queue of AWS Batch take the jobs?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from sweeper.aws import queue_state, queues
from sweeper.aws.batch import Call, calls
from sweeper.aws.queue_state import Crowd, Environment
from sweeper.core.machines import Machines, choices
from sweeper.core.queued import QueueOptions
from sweeper.core.verdict import Check, Verdict
from sweeper.core.words import counted
from sweeper.errors import ApiError, UsageError
from sweeper.run.checks.subject import Subject
from sweeper.run.checks.unasked import unasked


def queue(subject: Subject) -> Iterator[Check]:
    """The queue of a sweep whose jobs go through one: there, for training jobs, enabled, and shared as it is said.

    And whether its environment has room for a job, and who is there already.
    """
    if subject.sweep is None or (options := subject.sweep.backend.through) is None:
        return
    subject.clients()  # without an account nothing is known of it
    call, machines = calls(subject.clients), choices(subject.sweep.locked)
    try:
        told = queues.check(call, options, machines[0].instance_type if len(machines) == 1 else "")
    except UsageError as error:
        yield Check("queue", Verdict.FAIL, str(error))
        return
    yield Check("queue", Verdict.PASS, f"the job queue {options.queue} takes jobs")
    yield from (Check("queue.limits", Verdict.WARN, line) for line in told)
    at_once = subject.sweep.in_flight
    asked: list[tuple[str, str, str, Callable[[], Iterable[Check]]]] = [
        (
            "queue.room",
            "the queue's service environment",
            "DescribeServiceEnvironments",
            lambda: _room(list(queue_state.environments(call, options)), machines, at_once),
        ),
        (
            "queue.share",
            "the share of the queue",
            "ListQuotaShares and batch:DescribeSchedulingPolicies",
            lambda: _share(call, options, machines),
        ),
        (
            "queue.crowd",
            "who waits in the queue",
            "GetJobQueueSnapshot",
            lambda: [_crowd(queue_state.crowd(call, options), options.queue)],
        ),
    ]
    for name, what, action, ask in asked:
        yield from _tried(name, what, action, ask)


def _tried(name: str, what: str, action: str, ask: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from ask()
    except ApiError as error:
        yield unasked(name, what, error, f"have batch:{action} allowed: `sweeper iam` prints what is asked")


def _room(environments: Sequence[Environment], machines: Sequence[Machines], in_flight: int) -> Iterator[Check]:
    """Is the environment at work, and has it machines for a job, and for as many as are in flight?"""
    for one in environments:
        stands = f"the service environment {one.name}"
        there = [(wanted, one.of(wanted.instance_type)) for wanted in machines if one.of(wanted.instance_type)]
        jobs = max((room // wanted.count for wanted, room in there), default=0)
        if one.state != "ENABLED" or one.status not in ("VALID", "UPDATING"):
            why = f" ({one.reason})" if one.reason else ""
            found = f"{stands} is {one.state} and {one.status}{why}: no job of the queue starts"
            yield Check("queue.room", Verdict.FAIL, found, "have it enabled, or name another backend.queue")
        elif not there:
            others, kinds = ", ".join(sorted(one.machines)), " or ".join(wanted.instance_type for wanted in machines)
            found = f"locked.instance_type: {stands} has machines of {others}, and none of {kinds}"
            yield Check("queue.room", Verdict.FAIL, found, "the jobs would wait for ever: take one that it has")
        elif not jobs:
            yield _too_few(f"{stands} has room for", "queue.room", "maxCapacity", there[0][1], machines)
        else:
            room = counted(max(room for _, room in there), "machine")
            many = counted(min(in_flight, jobs), "job")
            yield Check("queue.room", Verdict.PASS, f"{stands} has room for {room}: for {many} of this sweep at a time")


def _too_few(has: str, name: str, limit: str, room: int, machines: Sequence[Machines]) -> Check:
    needs = min(wanted.count for wanted in machines)
    found = f"locked.instance_count: {has} {counted(room, 'machine')}, and a job needs {needs}"
    return Check(name, Verdict.FAIL, found, f"the jobs would wait for ever: have {limit} raised")


def _share(call: Call, options: QueueOptions, machines: Sequence[Machines]) -> Iterator[Check]:
    """Whose machines the jobs use, and how many of them they get; nothing of a queue without shares."""
    if share := queue_state.quota_share(call, options):
        kinds = [wanted for wanted in machines if wanted.instance_type in share.machines]
        most = [share.most(wanted.instance_type) for wanted in kinds]
        if not any(has is None or has >= wanted.count for wanted, has in zip(kinds, most, strict=True)):
            yield _too_few(
                f"the quota share {share.name} gets",
                "queue.share",
                "its limit",
                max((has or 0 for has in most), default=0),
                machines,
            )
            return
        own = ", ".join(f"{share.machines[one.instance_type]} of {one.instance_type}" for one in kinds)
        lent = "whatever idles" if share.borrows < 0 else f"{share.borrows} % more" if share.borrows else "nothing"
        yield Check("queue.share", Verdict.PASS, f"the quota share {share.name} has {own}, and borrows {lent}")
    elif own_share := options.share_identifier:
        known = queue_state.weights(call, options)
        fits = (weight for name, weight in known.items() if fnmatchcase(own_share, name))
        others = ", ".join(f"{name} {weight:g}" for name, weight in known.items() if not fnmatchcase(own_share, name))
        found = f"the share {own_share} has the weight {next(fits, 1.0):g}"
        yield Check("queue.share", Verdict.PASS, f"{found}; the others: {others}" if others else found)


def _crowd(there: Crowd, queue: str) -> Check:
    found = f"{counted(there.in_use, 'machine')} of {queue} {'is' if there.in_use == 1 else 'are'} in use"
    if not there.waiting:
        return Check("queue.crowd", Verdict.PASS, f"{found}, and no job waits")
    waits = f"{counted(there.waiting, 'job')} {'waits' if there.waiting == 1 else 'wait'} there already"
    return Check("queue.crowd", Verdict.WARN, f"{found}, and {waits}: the first job of this sweep waits too")
