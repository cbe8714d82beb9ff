"""What a comparison compares: every backend, on every machine, as the experiment would use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sweeper import backends
from sweeper.commands.planned import Planned
from sweeper.config import engines
from sweeper.config.instances import unknown_type
from sweeper.config.problems import dotted
from sweeper.core import costs
from sweeper.core.comparison import Candidate
from sweeper.core.machines import of_one_type
from sweeper.core.model import Sweep
from sweeper.core.options import from_section
from sweeper.core.paces import Assume, Assumed
from sweeper.core.ports import Backend
from sweeper.errors import ApiError, UsageError


def candidates(planned: Planned, given: Mapping[str, Assumed]) -> Iterator[Candidate]:
    """By machine, what is assumed of which is `given`; on each the experiment's own backend first."""
    sweep, region = planned.sweep, engines.region_of(planned.sweep.engine_options)
    for kind, assumed in given.items():
        rate = costs.rate(sweep.composed.get("prices"), of_one_type(sweep.locked, kind), region)
        odd = unknown_type(kind) if rate is None else ""
        for backend, needs in _every(sweep):
            machines = _machines(planned, kind) if backend.through else None
            yield Candidate(backend, kind, assumed, rate, (*needs, *([odd] if odd else [])), machines, region or "")


def _every(sweep: Sweep) -> Iterator[tuple[Backend, tuple[str, ...]]]:
    """The experiment's own first, then every other one, with what would have to be said for it."""
    yield sweep.backend, ()
    sections = {**sweep.composed, "pool": {**sweep.composed["pool"], "keep_alive_s": 0}}  # as their own files say
    for kind in backends.KINDS:
        if kind == sweep.backend.kind:
            continue
        backend, missing = backends.instead(kind, sections["backend"])
        refused = [] if backend.keeps_pool else backend.refused(sections)
        needs = [f"backend.{name} is missing" for name in missing]
        yield backend, (*needs, *(f"{dotted(path)} {what}" for path, what in refused))


def _machines(planned: Planned, kind: str) -> int | None:
    """For how many machines of a type the queue has room: as it is assumed, else as the queue says."""
    sweep = planned.sweep
    told = from_section(Assume, sweep.composed.get("assume") or {}).queue_machines
    queue = sweep.backend.through
    if told is not None or queue is None or not sweep.engine.on_aws:
        return told
    from sweeper.aws import queue_state
    from sweeper.aws.batch import calls

    try:
        return queue_state.room(calls(planned.connection.clients), queue, kind)
    except (ApiError, UsageError):
        return None
