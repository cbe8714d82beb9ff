"""The role of the jobs: of this account, there, and one that SageMaker may take."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.aws import roles
from sweeper.core.verdict import Check, Verdict
from sweeper.run.checks.subject import Subject

_OWN = "set locked.role_arn, or the variable that it reads, to a role of this account that SageMaker may assume"


def role(subject: Subject) -> Iterator[Check]:
    """`locked.role_arn` as IAM knows it."""
    if subject.sweep is None:
        return
    arn = str(subject.sweep.locked["role_arn"])
    _, partition, _, _, account, path = arn.split(":", 5)
    place = subject.place
    if (partition, account) != (place.partition, place.account):
        found = f"locked.role_arn: {arn} is of account {account} in {partition}, and you are of {place.account}"
        yield Check("role", Verdict.FAIL, f"{found} in {place.partition}", _OWN)
        return
    known = roles.find(subject.clients(), path.rpartition("/")[2])
    if known is None:
        yield Check("role", Verdict.FAIL, f"locked.role_arn: there is no role {arn}", _OWN)
    elif known.arn != arn:
        yield Check("role", Verdict.FAIL, f"locked.role_arn: there is no role {arn}", f"write {known.arn}")
    elif not known.trusts_sagemaker:
        do = f"allow sts:AssumeRole to {roles.SERVICE} in its trust policy"
        yield Check("role", Verdict.WARN, f"locked.role_arn: {arn} does not let SageMaker assume it", do)
    else:
        yield Check("role", Verdict.PASS, f"{arn} is there, and SageMaker may assume it")
