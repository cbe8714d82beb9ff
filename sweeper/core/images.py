"""Images in ECR, by their URIs. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_URI = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.[a-z.]+/([^:@]+)(?::([^@]+))?(?:@(.+))?")


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
    def named(self) -> dict[str, str]:
        """How the registry is asked for it."""
        return {"imageDigest": self.digest} if self.digest else {"imageTag": self.tag}
