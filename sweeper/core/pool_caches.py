"""The variables of a job's environment that keep its downloads in the cache of its warm pool. Pure.

Our driver sets them where it finds such a cache, unless the image has set them itself. What starts without it is told
by its request, of which nobody knows what the image has set: so this can be turned off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.driver.caches import places

FOLDER = "/opt/ml/sagemaker/warmpoolcache"
"""Where SageMaker mounts it in every container on the pool."""
MOST_VARIABLES = 100
"""What a request has room for."""
_OURS = places(FOLDER)


def added(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of a job with them; as it is where they find no room."""
    found = {**places(FOLDER, environment), **environment}
    return found if len(found) <= MOST_VARIABLES else dict(environment)


def without(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What of the environment of a job is not of these."""
    return {name: value for name, value in environment.items() if _OURS.get(name) != value}


def are_in(environment: Mapping[str, Any]) -> bool:
    """Is each of them said, by us or by the user?"""
    return places(FOLDER, environment) == {}
