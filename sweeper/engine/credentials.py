"""The key pair of a state folder: who holds it may ask the engine. Cheap to import."""

from __future__ import annotations

import configparser
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.record.atomic import write_atomically

_FILE = "credentials"
_PLAIN = re.compile(r"[A-Za-z0-9._~+@-]+:[!-~]+")
"""A key stands in a header and in URLs, before a slash and a comma; a secret is any printable ASCII without blanks."""


@dataclass(frozen=True)
class KeyPair:
    """An access key and its secret."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> KeyPair:
        """The pair of `KEY:SECRET`. Raises ValueError, which does not repeat the text."""
        if not _PLAIN.fullmatch(text):
            raise ValueError("write KEY:SECRET, the key in letters, digits and ._~+@-, the secret without blanks")
        access_key, _, secret_key = text.partition(":")
        return cls(access_key, secret_key)


def kept(state: Path) -> KeyPair:
    """The pair of this folder, made when it has none: it outlives its engines, as the jobs do that hold it.

    Raises OSError.
    """
    if (known := _read(state)) is not None:
        return known
    made = KeyPair(f"LOCAL{secrets.token_hex(8).upper()}", secrets.token_hex(20))
    aside = state / f".{made.access_key}"
    write_atomically(aside, _text(made))
    try:
        os.link(aside, state / _FILE)  # of two at once the first one's counts
    except OSError:
        if (known := _read(state)) is not None:
            return known
        keep(state, made)
    finally:
        aside.unlink()
    return made


def keep(state: Path, pair: KeyPair) -> None:
    """Give this folder a pair. Raises OSError."""
    write_atomically(state / _FILE, _text(pair))


def _text(pair: KeyPair) -> str:
    """As AWS's shared credentials file."""
    return f"[default]\naws_access_key_id = {pair.access_key}\naws_secret_access_key = {pair.secret_key}\n"


def _read(state: Path) -> KeyPair | None:
    """None for a file that is missing or damaged."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string((state / _FILE).read_text(encoding="ascii"))
        told = parser["default"]
        return KeyPair(told["aws_access_key_id"], told["aws_secret_access_key"])
    except (OSError, ValueError, KeyError, configparser.Error):
        return None


def client_environment(url: str, region: str, pair: KeyPair) -> Mapping[str, str]:
    """The variables that point any client of AWS at an engine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": pair.access_key,
        "AWS_SECRET_ACCESS_KEY": pair.secret_key,
    }
