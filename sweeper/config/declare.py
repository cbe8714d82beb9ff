"""From a composed configuration to a `Sweep`: all that is wrong is found first, then it is frozen."""

from __future__ import annotations

from sweeper.config import (
    checks,
    exposed,
    job_files,
    lengths,
    local_engine,
    reasons,
    request_fits,
    sweep_section,
    together,
    trackers,
    varying,
)
from sweeper.config.draft import Draft
from sweeper.config.freeze import freeze
from sweeper.config.problems import refuse
from sweeper.core.model import Sweep


def declare(draft: Draft) -> Sweep:
    """The Sweep that this configuration declares. Raises UsageError with every problem, one line each."""
    checks.experiment_given(draft)
    draft.config.name = checks.name_of(draft)
    checks.keys_are_text(draft)
    builder, parts = sweep_section.read(draft)
    checks.keys_are_text(draft)
    varying.keys_may_vary(draft)
    values = checks.sections(draft)
    checks.unknown_keys(draft)
    exposed.refuse_swept(draft)
    if all(draft.holds(section) for section in ("job", "hyperparameters", "environment")):
        draft.note([*lengths.findings(values)])
    draft.note([*request_fits.needed(draft, values)])
    files = ("source_dir", "entry_script", "requirements", "inputs", "launch")
    digests = job_files.digests_of(draft, values["job"]) if all(draft.holds("job", key) for key in files) else {}
    if not draft.problems:
        varying.values_fit(draft, values["locked"])
    if draft.holds("job", "metrics"):
        together.metrics_fit(draft, values)
    if not draft.problems:
        draft.note(reasons.findings(values))
        draft.note([*request_fits.findings(draft, values)])
        request_fits.piece_fits(draft, values)
    if draft.holds("job", "metrics") and draft.holds("objective"):
        together.handover_fits(draft, values)
    together.hydra_tells(draft)
    if draft.holds("job", "arguments") and draft.holds("job", "launch") and draft.holds("hyperparameters"):
        together.arguments_fit(draft, values["job"])
    if not draft.problems:
        local_engine.fits(draft, values)
    if draft.holds("trackers"):
        trackers.secrets_are_named(draft, values)
    refuse(draft.problems)
    sweep = freeze(draft, values, parts, digests, builder)
    refuse(request_fits.whole(draft, sweep))
    return sweep
