"""What is too long for a request, told before anything is created: SageMaker's limits are those of its API's model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config.check import Finding
from sweeper.core.model import Launch
from sweeper.core.request import encode_hyperparameters, text_of

MOST = {"hyperparameters": 2500, "environment": 512}
"""Characters of one value, as it is sent."""


def findings(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Every value of a resolved configuration that is too long to be sent; the value itself is not told."""
    toolkit = values["job"].get("launch") == Launch.TOOLKIT.value
    given = values["hyperparameters"] or {}
    encoded = {k: json.dumps(v) for k, v in given.items()} if toolkit else encode_hyperparameters(given)
    sent = {"hyperparameters": encoded, "environment": text_of(values["environment"] or {})}
    for section, texts in sent.items():
        for key, text in texts.items():
            if len(text) > MOST[section]:
                yield (section, key), _too_long(section, len(text))


def of_row(row: Mapping[str, Any]) -> Iterator[Finding]:
    """The same for values by dotted key that nothing else follows: what is written is what is sent."""
    for key, value in row.items():
        section, _, name = key.partition(".")
        if section == "hyperparameters" and isinstance(value, (str, list, dict)):
            length = len(value if isinstance(value, str) else json.dumps(value))
            if length > MOST[section]:
                yield (section, name), _too_long(section, length)


def _too_long(section: str, length: int) -> str:
    return f"is {length:,} characters long, SageMaker takes {MOST[section]:,}: put it into a file that the job reads"
