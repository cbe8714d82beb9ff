"""The `trackers` section: a secret of a tracker is named in it, never written, and so nothing stored holds one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.config.draft import Draft
from sweeper.config.problems import dotted, refuse
from sweeper.config.values import plain, read, say
from sweeper.core.tracked import Tracker
from sweeper.errors import UsageError
from sweeper.tracking import made, missing, secret_keys

_NAMED = re.compile(r"\$\{oc\.env:\s*\w+\s*\}")
"""A variable without a default, which would be written."""
_NAME_IT = "is a secret: write ${oc.env:NAME} and set that variable, so that no file and no command line holds it"


def secrets_are_named(draft: Draft, values: Mapping[str, Any]) -> None:
    """Each secret stands in a variable, and is named by it."""
    for name, option in secret_keys(values["trackers"] or {}):
        written = _written(draft, name, option)
        if written is not None and not _NAMED.search(str(written)):
            draft.wrong(("trackers", name, option), _NAME_IT)


def declared(draft: Draft, values: Mapping[str, Any]) -> tuple[Tracker, ...]:
    """The trackers of a configuration. Raises UsageError."""
    for name, options in (values["trackers"] or {}).items():
        if options is not None and (install := missing(name)):
            draft.wrong(("trackers", name), f"needs a package that is not installed: pip install {install!r}")
    refuse(draft.problems)
    try:
        return made({**values, "sweep": plain(draft.config.sweep)})
    except UsageError as error:
        draft.wrong(("trackers",), str(error))
        refuse(draft.problems)
        raise


def remembered(config: Mapping[str, Any]) -> tuple[Tracker, ...]:
    """The trackers of a stored configuration, which names their secrets: those are read anew. Raises UsageError."""
    if not config.get("trackers"):
        return made(config)
    try:
        known = OmegaConf.create({section: value for section, value in config.items() if section != "sweep"})
    except OmegaConfBaseException as error:
        raise UsageError(f"trackers: {say(error)}") from None
    section, wrong = read(known, "trackers")
    if wrong:
        raise UsageError("; ".join(f"{dotted(path)}: {what}" for path, what in wrong))
    return made({**config, "trackers": section})


def _written(draft: Draft, name: str, option: str) -> Any:
    """The option as it is written; where a whole section is an interpolation, that."""
    node: Any = draft.sections["trackers"]
    for part in (name, option):
        node = node.get(part) if isinstance(node, Mapping) else node
    return node
