"""Images in ECR: is one there?"""

from __future__ import annotations

from sweeper.aws.clients import Clients, looking
from sweeper.core.images import Image
from sweeper.errors import ApiError

_MISSING = ("RepositoryNotFoundException", "ImageNotFoundException")


def missing(clients: Clients, image: Image) -> str:
    """What of it is not there, in words; empty when all of it is. Raises ApiError."""
    client = looking(clients, "ecr")
    try:
        with clients.asked("DescribeImages"):
            client.describe_images(
                registryId=image.account, repositoryName=image.repository, imageIds=[dict(image.named)]
            )
    except ApiError as error:
        if error.code not in _MISSING:
            raise
        name = image.digest or image.tag
        return f"repository {image.repository}" if error.code == _MISSING[0] else f"{name} in {image.repository}"
    return ""
