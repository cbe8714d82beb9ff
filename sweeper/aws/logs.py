"""The log of a training job, from CloudWatch Logs: /aws/sagemaker/TrainingJobs, stream JOB/algo-N-EPOCH."""

from __future__ import annotations

import heapq
import itertools
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sweeper.aws.errors import mapped, readable
from sweeper.core.measured import Line
from sweeper.core.request import log_prefix
from sweeper.errors import ApiError, ApiErrorKind

_HOST = re.compile(r"/algo-(\d+)")
GROUP = "/aws/sagemaker/TrainingJobs"


class Tail:
    """A job's log, read on from where it was left: each look asks only for what is new.

    `hosts`: how many the job has; of several each line says whose it is.
    """

    def __init__(self, logs: Any, name: str, hosts: int = 1) -> None:
        self._logs, self._name, self._hosts = logs, name, hosts
        self._tokens: dict[str, str] = {}
        self._held: dict[str, list[Line]] = {}
        """Lines of a host that were read, and before which another one's may still come."""

    def pages(self, most: int | None = None) -> Iterator[list[Line]]:
        """What has come since, page by page (of a megabyte of each host's log at most), in the order of time.

        At most so many pages of each host; none when there is no log (yet). A page is behind us once the next is asked
        for: whoever breaks off in the middle of one is given it again.
        """
        streams = going = self._streams()
        first = min(map(_host, streams), default=0)
        for _ in itertools.count() if most is None else range(most * len(streams)):
            if not going:
                return
            # of a host whose lines are held no more is read: a log that is much longer than another takes no memory
            tokens = {stream: self._tokens.get(stream) for stream in going if not self._held.get(stream)}
            found = {
                stream: self._page(stream, startFromHead=True, **({"nextToken": token} if token else {}))
                for stream, token in tokens.items()
            }
            following = {stream: str(page["nextForwardToken"]) for stream, page in found.items()}
            # the same token is the service's way to say that this is the end for now
            going = [stream for stream in going if stream not in found or following[stream] != tokens[stream]]
            come = {stream: self._lines(stream, page, counts=_host(stream) == first) for stream, page in found.items()}
            ready, held = _until_known({**self._held, **come}, going)
            yield ready
            self._tokens |= following
            self._held = held

    def new(self, most: int | None = None) -> Iterator[Line]:
        """The lines of these pages."""
        return itertools.chain.from_iterable(self.pages(most))

    def last(self, count: int) -> list[Line]:
        """The last lines of each host's log, read from its end, whatever was read before."""
        streams = self._streams()
        first = min(map(_host, streams), default=0)
        found = (
            self._lines(stream, self._page(stream, limit=count), counts=_host(stream) == first) for stream in streams
        )
        return _in_order(found)

    def through(self, logs: Any) -> Tail:
        """The same position, asked for by another client."""
        return Tail(logs, self._name, self._hosts).going_on_from(self)

    def going_on_from(self, other: Tail) -> Tail:
        """This client, where the other one has come to in the same log."""
        self._tokens, self._held = other._tokens, other._held
        return self

    def _lines(self, stream: str, page: Mapping[str, Any], *, counts: bool) -> list[Line]:
        """What a page holds. Metrics are the first host's, each time that it began: a queue may begin a job again."""
        told = _HOST.search(stream) if self._hosts > 1 else None
        host = told[0][1:] if told else ""
        return [Line(int(event["timestamp"]), str(event["message"]), counts, host) for event in page["events"]]

    def _page(self, stream: str, **asked: Any) -> Mapping[str, Any]:
        with mapped("GetLogEvents"):
            answer = self._logs.get_log_events(logGroupName=GROUP, logStreamName=stream, **asked)
        return readable("GetLogEvents", answer, "events")

    def _streams(self) -> list[str]:
        """One stream for each host, and each time that it began; a stream appears with its first line."""
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


def _in_order(streams: Iterable[list[Line]]) -> list[Line]:
    """The lines of these streams by time, each stream's in its own order."""
    return list(heapq.merge(*streams, key=lambda line: line.at))


def _until_known(lines: Mapping[str, list[Line]], going: Sequence[str]) -> tuple[list[Line], dict[str, list[Line]]]:
    """What can be told of these by time, and what not yet: a stream that goes on may have earlier lines."""
    until = min((lines[stream][-1].at if lines[stream] else -1 for stream in going), default=math.inf)
    known = {
        stream: found if not found or found[-1].at <= until else [*itertools.takewhile(lambda x: x.at <= until, found)]
        for stream, found in lines.items()
    }
    held = {stream: found[len(known[stream]) :] for stream, found in lines.items()}
    return _in_order(known.values()), {stream: left for stream, left in held.items() if left}


def _host(stream: str) -> int:
    """The number in JOB/algo-N-EPOCH; of any other name the last one."""
    told = _HOST.search(stream)
    return int(told[1]) if told else sys.maxsize
