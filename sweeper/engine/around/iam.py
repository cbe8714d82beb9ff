"""IAM over HTTP: policies are simulated by what the settings allow and deny, any role may exist, the rest is moto's.

A role that nobody has made exists, with the path /, unless the settings say otherwise.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

from sweeper.engine.around import single_sign_on
from sweeper.engine.wire.http import Environ, StartResponse
from sweeper.engine.wire.permissions import Permissions
from sweeper.engine.wire.policies import Asked, Value

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
Form = Mapping[str, list[str]]
"""A call of the query protocol."""


class Iam:
    """moto cannot simulate policies, and knows only roles that were created."""

    def __init__(self, permissions: Permissions, moto: Callable[[Environ, StartResponse], Iterable[bytes]]) -> None:
        self._permissions, self._account, self._moto = permissions, permissions.settings.account, moto

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        body = environ["wsgi.input"]
        asked = parse_qs(body.read().decode("utf-8", "replace"))
        operation = asked.get("Action", [""])[0]
        action, on = f"iam:{operation}", self._resource(asked)
        if not self._permissions.allows(action, on):
            return _denied(start, self._permissions.refused(action, on).message)
        if operation == "SimulatePrincipalPolicy":
            return self._simulation(start, asked)
        name = asked.get("RoleName", [""])[0]
        if operation == "GetRole" and self._permissions.settings.any_role and self._made(name) is None:
            return _any_role(start, name, self._arn(name))
        body.seek(0)
        return self._moto(environ, start)

    @property
    def _prefix(self) -> str:
        return f"arn:{self._permissions.settings.partition}:iam::{self._account}"

    def _resource(self, asked: Form) -> str:
        """What a call is about: whose policies are simulated, or a role."""
        role = asked.get("RoleName", [""])[0]
        return asked.get("PolicySourceArn", [self._arn(role) if role else "*"])[0]

    def _arn(self, name: str) -> str:
        """The ARN of the role of this name, with its path; that of one that nobody has made is told by its name."""
        return self._made(name) or f"{self._prefix}:role{_path(name)}{name}"

    def _is_there(self, arn: str) -> bool:
        """Does a role's ARN name a role? Who is no role is not looked for."""
        role, name = ":role/" in arn, arn.rpartition("/")[2]
        known = self._permissions.settings.any_role or self._made(name) is not None
        return not role or (known and self._arn(name) == arn)

    def _simulation(self, start: StartResponse, asked: Form) -> Iterable[bytes]:
        source = asked.get("PolicySourceArn", [""])[0]
        if not self._is_there(source):
            return _error(start, "404 Not Found", "NoSuchEntity", f"{source} does not exist.")
        actions, resources = _members(asked, "ActionNames"), _members(asked, "ResourceArns") or ["*"]
        context = tuple(_context(asked))
        told = (self._result(Asked(action, on, context)) for action in actions for on in resources)
        results = "".join(f"<member>{one}</member>" for one in told)
        inner = f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
        return _answer(start, "SimulatePrincipalPolicy", inner)

    def _result(self, asked: Asked) -> str:
        decision = self._permissions.decides(asked).value
        keys = "".join(f"<member>{key}</member>" for key in self._permissions.depends_on(asked))
        return (
            f"<EvalActionName>{escape(asked.action)}</EvalActionName>"
            f"<EvalResourceName>{escape(asked.resource)}</EvalResourceName>"
            f"<EvalDecision>{decision}</EvalDecision><MatchedStatements/>"
            f"<MissingContextValues>{keys}</MissingContextValues>"
        )

    def _made(self, name: str) -> str | None:
        """The ARN of a role that somebody has made."""
        models = sys.modules.get("moto.iam.models")  # before anybody has asked moto there are none
        if models is None:
            return None
        roles = models.iam_backends[self._account][self._permissions.settings.partition].roles.values()
        return next((str(role.arn) for role in roles if role.name == name), None)


def _members(asked: Form, name: str) -> list[str]:
    """The texts of a list, as the query protocol writes one."""
    return [values[0] for key, values in asked.items() if key.startswith(f"{name}.member.")]


def _context(asked: Form) -> Iterator[tuple[str, Value]]:
    """The condition keys that the caller wants simulated, with the first value of each."""
    for name, values in asked.items():
        if name.endswith(".ContextKeyName"):
            yield values[0], asked.get(f"{name.removesuffix('Name')}Values.member.1", [""])[0]


def _path(name: str) -> str:
    """Of a role that nobody has made: those of permission sets have theirs."""
    return single_sign_on.PATH if name.startswith(single_sign_on.RESERVED) else "/"


def _any_role(start: StartResponse, name: str, arn: str) -> Iterable[bytes]:
    """A role that nobody created: SageMaker may assume it."""
    principal = {"Service": "sagemaker.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    policy = quote(json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    return _answer(
        start,
        "GetRole",
        f"<Role><Path>{_path(name)}</Path><RoleName>{escape(name)}</RoleName><RoleId>AROALOCALENGINELOCAL1</RoleId>"
        f"<Arn>{escape(arn)}</Arn><CreateDate>2024-01-01T00:00:00Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument></Role>",
    )


def _answer(start: StartResponse, operation: str, result: str) -> Iterable[bytes]:
    inner = f"<{operation}Result>{result}</{operation}Result>"
    metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    return _xml(start, "200 OK", f'<{operation}Response xmlns="{_NAMESPACE}">{inner}{metadata}</{operation}Response>')


def _denied(start: StartResponse, message: str) -> Iterable[bytes]:
    return _error(start, "403 Forbidden", "AccessDenied", message)


def _error(start: StartResponse, status: str, code: str, message: str) -> Iterable[bytes]:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    request = f"<RequestId>{uuid.uuid4()}</RequestId>"
    return _xml(start, status, f'<ErrorResponse xmlns="{_NAMESPACE}">{error}{request}</ErrorResponse>')


def _xml(start: StartResponse, status: str, text: str) -> Iterable[bytes]:
    data = text.encode()
    start(status, [("Content-Type", "text/xml"), ("Content-Length", str(len(data)))])
    return [data]
