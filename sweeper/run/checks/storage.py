"""Where jobs write: is each bucket there, in the region, of the right owner, and how does it encrypt?"""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.aws import buckets
from sweeper.core.verdict import Check, Verdict
from sweeper.errors import ApiError
from sweeper.run.checks.subject import Subject
from sweeper.run.checks.unasked import unasked


def bucket(subject: Subject) -> Iterator[Check]:
    """Each bucket that outputs and checkpoints go to."""
    for name in sorted(subject.uses.buckets):
        try:
            yield _judged(subject, name)
        except ApiError as error:
            yield unasked("bucket", f"the bucket {name}", error, "have s3:ListBucket allowed on it")


def _judged(subject: Subject, name: str) -> Check:
    default = name in subject.uses.made
    named = subject.job.get("expected_bucket_owner")
    account = subject.scope.account if default else named or subject.scope.account
    seen = buckets.look(subject.clients(), name, account)
    if seen is None:
        return _missing(name, default=default)
    if not seen.owned:
        return _others(name, account, default=default, named=bool(named))
    region = subject.scope.region
    if seen.region and seen.region != region:
        found = f"the bucket {name} is in {seen.region}, and the jobs are to run in {region}"
        return Check("bucket", Verdict.FAIL, found, f"set job.output_path to a bucket in {region}")
    return Check("bucket", Verdict.PASS, f"{name} is of account {account}, in {region}{_encrypted(subject, name)}")


def _missing(name: str, *, default: bool) -> Check:
    found = f"the bucket {name} is not there yet: it will be made"
    if default:
        return Check("bucket", Verdict.PASS, found)
    do = "if it should be there, correct its name; making it needs s3:CreateBucket"
    return Check("bucket", Verdict.WARN, found, do)


def _others(name: str, account: str, *, default: bool, named: bool) -> Check:
    found = f"the bucket {name} is not of account {account}"
    if default:
        found += ": somebody else has made the one that everybody expects to be yours"
        return Check("bucket", Verdict.FAIL, found, "set job.output_path to a bucket of yours")
    if named:
        return Check("bucket", Verdict.FAIL, f"job.expected_bucket_owner: {found}", "name the bucket's own account")
    return Check("bucket", Verdict.WARN, found, "if that is meant, say whose it is: job.expected_bucket_owner")


def _encrypted(subject: Subject, name: str) -> str:
    try:
        with_what = buckets.encryption(subject.clients(), name)
    except ApiError:
        return ", its encryption could not be seen"
    return f", encrypted by {with_what}" if with_what else ""
