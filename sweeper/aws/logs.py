"""The log of a training job, from CloudWatch Logs: /aws/sagemaker/TrainingJobs, stream JOB/algo-N-EPOCH."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.aws.clients import Clients
from sweeper.aws.errors import mapped, readable
from sweeper.core.model import MetricDefinition
from sweeper.core.request import log_prefix
from sweeper.errors import ApiError, ApiErrorKind

GROUP = "/aws/sagemaker/TrainingJobs"


class Tail:
    """A job's log, read on from where it was left: each look asks only for what is new."""

    def __init__(self, logs: Any, name: str) -> None:
        self._logs, self._name = logs, name
        self._tokens: dict[str, str] = {}

    def new(self, pages: int | None = None) -> Iterator[tuple[int, str]]:
        """(milliseconds since the epoch, line) of what has come since; nothing when there is no log (yet).

        At most so many pages (of a megabyte) of each stream.
        """
        for stream in self._streams():
            for _ in itertools.count() if pages is None else range(pages):
                token = self._tokens.get(stream)
                with mapped("GetLogEvents"):
                    answer = self._logs.get_log_events(
                        logGroupName=GROUP,
                        logStreamName=stream,
                        startFromHead=True,
                        **({"nextToken": token} if token else {}),
                    )
                page = readable("GetLogEvents", answer, "events")
                yield from ((int(event["timestamp"]), str(event["message"])) for event in page["events"])
                self._tokens[stream] = following = str(page["nextForwardToken"])
                if following == token:  # the service's way to say that this is the end for now
                    break

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


def lines(clients: Clients, name: str) -> Iterator[tuple[int, str]]:
    """(milliseconds since the epoch, line) of a job's log, oldest first; nothing when there is no log (yet)."""
    return Tail(clients.client("logs"), name).new()


def points(log: Iterator[tuple[int, str]], definitions: Sequence[MetricDefinition]) -> Iterator[tuple[int, str, float]]:
    """(milliseconds, metric, value) wherever a definition's first group is a number."""
    patterns = [(definition.name, re.compile(definition.regex)) for definition in definitions]
    for when, line in log:
        for name, pattern in patterns:
            match = pattern.search(line)
            try:
                if match and match.re.groups:
                    yield when, name, float(match[1])
            except (TypeError, ValueError):
                continue  # the group did not take part, or is no number


def last_values(found: Iterator[tuple[int, str, float]]) -> Mapping[str, float]:
    """The last value of each metric."""
    return {name: value for _, name, value in found}
