"""Who holds a key of the engine's: whoever has the pair of its folder, who signed in, and whom IAM and STS know."""

from __future__ import annotations

import hmac
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timezone
from typing import Any

from sweeper.engine.credentials import KeyPair
from sweeper.engine.wire.sessions import Sessions
from sweeper.engine.wire.signed import Flaw, SignatureError, Signed


@dataclass(frozen=True)
class Holders:
    """Every key that may sign a request, and until when."""

    pair: KeyPair
    sessions: Sessions

    def secret_of(self, access_key: str) -> str | None:
        """What requests with this key are signed with; None for a key that is none of ours."""
        if hmac.compare_digest(access_key.encode("utf-8", "replace"), self.pair.access_key.encode()):
            return self.pair.secret_key
        if role := _assumed(access_key):
            return str(role.secret_access_key)
        return self.sessions.secret_of(access_key) or _secret_of_a_user(access_key)

    def checked(self, signed: Signed) -> Signed:
        """The request, and who has signed it. Raises SignatureError for a token that is not its key's, or too old."""
        if role := _assumed(signed.access_key):
            _check(signed, signed.token == role.session_token, role.expiration.replace(tzinfo=timezone.utc).timestamp())
            return replace(signed, arn=str(role.arn))
        if self.sessions.secret_of(signed.access_key) is not None:
            claim = self.sessions.claim(signed.token)
            _check(signed, claim and claim.access_key == signed.access_key, claim.expires if claim else 0.0)
            return replace(signed, person=claim.person if claim else "")
        return signed


def _check(signed: Signed, belongs: object, expires: float) -> None:
    if not belongs:
        raise SignatureError(Flaw.TOKEN, signed.service)
    if expires <= time.time():
        raise SignatureError(Flaw.TOKEN_EXPIRED, signed.service)


def _assumed(access_key: str) -> Any:
    """The role that this engine's STS has handed out this key of; None when it has not."""
    roles = (backend.get_assumed_role_from_access_key(access_key) for backend in _backends("sts"))
    return next((role for role in roles if role is not None), None)


def _secret_of_a_user(access_key: str) -> str | None:
    """The secret of an access key that a user of IAM was given, and that nobody has made inactive."""
    users = (user for backend in _backends("iam") for user in list(backend.users.values()))
    keys = (key for user in users for key in list(user.access_keys))
    found = (key.secret_access_key for key in keys if key.access_key_id == access_key and key.status == "Active")
    return next(found, None)


def _backends(service: str) -> Iterator[Any]:
    """moto's, of every account and partition; before anybody has asked the service there are none."""
    models = sys.modules.get(f"moto.{service}.models")
    accounts = getattr(models, f"{service}_backends", {})
    return (backend for account in list(accounts.values()) for backend in list(account.values()))
