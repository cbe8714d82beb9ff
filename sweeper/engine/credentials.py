"""The key pair of a state folder: who holds it may ask the engine. Cheap to import."""

from __future__ import annotations

import configparser
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.whole import write_atomically

_FILE = "credentials"
_PLAIN = re.compile(r"[!-9;-~]+")
"""Printable ASCII without blanks; the colon parts the two."""


@dataclass(frozen=True)
class KeyPair:
    """An access key and its secret."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> KeyPair:
        """The pair of `KEY:SECRET`. Raises ValueError, which does not repeat the text."""
        access_key, _, secret_key = text.partition(":")
        if not (_PLAIN.fullmatch(access_key) and _PLAIN.fullmatch(secret_key)):
            raise ValueError("credentials are KEY:SECRET, both of printable characters without blanks and colons")
        return cls(access_key, secret_key)


def kept(state: Path) -> KeyPair:
    """The pair of this folder, made when it has none: it outlives its engines, as the jobs do that hold it."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string((state / _FILE).read_text(encoding="ascii"))
        told = parser["default"]
        return KeyPair(told["aws_access_key_id"], told["aws_secret_access_key"])
    except (OSError, ValueError, KeyError, configparser.Error):
        made = KeyPair(f"LOCAL{secrets.token_hex(8).upper()}", secrets.token_hex(20))
        keep(state, made)
        return made


def keep(state: Path, pair: KeyPair) -> None:
    """Give this folder a pair, in the form of AWS's shared credentials file. Raises OSError."""
    text = f"[default]\naws_access_key_id = {pair.access_key}\naws_secret_access_key = {pair.secret_key}\n"
    write_atomically(state / _FILE, text)


def client_environment(url: str, region: str, pair: KeyPair) -> Mapping[str, str]:
    """The variables that point any client of AWS at an engine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": pair.access_key,
        "AWS_SECRET_ACCESS_KEY": pair.secret_key,
    }
