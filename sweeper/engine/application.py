"""One WSGI application for one port: SageMaker, its logs and quotas are answered here, S3 and a few more by moto."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sweeper.engine.admin import Admin
from sweeper.engine.around.iam import Iam
from sweeper.engine.around.moto_services import Moto
from sweeper.engine.around.s3 import ObjectStore
from sweeper.engine.around.s3_requests import S3
from sweeper.engine.around.single_sign_on import SingleSignOn
from sweeper.engine.control import Control
from sweeper.engine.wire import access, batch, refusals, sagemaker
from sweeper.engine.wire.answers import answer, for_this_client_alone, json_call, refusal, reply
from sweeper.engine.wire.gate import BrowserError, Gate
from sweeper.engine.wire.http import Environ, StartResponse
from sweeper.engine.wire.signed import SignatureError, Signed

_REGIONAL = frozenset({"sagemaker", "batch", "logs", "monitoring", "servicequotas", "ecr"})
"""The services whose jobs, metrics, logs, quotas and images are those of the engine's own Region."""


class Part(Protocol):
    """Answers some requests of a service whose others are moto's."""

    def knows(self, operation: str, params: Mapping[str, Any]) -> bool:
        """Is this ours to answer?"""

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request, or raise ServiceError."""


Parts = Mapping[tuple[str, str], Part]
"""By the service that a request is signed for and the target that it names."""


@dataclass(frozen=True)
class Doors:
    """Who comes in, and what is answered before anything of the account is asked."""

    gate: Gate
    people: SingleSignOn
    admin: Admin


class Application:
    """Dispatches one request; knows nothing of processes and of time but when it was last asked."""

    def __init__(self, doors: Doors, control: Control, objects: ObjectStore, parts: Parts) -> None:
        self._doors, self._control, self._parts = doors, control, parts
        self._moto = Moto()
        self._iam = Iam(control.permissions, self._moto.app("iam"))
        self._s3 = S3(control.permissions, objects, self._moto.app("s3"))
        self.asked_at = time.monotonic()

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        start = for_this_client_alone(start)
        try:
            signed = self._doors.gate.admitted(environ)
        except BrowserError:
            return reply(start, {"message": "this engine serves programs on this machine only"}, status=403)
        except SignatureError as error:
            return refusals.unsigned(environ, start, error.flaw, error.service)
        self.asked_at = time.monotonic()
        region = self._control.permissions.settings.region
        if signed.service in _REGIONAL and signed.region != region:
            return refusals.of_another_region(environ, start, signed, region)
        if signed.service == SingleSignOn.SERVICE:
            return self._doors.people.answer(environ, start, signed)
        if signed.service == "sts":
            return self._sts(environ, start, signed)
        return self._answer(signed.service, environ, start)

    def _answer(self, service: str, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        target, dot, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service == Admin.SERVICE:
            return self._doors.admin.answer(environ, start)
        if service == "sagemaker" and target + dot == sagemaker.TARGET:
            return json_call(environ, start, lambda params: sagemaker.answer(self._control, operation, params))
        if service == batch.SERVICE:
            return self._batch(environ, start)
        if service == "iam":
            return self._iam(environ, start)
        if part := self._parts.get((service, target + dot)):
            return self._part_or_moto(part, service, operation, environ, start)
        if service == "monitoring":
            self._control.metrics.publish()
        if service == "s3":
            return self._s3(environ, start)
        if service in Moto.ANSWERS:
            return self._moto.app(service)(environ, start)
        path = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'][:100]}"
        what = f"{path} of {service}" if service == "sagemaker" else service
        return refusals.not_emulated(environ, start, what, service)

    def _sts(self, environ: Environ, start: StartResponse, signed: Signed) -> Iterable[bytes]:
        needed = list(access.of_sts(environ))
        if refused := access.refused(self._control.permissions, iter(needed)):
            return refusals.denied(environ, start, signed.service, refused.message)
        if needed[0][0] == "sts:GetCallerIdentity" and (arn := self._doors.people.arn(signed)):
            return self._doors.people.identity(start, arn)
        return self._moto.app("sts")(environ, start)

    def _batch(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        return json_call(environ, start, lambda body: batch.answer(self._control, method, path, query, body))

    def _part_or_moto(
        self, part: Part, service: str, operation: str, environ: Environ, start: StartResponse
    ) -> Iterable[bytes]:
        body, permissions = environ["wsgi.input"], self._control.permissions
        try:
            params = json.loads(body.read())
        except (ValueError, RecursionError):
            params = None
        if refused := access.refused(permissions, access.of_part(permissions, service, operation, params)):
            return refusal(start, refused)
        if operation == "DescribeLogGroups":
            self._publish_log_group()
        if isinstance(params, dict) and part.knows(operation, params):
            return answer(start, lambda: part.call(operation, params))
        body.seek(0)
        return self._moto.app(service)(environ, start)

    def _publish_log_group(self) -> None:
        """moto lists the log groups: it is given the one of the jobs, once one of them has a log."""
        if self._control.overview.logged_jobs():
            settings = self._control.permissions.settings
            self._moto.publish_log_group(settings.account, settings.region)
