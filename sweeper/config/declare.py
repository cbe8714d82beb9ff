"""From a composed configuration to a `Sweep`: all that is wrong is found first, then it is frozen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweeper import backends
from sweeper.config import checks, doubts, engines, exposed, lengths, reasons, silent, varying
from sweeper.config.axes import CommandLine
from sweeper.config.check import findings
from sweeper.config.draft import FREE, MOST_ROWS, Draft
from sweeper.config.forms import Builder
from sweeper.config.problems import refuse
from sweeper.config.resolve import Resolve
from sweeper.config.schema import SECTIONS
from sweeper.config.values import identity_leaves, plain, prev_keys, read
from sweeper.config.varying import Compositions
from sweeper.core import costs, prune, stop
from sweeper.core.identity import Base, Leaves, flatten, text_of
from sweeper.core.job import Job
from sweeper.core.model import EngineKind, PoolSettings, Sweep, Trial
from sweeper.core.options import from_section
from sweeper.core.request import digest
from sweeper.core.search_optuna import OptunaSearch, OptunaTrials, study
from sweeper.core.space.blocks import Part
from sweeper.core.space.names import shorten, show
from sweeper.core.space.product import Bases, RuleFailedError, leaves_out
from sweeper.core.space.trials import Space
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from sweeper.core.chain import Chain
    from sweeper.core.ports import Search


MOST_TRIALS = 10**12
MOST_TRIED = 2_000_000
"""How often a rule is worked out before anything is told: some seconds."""


def declare(draft: Draft) -> Sweep:
    """The Sweep that this configuration declares. Raises UsageError with every problem, one line each."""
    checks.experiment_given(draft)
    draft.config.name = checks.name_of(draft)
    checks.keys_are_text(draft)
    section = plain(draft.config.get("sweep")) or {}
    draft.note(findings(section, SECTIONS["sweep"], ("sweep",)))
    builder = Builder(CommandLine.of(draft.line), lambda: draft.origin, dict(flatten(draft.sections)))
    parts = builder.build(section) if draft.holds("sweep") else []
    draft.axes = builder.axes
    draft.problems += builder.problems
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
    refuse(draft.problems)
    return _freeze(draft, values, parts, digests, builder)


def _digests(draft: Draft, job: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The content of the folders that a job reads, in place of where they lie."""
    source = checks.source_folder(draft, job)
    found = {path: checks.digest_of(draft, path, f) for path, f in checks.input_folders(draft, job).items()}
    return {("source",): checks.digest_of(draft, ("job", "source_dir"), source) if source else "", **found}


def _freeze(
    draft: Draft,
    values: Mapping[str, Any],
    parts: Sequence[Part],
    digests: Mapping[tuple[str, ...], str],
    builder: Builder,
) -> Sweep:
    compositions = Compositions(draft)
    varying.groups_keep_the_rest(draft, compositions)
    keys = (key for axis in draft.axes for key in axis.block.keys)
    swept = tuple(dict.fromkeys(key for key in keys if key not in compositions.groups))

    def leaves(chosen: Mapping[str, Any]) -> Leaves:
        return identity_leaves(compositions.of(chosen), values["locked"], digests, swept)

    space, resolve = _space(draft, parts, compositions.groups, leaves), Resolve(compositions)
    trials, search = _optuna(draft, values, builder, leaves({})) if builder.optuna else (None, None)

    def make(added: Mapping[str, Any], index: int) -> Trial:
        if wrong := next((key for key in added if key.split(".")[0] not in reasons.MAY_CHANGE or "." not in key), ""):
            raise UsageError(f"{wrong}: only keys of {', '.join(reasons.MAY_CHANGE)} can be added")
        keys = tuple(added)
        base, short = Base(leaves({}), keys), shorten(keys)
        name = ",".join(f"{short[key]}={show(value)}" for key, value in added.items())
        return Trial(index, text_of(base.rest + base.weigh(keys, added)), name, dict(added))

    return Sweep(
        **of_values(values),
        digest=digest([plain(draft.config), digests["source",]]),
        source_digest=digests["source",],
        trials=trials or space,
        search=search,
        resolve=resolve,
        make=make,
        composed={s: plain(draft.config.sweep) if s == "sweep" else read(draft.config, s)[0] for s in draft.sections},
        project=str(draft.root),
        prev=_prev(draft),
        secrets=exposed.texts(draft, values),
        warnings=tuple(doubts.doubts(draft, values, space, resolve)),
    )


