"""Every check, in the order in which they are told. One that cannot be asked hides none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sweeper.aws.permissions import Permissions
from sweeper.core.costs import keeps
from sweeper.core.request import slug
from sweeper.core.verdict import Check, Verdict
from sweeper.errors import ApiError
from sweeper.run import quota as quotas
from sweeper.run.checks import quota
from sweeper.run.checks.caller import credentials, who
from sweeper.run.checks.image import image
from sweeper.run.checks.permission import Permission
from sweeper.run.checks.pools import pools
from sweeper.run.checks.price import price
from sweeper.run.checks.requests import request
from sweeper.run.checks.role import role
from sweeper.run.checks.storage import bucket
from sweeper.run.checks.subject import Subject

_Asks = Callable[[Subject], Iterator[Check]]


def _permissions(subject: Subject) -> Iterator[Check]:
    sweep = subject.sweep
    if sweep is None:
        return
    name = f"{slug(sweep.name)}-{'0' * 16}-a00"  # as its jobs are called, and no job ever is: attempts begin at 1
    yield from Permission(
        may=Permissions(subject.clients()).may,
        api=subject.api,
        jobs=subject.place.arn("sagemaker", f"training-job/{name}"),
        role=str(sweep.locked["role_arn"]),
        nobody=name,
        keep_alive_s=keeps(sweep),
        queued=sweep.backend.through is not None,
    ).checks()


def _quotas(subject: Subject) -> Iterator[Check]:
    if subject.sweep is None:
        return
    limits = quotas.limits_of(str(subject.sweep.locked["instance_type"]), subject.clients())
    try:
        live = subject.live
    except ApiError:
        live = []  # the check of pools says so
    yield from quota.judged(subject.sweep, limits, live)


CHECKS: Mapping[str, tuple[str, _Asks, str]] = {
    "caller": ("the caller", who, ""),
    "credentials": ("the credentials", credentials, ""),
    "role": ("the role", role, "have iam:GetRole allowed on it to be told before a run"),
    "permission": ("the permissions", _permissions, "have iam:SimulatePrincipalPolicy allowed"),
    "quota": ("the quotas", _quotas, "have servicequotas:GetServiceQuota allowed: `sweeper iam` prints what is asked"),
    "bucket": ("the buckets", bucket, "have s3:ListBucket allowed on them"),
    "image": ("the image", image, "have ecr:DescribeImages allowed"),
    "request": ("the request", request, ""),
    "price": ("the price", price, ""),
    "pools": ("idle pools", pools, "look for them with: sweeper pools list"),
}
"""By their ids: what each is about, how it is asked, and what helps where it cannot be asked."""


def checked(subject: Subject) -> Iterator[Check]:
    """Every check, one after another."""
    for name, (what, ask, do) in CHECKS.items():
        try:
            yield from ask(subject)
        except ApiError as error:
            yield Check(name, Verdict.UNKNOWN, f"{what} could not be checked: {error.message}", do)
