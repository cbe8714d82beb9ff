"""IAM over HTTP: policies are simulated by what the settings deny, any role exists, and the rest is moto's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

from sweeper.engine.wire.http import Environ, StartResponse
from sweeper.engine.wire.permissions import KEEP_ALIVE, Permissions

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
Asked = Mapping[str, list[str]]


class Iam:
    """moto cannot simulate policies, and knows only roles that were created."""

    def __init__(
        self, permissions: Permissions, account: str, moto: Callable[[Environ, StartResponse], Iterable[bytes]]
    ) -> None:
        self._permissions, self._account, self._moto = permissions, account, moto

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        body = environ["wsgi.input"]
        asked = parse_qs(body.read().decode("utf-8", "replace"))
        operation = asked.get("Action", [""])[0]
        if not self._permissions.allows(f"iam:{operation}"):
            return _denied(start, self._permissions.refused(f"iam:{operation}").message)
        if operation == "SimulatePrincipalPolicy":
            return self._simulation(start, asked)
        if operation == "GetRole" and not self._has_role(name := asked.get("RoleName", [""])[0]):
            return _any_role(start, name, self._account)
        body.seek(0)
        return self._moto(environ, start)

    def _simulation(self, start: StartResponse, asked: Asked) -> Iterable[bytes]:
        keep_alive = _keep_alive(asked)
        actions = [values[0] for name, values in asked.items() if name.startswith("ActionNames.member")]
        results = "".join(f"<member>{self._result(action, keep_alive)}</member>" for action in actions)
        inner = f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
        return _answer(start, "SimulatePrincipalPolicy", inner)

    def _result(self, action: str, keep_alive_s: float | None) -> str:
        decision = "allowed" if self._permissions.allows(action, keep_alive_s) else "explicitDeny"
        missing = self._permissions.depends_on(action) if keep_alive_s is None else ()
        keys = "".join(f"<member>{key}</member>" for key in missing)
        return (
            f"<EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>*</EvalResourceName>"
            f"<EvalDecision>{decision}</EvalDecision><MatchedStatements/>"
            f"<MissingContextValues>{keys}</MissingContextValues>"
        )

    def _has_role(self, name: str) -> bool:
        from moto.iam.models import iam_backends  # a second that most sessions never need

        return any(role.name == name for role in iam_backends[self._account]["aws"].roles.values())


def _keep_alive(asked: Asked) -> float | None:
    """The keep-alive that the caller wants simulated."""
    for name, values in asked.items():
        if name.endswith(".ContextKeyName") and values == [KEEP_ALIVE]:
            given = asked.get(f"{name.removesuffix('Name')}Values.member.1", [""])[0]
            return float(given) if given.isdecimal() else None
    return None


def _any_role(start: StartResponse, name: str, account: str) -> Iterable[bytes]:
    """A role that nobody created: SageMaker may assume it."""
    principal = {"Service": "sagemaker.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    policy = quote(json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    name = escape(name)
    return _answer(
        start,
        "GetRole",
        f"<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROALOCALENGINELOCAL1</RoleId>"
        f"<Arn>arn:aws:iam::{account}:role/{name}</Arn><CreateDate>2024-01-01T00:00:00Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument></Role>",
    )


def _answer(start: StartResponse, operation: str, result: str) -> Iterable[bytes]:
    inner = f"<{operation}Result>{result}</{operation}Result>"
    metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    return _xml(start, "200 OK", f'<{operation}Response xmlns="{_NAMESPACE}">{inner}{metadata}</{operation}Response>')


def _denied(start: StartResponse, message: str) -> Iterable[bytes]:
    error = f"<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{escape(message)}</Message></Error>"
    request = f"<RequestId>{uuid.uuid4()}</RequestId>"
    return _xml(start, "403 Forbidden", f'<ErrorResponse xmlns="{_NAMESPACE}">{error}{request}</ErrorResponse>')


def _xml(start: StartResponse, status: str, text: str) -> Iterable[bytes]:
    data = text.encode()
    start(status, [("Content-Type", "text/xml"), ("Content-Length", str(len(data)))])
    return [data]
