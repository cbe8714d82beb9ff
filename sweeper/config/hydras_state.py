"""What Hydra and OmegaConf keep for a whole process, which may be somebody else's who works with Hydra too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import RLock
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf.basecontainer import BaseContainer

_KINDS = (GlobalHydra, HydraConfig, JobRuntime, VersionBase)
"""What says which application this is. The other singletons are registers, which only ever grow."""
_alone = RLock()


@dataclass(frozen=True)
class _State:
    singletons: Mapping[Any, Any]
    resolvers: Mapping[str, Any]

    @classmethod
    def now(cls) -> _State:
        """As it is."""
        kept: Mapping[Any, Any] = {kind: one for kind, one in Singleton._instances.items() if kind in _KINDS}
        return cls(kept, dict(BaseContainer._resolvers))

    def put(self) -> None:
        """Make it so: singletons are these and no others; names of resolvers that are not among these stay."""
        for kind in _KINDS:
            Singleton._instances.pop(kind, None)
        Singleton._instances.update(self.singletons)
        BaseContainer._resolvers.update(self.resolvers)


_ours: ContextVar[_State | None] = ContextVar("ours", default=None)
"""As it was when the configuration was composed; None where the process is ours."""


@contextmanager
def apart() -> Iterator[Callable[[], None]]:
    """Within, nothing of it is anybody's; afterwards it is as it was before. One thread at a time.

    What it yields remembers, for `ours` in this context, how it is at that moment.
    """
    with _alone:
        before = _State.now()
        _State({}, {}).put()
        try:
            yield lambda: _remember(_State.now())
        finally:
            before.put()


def _remember(state: _State) -> None:
    _ours.set(state)


@contextmanager
def ours() -> Iterator[None]:
    """Within, it is what was remembered; where nothing was, nothing changes."""
    state = _ours.get()
    if state is None:
        yield
        return
    with _alone:
        before = _State.now()
        state.put()
        try:
            yield
        finally:
            before.put()