def of_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a Sweep has from its resolved configuration alone, by field; a stored configuration gives the same."""
    engine = values["engine"]
    return {
        "name": values["name"],
        "locked": values["locked"],
        "locked_digest": digest(values["locked"]),
        "engine": EngineKind(engine["kind"]),
        "backend": backends.made(values["backend"]),
        "engine_options": engine,
        "waits": from_section(engines.KINDS[EngineKind(engine["kind"])].waits, engine),
        "owner": values["owner"],
        "metrics": from_section(Job, values["job"]).metrics,
        "objective": checks.objective_of(values),
        "stop": stop.rules(values["stop"]),
        "on_until": values["stop"]["on_until"],
        "prune": prune.pruning(values["prune"]),
        "rate": costs.rate(values["prices"], values["locked"], EngineKind(engine["kind"])),
        "max_runtime_s": values["job"]["max_runtime_s"],
        "pool": from_section(PoolSettings, values["pool"]),
        "on_failure": {k: v for k, v in values["on_failure"].items() if v is not None},
    }


def _space(draft: Draft, parts: Sequence[Part], groups: frozenset[str], leaves: Bases) -> Space:
    declared = [math.prod(len(block.rows) for block in part.blocks) for part in parts]
    tried = sum(number * len(part.rules) for number, part in zip(declared, parts, strict=True))
    if sum(declared) > MOST_TRIALS:
        draft.wrong(("sweep",), f"declares {sum(declared):.3g} trials: at most {MOST_TRIALS:.3g}")
    elif tried > MOST_TRIED:
        what = f"exclude and when are tried on every combination, {tried} times here; at most {MOST_TRIED}"
        draft.wrong(("sweep",), f"{what}: leave values out of its axes")
    refuse(draft.problems)
    try:
        return Space(parts, leaves, groups)
    except RuleFailedError as error:
        draft.wrong(error.rule.place, str(error))
        refuse(draft.problems)
        raise


def _optuna(
    draft: Draft, values: Mapping[str, Any], builder: Builder, leaves: Leaves
) -> tuple[OptunaTrials, Callable[[Chain], Search]]:
    """The trials and the search of `sweep.optuna`, which the builder has read."""
    settings = builder.optuna
    assert settings is not None
    objective = checks.objective_of(values)
    if objective is None:
        draft.wrong(("sweep", "optuna"), "needs an objective, which says what is better")
        refuse(draft.problems)
        raise AssertionError("refused")
    try:
        study(settings, objective)
    except ImportError as error:
        needed = error.name or "optuna"
        install = "sweeper[optuna]" if needed == "optuna" else needed
        draft.wrong(("sweep", "optuna"), f"needs {needed}, which is not installed: pip install {install!r}")
        refuse(draft.problems)

    def left_out(values: Mapping[str, Any]) -> bool:
        return any(leaves_out(rule, values, lambda: leaves) for rule in builder.rules)

    _try_rules(draft, left_out)
    trials = OptunaTrials(settings.count, tuple(settings.of), Base(leaves, tuple(settings.of)), left_out)

    def search(chain: Chain) -> Search:
        trials.known.clear()  # what the chain does not know was never sent
        made = OptunaSearch(settings, trials, objective)
        made.learn(chain)
        return made

    return trials, search


def _try_rules(draft: Draft, left_out: Callable[[Mapping[str, Any]], bool]) -> None:
    """Values of every kind that may be proposed: a rule that cannot be worked out is told now, not in a chain."""
    for rows in itertools.islice(itertools.product(*(axis.block.rows for axis in draft.axes)), MOST_ROWS):
        try:
            left_out({key: value for row in rows for key, value in row.items()})
        except RuleFailedError as error:
            draft.wrong(error.rule.place, str(error))
            refuse(draft.problems)


def _prev(draft: Draft) -> tuple[str, ...]:
    """The keys of every `${prev:...}`, swept values included."""
    return tuple(dict.fromkeys(key for path, value in draft.written() if path[0] in FREE for key in prev_keys(value)))
