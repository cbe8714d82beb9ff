"""Every check, in the order in which they are told. One that cannot be asked hides none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sweeper.core.verdict import Check
from sweeper.errors import SweeperError
from sweeper.run.checks.caller import credentials, who
from sweeper.run.checks.image import image
from sweeper.run.checks.permission import permissions
from sweeper.run.checks.pools import pools
from sweeper.run.checks.price import price
from sweeper.run.checks.queue import queue
from sweeper.run.checks.quota import quotas
from sweeper.run.checks.requests import request
from sweeper.run.checks.role import role
from sweeper.run.checks.storage import bucket
from sweeper.run.checks.subject import Subject
from sweeper.run.checks.unasked import unasked

_Asks = Callable[[Subject], Iterator[Check]]

CHECKS: Mapping[str, tuple[str, _Asks, str]] = {
    "caller": ("the caller", who, ""),
    "credentials": ("the credentials", credentials, ""),
    "role": ("the role", role, "have iam:GetRole allowed on it to be told before a run"),
    "permission": ("the permissions", permissions, "have iam:SimulatePrincipalPolicy allowed"),
    "quota": ("the quotas", quotas, "have servicequotas:GetServiceQuota allowed: `sweeper iam` prints what is asked"),
    "queue": ("the job queue", queue, "have batch:DescribeJobQueues allowed"),
    "bucket": ("the buckets", bucket, "have s3:ListBucket allowed on them"),
    "image": ("the image", image, "have ecr:DescribeImages allowed"),
    "request": ("the request", request, ""),
    "price": ("the price", price, ""),
    "pools": ("idle pools", pools, "have sagemaker:ListTrainingJobs and sagemaker:Search allowed"),
}
"""By their ids: what each is about, how it is asked, and what helps who may not ask."""


def checked(subject: Subject) -> Iterator[Check]:
    """Every check, one after another."""
    for name, (what, ask, denied) in CHECKS.items():
        try:
            yield from ask(subject)
        except SweeperError as error:
            yield unasked(name, what, error, denied)
