"""The log of a training job, from CloudWatch Logs: /aws/sagemaker/TrainingJobs, stream JOB/algo-N-EPOCH."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.aws.errors import mapped, readable
from sweeper.core.request import log_prefix
from sweeper.errors import ApiError, ApiErrorKind

GROUP = "/aws/sagemaker/TrainingJobs"


class Tail:
    """A job's log, read on from where it was left: each look asks only for what is new."""

    def __init__(self, logs: Any, name: str) -> None:
        self._logs, self._name = logs, name
        self._tokens: dict[str, str] = {}

    def pages(self, most: int | None = None) -> Iterator[list[tuple[int, str]]]:
        """(milliseconds since the epoch, line) of what has come since, page by page (of a megabyte at most).

        At most so many pages of each stream; none when there is no log (yet). A page is behind us once the next is
        asked for: whoever breaks off in the middle of one is given it again.
        """
        for stream in self._streams():
            for _ in itertools.count() if most is None else range(most):
                token = self._tokens.get(stream)
                page = self._page(stream, startFromHead=True, **({"nextToken": token} if token else {}))
                yield _lines(page)
                self._tokens[stream] = following = str(page["nextForwardToken"])
                if following == token:  # the service's way to say that this is the end for now
                    break

    def new(self, most: int | None = None) -> Iterator[tuple[int, str]]:
        """The lines of these pages."""
        return itertools.chain.from_iterable(self.pages(most))

    def last(self, count: int) -> list[tuple[int, str]]:
        """The last lines of each host's log, with their times; they are read from its end, whatever was read before."""
        return [line for stream in self._streams() for line in _lines(self._page(stream, limit=count))]

    def through(self, logs: Any) -> Tail:
        """The same position, asked for by another client."""
        other = Tail(logs, self._name)
        other._tokens = self._tokens
        return other

    def _page(self, stream: str, **asked: Any) -> Mapping[str, Any]:
        with mapped("GetLogEvents"):
            answer = self._logs.get_log_events(logGroupName=GROUP, logStreamName=stream, **asked)
        return readable("GetLogEvents", answer, "events")

    def _streams(self) -> list[str]:
        """One stream for each host; a host's appears with its first line."""
        try:
            with mapped("DescribeLogStreams"):
                found = self._logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=log_prefix(self._name))
        except ApiError as error:
            if error.kind is ApiErrorKind.NOT_FOUND:  # the first job of an account makes the group
                return []
            raise
        return [
            str(stream["logStreamName"]) for stream in readable("DescribeLogStreams", found, "logStreams")["logStreams"]
        ]


def _lines(page: Mapping[str, Any]) -> list[tuple[int, str]]:
    return [(int(event["timestamp"]), str(event["message"])) for event in page["events"]]
