"""ECR as far as images are looked for: one that nobody has pushed is there, the rest is moto's."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from typing import Any

from sweeper.engine.training.settings import ServiceSettings

TARGET = "AmazonEC2ContainerRegistry_V20150921."
SERVICE = "ecr"


class Images:
    """Answers for the images of repositories that nobody has made, while the settings say that any image is there."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    def knows(self, operation: str, params: Mapping[str, Any]) -> bool:
        """Is this ours to answer, and not moto's?"""
        asked = operation == "DescribeImages" and self._settings.any_image
        return asked and not self._has_repository(str(params.get("repositoryName", "")))

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The images that were asked for, each by its tag or digest."""
        registry, repository = params.get("registryId", self._settings.account), params["repositoryName"]
        named = params.get("imageIds") or [{"imageTag": "latest"}]
        return {"imageDetails": [_described(str(registry), str(repository), image) for image in named]}

    def _has_repository(self, name: str) -> bool:
        models = sys.modules.get("moto.ecr.models")  # before anybody has asked moto there are none
        return bool(models and name in models.ecr_backends[self._settings.account][self._settings.region].repositories)


def _described(registry: str, repository: str, image: Mapping[str, str]) -> dict[str, Any]:
    tag = image.get("imageTag")
    digest = hashlib.sha256(f"{registry}/{repository}:{tag}".encode()).hexdigest()
    told = {"registryId": registry, "repositoryName": repository}
    tags = {"imageTags": [tag]} if tag else {}
    return {**told, "imageDigest": image.get("imageDigest") or f"sha256:{digest}", **tags, "imageSizeInBytes": 1}
