"""Who has signed in by single sign-on, and the temporary credentials that they get. Pure.

All of it follows from the secret of the engine's folder: an engine that is started again knows them still.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.engine.credentials import KeyPair
from sweeper.engine.wire.signed import hmac_of

_TEMPORARY = "ASIA"
_HALF = 8
"""Of an access key's sixteen characters so many are drawn, and as many prove that they are ours."""


@dataclass(frozen=True)
class Temporary:
    """Credentials that end."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: float
    """UTC seconds since the epoch."""


@dataclass(frozen=True)
class Claim:
    """What a session's token says: whose it is, of which access key, and until when it is good."""

    person: str
    access_key: str
    expires: float


class Sessions:
    """Of the people who may sign in, each with their permission set."""

    def __init__(self, pair: KeyPair, people: Mapping[str, str]) -> None:
        self._secret, self.people = pair.secret_key.encode(), people
        self._ended = set[str]()

    def sign_in(self, person: str) -> str:
        """A token of single sign-on, as a browser's sign-in would leave it in the cache of the AWS CLI."""
        return self._sealed({"person": person, "drawn": secrets.token_hex(8)})

    def sign_out(self, token: str) -> None:
        """It is good for nothing more; the credentials that it has given are, until they expire."""
        self._ended.add(token)

    def person(self, token: str) -> str | None:
        """Whose token of single sign-on this is; None for one that is not ours, or was signed out."""
        person = self._opened(token).get("person")
        return person if person in self.people and token not in self._ended else None

    def given(self, person: str, expires: float) -> Temporary:
        """Credentials that are good until then."""
        drawn = secrets.token_hex(_HALF // 2).upper()
        access_key = f"{_TEMPORARY}{drawn}{self._proof(drawn)}"
        token = self._sealed({"of": person, "access_key": access_key, "expires": expires})
        return Temporary(access_key, self._secret_of(access_key), token, expires)

    def secret_of(self, access_key: str) -> str | None:
        """The secret of temporary credentials of ours."""
        drawn = access_key.removeprefix(_TEMPORARY)[:_HALF]
        return self._secret_of(access_key) if access_key == f"{_TEMPORARY}{drawn}{self._proof(drawn)}" else None

    def claim(self, token: str) -> Claim | None:
        """What a session's token says; None for one that is not ours."""
        told = self._opened(token)
        return Claim(told["of"], told["access_key"], told["expires"]) if "of" in told else None

    def _secret_of(self, access_key: str) -> str:
        return hmac_of(self._secret, f"secret {access_key}")[:40]

    def _proof(self, drawn: str) -> str:
        return hmac_of(self._secret, f"access key {drawn}")[:_HALF].upper()

    def _sealed(self, told: Mapping[str, object]) -> str:
        text = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
        return f"{text}.{hmac_of(self._secret, text)}"

    def _opened(self, token: str) -> dict[str, Any]:
        """What we have sealed; empty for what somebody else has."""
        text, _, seal = token.partition(".")
        if not hmac.compare_digest(seal.encode(), hmac_of(self._secret, text).encode()):
            return {}
        told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
        return told
