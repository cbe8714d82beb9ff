"""What the real service leaves unknown, drawn: each seed is one of the services that the evidence allows."""

from __future__ import annotations

import random
from dataclasses import replace

from sweeper.engine.training.refusals import USUAL, Refused
from sweeper.engine.training.settings import ServiceSettings


def drawn(seed: int, rng: random.Random) -> ServiceSettings:
    """The service of this seed; `rng` is the world's, from which its faults are drawn after."""
    settings = draw_settings(rng)
    settings = draw_spot(settings, random.Random(f"spot {seed}"))
    settings = draw_batch(settings, random.Random(f"batch {seed}"))
    settings = draw_waits(settings, random.Random(f"waits {seed}"))
    return draw_answers(settings, random.Random(f"answers {seed}"))


def draw_settings(rng: random.Random) -> ServiceSettings:
    """One of the services that the evidence allows: every unknown is drawn."""
    return ServiceSettings(
        cold_start_s=rng.choice((90.0, 200.0, 400.0)),
        warm_start_s=rng.choice((5.0, 20.0)),
        stopping_s=rng.choice((0.0, 5.0, 60.0)),
        settle_gap_s=rng.choice((0.0, 2.0, 15.0, 15.0, 90.0, 150.0)),  # past 120 s nobody waits any more
        gap_shows_in_use=rng.random() < 0.2,
        cold_shows_in_use=rng.random() < 0.5,
        release_lag_s=rng.choice((0.0, 3.0, 20.0)),
        describe_lag_s=rng.choice((0.0, 0.0, 1.0, 5.0)),
        stop_retains_pool=rng.random() < 0.7,
        timeout_retains_pool=rng.random() < 0.5,
        update_from_now=rng.random() < 0.5,
        network_order_matters=rng.random() < 0.5,
        retained_shown_while_available=rng.random() < 0.3,
        list_order=rng.choice(("Ascending", "Descending")),
        pool_patch_rate=rng.choice((0.0, 0.0, 0.05)),
        warm_pool_quota={"*": 0 if rng.random() < 0.1 else 100},
    )


def draw_spot(settings: ServiceSettings, rng: random.Random) -> ServiceSettings:
    """The same service with its spot machines drawn: how often they are taken, how scarce and how cheap they are."""
    return replace(
        settings,
        spot_interruption_mean_s=rng.choice((0.0, 60.0, 600.0, 3600.0)),
        spot_wait_s=rng.choice((0.0, 30.0, 600.0)),
        spot_discount=rng.choice((0.0, 0.5, 0.7, 0.9)),
    )


def draw_batch(settings: ServiceSettings, rng: random.Random) -> ServiceSettings:
    """The same service with its AWS Batch drawn."""
    return replace(
        settings,
        batch_lag_s=rng.choice((0.0, 5.0)),
        batch_submit_rate=5,
        batch_token_kept_s=rng.choice((0.0, 600.0)),
        batch_list_lag_s=rng.choice((0.0, 5.0)),
        batch_rejects_replay=rng.random() < 0.7,
        batch_reason_space=rng.random() < 0.5,
        batch_preempts_youngest=rng.random() < 0.5,
        batch_preemption_counts=rng.random() < 0.5,
    )


def draw_waits(settings: ServiceSettings, rng: random.Random) -> ServiceSettings:
    """The same service with its capacity drawn, and how late it notices that a job runs too long."""
    return replace(
        settings,
        pending_s=rng.choice((0.0, 0.0, 120.0, 600.0)),
        max_runtime_late_s=rng.choice((0.0, 120.0, 290.0)),
    )


_SAID = (
    "ValidationException: The training job {name} cannot be updated in its present state.",
    "ResourceInUse: Resource {name} is being used.",
    "ResourceLimitExceeded: The warm pool of {name} cannot be changed.",
)
"""What may be said to an update that comes at the wrong time: only that it is refused is known."""


def draw_answers(settings: ServiceSettings, rng: random.Random) -> ServiceSettings:
    """The same service with what is seen late drawn, what is kept, and its refusals."""
    refused = (Refused.UPDATE_RUNNING, Refused.UPDATE_ABSENT, Refused.UPDATE_REUSED, Refused.UPDATE_TERMINATED)
    return replace(
        settings,
        failure_retains_pool=rng.random() < 0.7,
        early_stop_shows_terminated=rng.random() < 0.5,
        release_bills_lag=rng.random() < 0.5,
        max_keep_alive_s=rng.choice((3600, 21600)),
        metrics_lag_s=rng.choice((0.0, 0.0, 5.0, 30.0)),
        search_lag_s=rng.choice((0.0, 2.0, 20.0)),
        refusals={what.value: rng.choice((USUAL[what], *_SAID)) for what in refused},
    )


def contrary(seed: int) -> ServiceSettings:
    """A service of this seed that may do what the documents say no service does: for who asks one what it does."""
    rng = random.Random(f"contrary {seed}")
    settings = drawn(seed, random.Random(f"draw {seed}"))
    refused = {
        Refused.SPOT_KEEP_ALIVE: ("", USUAL[Refused.SPOT_KEEP_ALIVE], "ValidationException: No pools for spot."),
        Refused.UPDATE_RUNNING: ("", settings.refusals[Refused.UPDATE_RUNNING.value]),
        Refused.UPDATE_MISSING: (USUAL[Refused.UPDATE_MISSING], "ResourceNotFound: There is no {name}."),
    }
    return replace(
        settings,
        unkept_takes_pool=rng.random() < 0.7,
        unkept_ends_pool=rng.random() < 0.5,
        warm_pool_quota={"*": 100},
        refusals={**settings.refusals, **{what.value: rng.choice(texts) for what, texts in refused.items()}},
    )
