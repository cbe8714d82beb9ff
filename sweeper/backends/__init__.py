"""Where machines come from: one module per backend, one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sweeper.backends.on_demand import OnDemand
from sweeper.backends.warm_pool import WarmPool
from sweeper.core.model import BackendKind
from sweeper.ports import Backend

BACKENDS: Mapping[BackendKind, Callable[[], Backend]] = {
    BackendKind.WARM_POOL: WarmPool,
    BackendKind.ON_DEMAND: OnDemand,
}
