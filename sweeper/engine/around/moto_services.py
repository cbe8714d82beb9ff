"""The services that moto answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from moto.backends import SERVICE_NAMES
from moto.moto_server.werkzeug_app import create_backend_app

from sweeper.engine.around.logs import GROUP
from sweeper.engine.wire import refusals
from sweeper.engine.wire.http import Environ, StartResponse

Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class Moto:
    """The services that are moto's, each by the name that a request is signed for; of its others nothing is reached."""

    ANSWERS: Mapping[str, SERVICE_NAMES] = {
        "ecr": "ecr",
        "iam": "iam",
        "logs": "logs",
        "monitoring": "cloudwatch",
        "s3": "s3",
        "servicequotas": "service-quotas",
        "sts": "sts",
    }

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Wsgi] = {}

    @staticmethod
    def publish_log_group(account: str, region: str) -> None:
        """Have moto, which lists the groups of CloudWatch Logs, know the one of the jobs."""
        from moto.logs.models import logs_backends  # a second that most sessions never need

        groups = logs_backends[account][region]
        if GROUP not in groups.groups:
            groups.create_log_group(GROUP, {})

    def app(self, service: str) -> Wsgi:
        """What answers for a service; made when it is first asked, which takes a moment."""

        def answer(environ: Environ, start: StartResponse) -> Iterable[bytes]:
            with self._lock:
                if service not in self._made:
                    self._made[service] = create_backend_app(self.ANSWERS[service])
            try:
                return list(self._made[service](environ, start))
            except NotImplementedError:  # an operation that moto has not; a 500 would be tried again and again
                return refusals.not_emulated(environ, start, f"this operation of {service}", service)

        return answer
