"""The log of a training job, from CloudWatch Logs: /aws/sagemaker/TrainingJobs, stream JOB/algo-N-EPOCH."""

from __future__ import annotations

import heapq
import itertools
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.aws.errors import mapped, readable
from sweeper.core.measured import Line
from sweeper.core.request import log_prefix
from sweeper.errors import ApiError, ApiErrorKind

_HOST = re.compile(r"/algo-(\d+)")
GROUP = "/aws/sagemaker/TrainingJobs"


class Tail:
    """A job's log, read on from where it was left: each look asks only for what is new."""

    def __init__(self, logs: Any, name: str) -> None:
        self._logs, self._name = logs, name
        self._tokens: dict[str, str] = {}

    def pages(self, most: int | None = None) -> Iterator[list[Line]]:
        """What has come since, page by page (of a megabyte of each host's log at most), in the order of time.

        At most so many pages; none when there is no log (yet). A page is behind us once the next is asked for: whoever
        breaks off in the middle of one is given it again.
        """
        going = self._streams()
        for _ in itertools.count() if most is None else range(most):
            if not going:
                return
            tokens = {stream: self._tokens.get(stream) for stream in going}
            found = {
                stream: self._page(stream, startFromHead=True, **({"nextToken": token} if token else {}))
                for stream, token in tokens.items()
            }
            yield _in_order(found)
            following = {stream: str(page["nextForwardToken"]) for stream, page in found.items()}
            self._tokens |= following
            # the same token is the service's way to say that this is the end for now
            going = [stream for stream in going if following[stream] != tokens[stream]]

    def new(self, most: int | None = None) -> Iterator[Line]:
        """The lines of these pages."""
        return itertools.chain.from_iterable(self.pages(most))

    def last(self, count: int) -> list[Line]:
        """The last lines of each host's log, read from its end, whatever was read before."""
        return _in_order({stream: self._page(stream, limit=count) for stream in self._streams()})

    def through(self, logs: Any) -> Tail:
        """The same position, asked for by another client."""
        return Tail(logs, self._name).going_on_from(self)

    def going_on_from(self, other: Tail) -> Tail:
        """This client, where the other one has come to in the same log."""
        self._tokens = other._tokens
        return self

    def _page(self, stream: str, **asked: Any) -> Mapping[str, Any]:
        with mapped("GetLogEvents"):
            answer = self._logs.get_log_events(logGroupName=GROUP, logStreamName=stream, **asked)
        return readable("GetLogEvents", answer, "events")

    def _streams(self) -> list[str]:
        """One stream for each host; a host's appears with its first line."""
        found, token = list[str](), dict[str, str]()
        prefix = log_prefix(self._name)
        while True:
            try:
                with mapped("DescribeLogStreams"):
                    page = self._logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=prefix, **token)
            except ApiError as error:
                if error.kind is ApiErrorKind.NOT_FOUND:  # the first job of an account makes the group
                    return []
                raise
            told = readable("DescribeLogStreams", page, "logStreams")["logStreams"]
            found += (str(stream["logStreamName"]) for stream in told)
            if not page.get("nextToken"):
                return found
            token = {"nextToken": str(page["nextToken"])}


def _in_order(pages: Mapping[str, Mapping[str, Any]]) -> list[Line]:
    """The lines of these streams by time, each stream's in its own order. Metrics are the first host's."""
    first = min(pages, key=_host, default="")
    each = ([_line(event, counts=stream == first) for event in page["events"]] for stream, page in pages.items())
    return list(heapq.merge(*each, key=lambda line: line.at)) if len(pages) > 1 else list(next(each, []))


def _host(stream: str) -> int:
    """The number in JOB/algo-N-EPOCH; of any other name the last one."""
    told = _HOST.search(stream)
    return int(told[1]) if told else sys.maxsize


def _line(event: Mapping[str, Any], *, counts: bool) -> Line:
    return Line(int(event["timestamp"]), str(event["message"]), counts)
