"""Manifests: the objects of S3 that a channel names one by one, and what an augmented one says of each. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sweeper.engine.around.s3 import parse_uri

REFERENCE = "-ref"
"""How the name of an attribute ends whose value is the URI of an object."""


class Found(NamedTuple):
    """An object of S3, and its path in the channel's folder."""

    bucket: str
    key: str
    relative: str

    @property
    def uri(self) -> str:
        """Its URI."""
        return f"s3://{self.bucket}/{self.key}"


def named(text: bytes) -> list[Found]:
    """The objects of a manifest: `[{"prefix": "s3://..."}, "relative", ...]`. Raises ValueError."""
    try:
        head, *names = json.loads(text)
        bucket, base = parse_uri(head["prefix"])
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError('it has to be a list that begins with {"prefix": "s3://..."}') from error
    return [Found(bucket, base + str(name), str(name)) for name in names]


def records(text: bytes, names: Sequence[str]) -> Iterator[list[Found | str]]:
    """Each line of an augmented manifest as what is sent of it, by the names of its attributes. Raises ValueError."""
    if not names:
        raise ValueError("AttributeNames has to say which attributes are sent")
    for number, line in enumerate(text.decode("utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            yield [_sent(name, said[name]) for name in names]
        except KeyError as error:
            raise ValueError(f"line {number} has no attribute {error}") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"line {number}: {error}") from error


def _sent(name: str, value: Any) -> Found | str:
    if not name.endswith(REFERENCE):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not str(value).startswith("s3://"):
        raise ValueError(f"{name} is {value!r}, which is no s3:// URI")
    return Found(*parse_uri(value), "")
