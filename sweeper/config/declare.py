"""From a composed configuration to a `Sweep`: all that is wrong is found first, then it is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.config import checks, exposed, lengths, reasons, silent, sweep_section, trackers, varying
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
    files = ("source_dir", "entry_script", "requirements", "inputs", "launch")
    digests = _digests(draft, values["job"]) if all(draft.holds("job", key) for key in files) else {}
    if not draft.problems:
        varying.values_fit(draft, values["locked"])
    if draft.holds("job", "metrics"):
        checks.metrics_fit(draft, values)
    if not draft.problems:
        draft.note(reasons.findings(values))
        draft.note([*silent.findings(draft, values)])
    if draft.holds("job", "metrics") and draft.holds("objective"):
        checks.handover_fits(draft, values)
    checks.hydra_tells(draft)
    if draft.holds("job", "arguments") and draft.holds("job", "launch") and draft.holds("hyperparameters"):
        checks.arguments_fit(draft, values["job"])
    if not draft.problems:
        checks.images_run(draft, values)
    if draft.holds("trackers"):
        trackers.secrets_are_named(draft, values)
    refuse(draft.problems)
    return freeze(draft, values, parts, digests, builder)


def _digests(draft: Draft, job: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The content of the folders that a job reads, in place of where they lie."""
    source = checks.source_folder(draft, job)
    found = {path: checks.digest_of(draft, path, f) for path, f in checks.input_folders(draft, job).items()}
    return {("source",): checks.digest_of(draft, ("job", "source_dir"), source) if source else "", **found}
