"""A configuration that nothing is wrong with becomes a `Sweep`: what its trials are, and what each runs with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.config import doubts, exposed, trackers, varying
from sweeper.config.draft import FREE, Draft
from sweeper.config.forms import Builder
from sweeper.config.resolve import Resolve
from sweeper.config.sweep_fields import fields_of
from sweeper.config.trials import adding, proposed_of, space_of, teachers_of
from sweeper.config.values import identity_leaves, plain, prev_keys, read
from sweeper.config.varying import Compositions
from sweeper.core.identity import Leaves
from sweeper.core.model import Sweep
from sweeper.core.request import digest
from sweeper.core.space.blocks import Part
from sweeper.tracking import secrets_of

AS_WRITTEN = ("sweep", "trackers")
"""The sections that are remembered as they are written: what varies, and secrets, which are only named there."""
Digests = Mapping[tuple[str, ...], str]
"""The content of the folders that a job reads, by the place that names them."""


def freeze(
    draft: Draft,
    values: Mapping[str, Any],
    parts: Sequence[Part],
    digests: Digests,
    builder: Builder,
) -> Sweep:
    """The Sweep of a draft that nothing is wrong with so far. Raises UsageError for what only its trials show."""
    compositions = Compositions(draft)
    varying.groups_keep_the_rest(draft, compositions)
    keys = (key for axis in draft.axes for key in axis.block.keys)
    swept = tuple(dict.fromkeys(key for key in keys if key not in compositions.groups))

    def leaves(chosen: Mapping[str, Any]) -> Leaves:
        return identity_leaves(compositions.of(chosen), values["locked"], digests, swept)

    space, resolve = space_of(draft, parts, compositions.groups, leaves), Resolve(compositions)
    trials, search = proposed_of(draft, values, builder, leaves({})) if builder.proposer else (None, None)

    told, prev = trackers.declared(draft, values), _prev(draft)

    return Sweep(
        **fields_of(values),
        seed="" if prev else builder.seed,  # rounds that go on from each other are no repeats
        trackers=told,
        digest=digest([plain(draft.config), digests["source",]]),
        source_digest=digests["source",],
        trials=trials or space,
        search=search,
        teachers=teachers_of(draft, values, builder),
        resolve=resolve,
        make=adding(leaves({})),
        composed={s: draft.sections[s] if s in AS_WRITTEN else read(draft.config, s)[0] for s in draft.sections},
        project=str(draft.root),
        prev=prev,
        secrets=(*exposed.texts(draft, values), *secrets_of(told)),
        warnings=(*doubts.doubts(draft, values, space, resolve), *doubts.one_by_one(values, prev)),
        given_by=draft.given_by,
    )


def _prev(draft: Draft) -> tuple[str, ...]:
    """The keys of every `${prev:...}`, swept values included."""
    return tuple(dict.fromkeys(key for path, value in draft.written() if path[0] in FREE for key in prev_keys(value)))
