"""Where machines come from: one module per backend, one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sweeper.backends.batch import Batch
from sweeper.backends.on_demand import OnDemand
from sweeper.backends.spot import Spot
from sweeper.backends.warm_pool import WarmPool
from sweeper.core.model import BackendKind, Sweep
from sweeper.core.ports import Backend

BACKENDS: Mapping[BackendKind, Callable[..., Backend]] = {
    BackendKind.WARM_POOL: WarmPool,
    BackendKind.ON_DEMAND: OnDemand,
    BackendKind.SPOT: Spot,
    BackendKind.BATCH: Batch,
}


def backend_of(sweep: Sweep) -> Backend:
    """The backend that a sweep declares, with its options."""
    return BACKENDS[sweep.backend](**sweep.backend_options)
