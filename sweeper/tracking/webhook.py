"""A webhook: one POST when a trial fails, and one at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sweeper.core.options import option
from sweeper.core.tracked import Tracked
from sweeper.tracking import notifying

_HOW_LONG = "The longest that one POST may take, in seconds; the end of a sweep waits no longer for it."


@dataclass(frozen=True)
class Webhook(notifying.Notifier):
    """Posts JSON to an address when a trial fails, and at the end; its `text` is what chat programs show."""

    kind: ClassVar[str] = "webhook"
    secrets: ClassVar[tuple[str, ...]] = ("url",)

    url: str = option("The address, a secret: ${oc.env:NAME}.", pattern="^https?://", says="must begin with https://")
    timeout_s: float = option(_HOW_LONG, default=10.0, low=0.1, high=300)

    def send(self, sweep: Tracked, message: notifying.Message) -> None:
        """Post it. Raises OSError when nobody took it."""
        from urllib.request import HTTPRedirectHandler, Request, build_opener  # 0.03 s, for who has a webhook

        class Refusing(HTTPRedirectHandler):
            """A POST that is redirected would go on as a GET: told nobody."""

            def redirect_request(self, *args: Any) -> None:
                """Nowhere else: the answer is an error then."""

        body = notifying.to_json(message).encode()
        request = Request(self.url, body, {"Content-Type": "application/json"})
        with build_opener(Refusing).open(request, timeout=self.timeout_s):
            pass  # anything but a 2xx was raised
