"""The portal of single sign-on: whoever has signed in gets temporary credentials for their permission set."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire import refusals
from sweeper.engine.wire.answers import refusal, reply
from sweeper.engine.wire.http import Environ, StartResponse
from sweeper.engine.wire.sessions import Sessions
from sweeper.engine.wire.signed import SIGNED_IN, Signed

PATH = "/aws-reserved/sso.amazonaws.com/"
"""Of every role that a permission set makes in an account."""
RESERVED = "AWSReservedSSO_"
"""What the names of these roles begin with."""


class SingleSignOn:
    """Answers for the portal, and tells who a person is to the rest of the account."""

    SERVICE = SIGNED_IN

    def __init__(self, sessions: Sessions, settings: ServiceSettings) -> None:
        self._sessions, self._settings = sessions, settings

    def answer(self, environ: Environ, start: StartResponse, signed: Signed) -> Iterable[bytes]:
        """One request of somebody who has signed in."""
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if asked == ("GET", "/federation/credentials"):
            told = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
            return self._credentials(start, signed.person, told.get("account_id", ""), told.get("role_name", ""))
        if asked == ("POST", "/logout"):
            self._sessions.sign_out(signed.token)
            return reply(start, {})
        return refusals.not_emulated(environ, start, " ".join(asked), self.SERVICE)

    def _credentials(self, start: StartResponse, person: str, account: str, name: str) -> Iterable[bytes]:
        if (account, name) != (self._settings.account, self._sessions.people[person]):
            return refusal(start, ServiceError("ForbiddenException", "No access", 403))
        given = self._sessions.given(person, time.time() + self._settings.sso_session_s)
        told = {
            "accessKeyId": given.access_key,
            "secretAccessKey": given.secret_key,
            "sessionToken": given.token,
            "expiration": int(given.expires * 1000),
        }
        return reply(start, {"roleCredentials": told})

    def arn(self, signed: Signed) -> str:
        """Whose session has signed a request; empty where it was no session."""
        if not signed.person:
            return signed.arn
        account = self._settings.account
        role = role_of(account, self._sessions.people[signed.person])
        return f"arn:{self._settings.partition}:sts::{account}:assumed-role/{role}/{signed.person}"

    def identity(self, start: StartResponse, arn: str) -> Iterable[bytes]:
        """GetCallerIdentity, asked by this session."""
        account, session = arn.split(":")[4], arn.rpartition("/")[2]
        told = f"<Arn>{escape(arn)}</Arn><UserId>AROALOCALENGINELOCAL1:{escape(session)}</UserId>"
        result = f"<GetCallerIdentityResult>{told}<Account>{account}</Account></GetCallerIdentityResult>"
        metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        name = "GetCallerIdentityResponse"
        text = f'<{name} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{result}{metadata}</{name}>'.encode()
        start("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(text)))])
        return [text]


def role_of(account: str, permission_set: str) -> str:
    """The name of the role that a permission set has in an account."""
    drawn = hashlib.sha256(f"{account} {permission_set}".encode()).hexdigest()[:16]
    return f"{RESERVED}{permission_set}_{drawn}"
