"""A webhook: one POST when a trial fails, and one at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sweeper.core.options import option
from sweeper.core.tracked import SweepEnded, Tracked, TrialEnded
from sweeper.tracking import notifying

_HOW_LONG = "The longest that one POST may take, in seconds; the end of a sweep waits no longer for it."


@dataclass(frozen=True)
class Webhook:
    """Posts JSON to an address when a trial fails, and at the end; its `text` is what chat programs show."""

    kind: ClassVar[str] = "webhook"
    secrets: ClassVar[tuple[str, ...]] = ("url",)
    repeats: ClassVar[bool] = False

    url: str = option("The address, a secret: ${oc.env:NAME}.", pattern="^https?://", says="must begin with https://")
    timeout_s: float = option(_HOW_LONG, default=10.0, low=0.1, high=300)

    @classmethod
    def unasked(cls, config: Mapping[str, Any]) -> bool:
        """No."""
        return False

    @property
    def patience_s(self) -> float:
        """One POST, and what it takes to begin it."""
        return self.timeout_s + 1

    def started(self, sweep: Tracked) -> None:
        """Nothing is posted."""

    def trial(self, sweep: Tracked, ended: TrialEnded) -> None:
        """Post a failure. Raises OSError when nobody took it."""
        self._post(notifying.failure(sweep, ended))

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:
        """Post the end. Raises OSError when nobody took it."""
        self._post(notifying.end(sweep, ended))

    def _post(self, message: notifying.Message | None) -> None:
        if message is None:
            return
        from urllib.request import HTTPRedirectHandler, Request, build_opener  # 0.03 s, for who has a webhook

        class Refusing(HTTPRedirectHandler):
            """A POST that is redirected would go on as a GET: told nobody."""

            def redirect_request(self, *args: Any) -> None:
                """Nowhere else: the answer is an error then."""

        body = notifying.to_json(message).encode()
        request = Request(self.url, body, {"Content-Type": "application/json"})
        with build_opener(Refusing).open(request, timeout=self.timeout_s):
            pass  # anything but a 2xx was raised
