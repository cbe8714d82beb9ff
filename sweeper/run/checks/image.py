"""The image of the jobs: in the region, and there?"""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.aws import images
from sweeper.core.images import Image
from sweeper.core.verdict import Check, Verdict
from sweeper.errors import ApiError
from sweeper.run.checks.subject import Subject
from sweeper.run.checks.unasked import unasked


def image(subject: Subject) -> Iterator[Check]:
    """Each image that a trial runs."""
    for uri in sorted(subject.uses.images):
        yield _judged(subject, uri)


def _elsewhere(subject: Subject, uri: str) -> Check:
    """SageMaker takes an image from ECR, or from a registry in the VPC of the jobs where it is told so."""
    if subject.job.get("training_repository_access_mode") == "Vpc":
        return Check("image", Verdict.UNKNOWN, f"{uri} is in a registry of your VPC, which cannot be asked from here")
    found = f"job.image_uri: {uri} is not in ECR, which SageMaker takes images from"
    return Check("image", Verdict.WARN, found, "push it there, or set job.training_repository_access_mode=Vpc")


def _judged(subject: Subject, uri: str) -> Check:
    found, region = Image.of(uri), subject.scope.region
    if found is None:
        return _elsewhere(subject, uri)
    if found.region != region:
        told = f"job.image_uri: {uri} is of {found.region}, and the jobs are to run in {region}"
        return Check("image", Verdict.FAIL, told, f"take the one of {region}")
    try:
        missing = images.missing(subject.clients(), found)
    except ApiError as error:
        mine = found.account == subject.scope.account  # what another account allows is not ours to change
        return unasked("image", uri, error, "have ecr:DescribeImages allowed" if mine else "")
    if missing:
        told = f"job.image_uri: there is no {missing} of account {found.account} in {region}"
        return Check("image", Verdict.FAIL, told, "push the image, or correct its name")
    return Check("image", Verdict.PASS, f"{uri} is there")
