"""Images in ECR, by their URIs. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_URI = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.[a-z.]+/([^:@]+)(?::([^@]+))?(?:@(.+))?")

BUILT_IN = (
    *("blazingtext", "factorization-machines", "forecasting-deepar", "image-classification", "ipinsights", "kmeans"),
    *("knn", "lda", "linear-learner", "ntm", "object-detection", "object2vec", "pca", "randomcutforest"),
    *("sagemaker-xgboost", "semantic-segmentation", "seq2seq", "xgboost"),
)
"""The repositories of SageMaker's built-in algorithms, in accounts of SageMaker's own."""


@dataclass(frozen=True)
class Image:
    """An image of a private registry of ECR."""

    account: str
    region: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @classmethod
    def of(cls, uri: str) -> Image | None:
        """The image of a URI; None for one that is not in ECR."""
        found = _URI.fullmatch(uri)
        if found is None:
            return None
        account, region, repository, tag, digest = found.groups()
        return cls(account, region, repository, tag or "latest", digest or "")

    @property
    def built_in(self) -> bool:
        """Is it called as one of SageMaker's algorithms is?"""
        return self.repository in BUILT_IN

    @property
    def named(self) -> dict[str, str]:
        """How the registry is asked for it."""
        return {"imageDigest": self.digest} if self.digest else {"imageTag": self.tag}
