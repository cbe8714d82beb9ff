"""What answers the API: the kinds of engine, and whose options stand in the `engine` section of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.aws.clients import Endpoint
from sweeper.core.options import from_section
from sweeper.core.scope import EngineKind
from sweeper.core.waits import LocalWaits, Waits
from sweeper.engine.settings import EngineSettings
from sweeper.engine.training.settings import ServiceSettings
from sweeper.errors import ApiError


@dataclass(frozen=True)
class Engine:
    """A kind of engine: what it is, how it is waited for, and what else may be said of it."""

    words: str
    waits: type[Waits]
    more: Sequence[type]

    @property
    def options(self) -> Sequence[type]:
        """The dataclasses whose options its section holds."""
        return (self.waits, *self.more)


def region_of(section: Mapping[str, Any]) -> str | None:
    """The AWS region of an `engine` section; empty while nothing says it, None on the local engine."""
    if not EngineKind(section["kind"]).on_aws:
        return None
    try:
        return from_section(Endpoint, section).known_region
    except ApiError:
        return ""  # a profile that is not there: whoever needs it says so


KINDS: Mapping[EngineKind, Engine] = {
    EngineKind.LOCAL: Engine("The embedded engine.", LocalWaits, (ServiceSettings, EngineSettings)),
    EngineKind.AWS: Engine("The real service.", Waits, (Endpoint,)),
}
