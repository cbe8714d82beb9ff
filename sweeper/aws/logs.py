"""The log of a training job, from CloudWatch Logs: /aws/sagemaker/TrainingJobs, stream JOB/algo-N-EPOCH."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sweeper.aws.clients import Clients
from sweeper.aws.errors import mapped
from sweeper.core.model import MetricDefinition
from sweeper.errors import ApiError, ApiErrorKind

GROUP = "/aws/sagemaker/TrainingJobs"


def lines(clients: Clients, name: str) -> Iterator[tuple[int, str]]:
    """(milliseconds since the epoch, line) of a job's log, oldest first; nothing when there is no log (yet)."""
    logs = clients.client("logs")
    try:
        with mapped("DescribeLogStreams"):
            streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    except ApiError as error:
        if error.kind is ApiErrorKind.NOT_FOUND:  # the first job of an account makes the group
            return
        raise
    for stream in streams:
        token: dict[str, str] = {}
        while True:
            with mapped("GetLogEvents"):
                page = logs.get_log_events(
                    logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True, **token
                )
            yield from ((int(event["timestamp"]), str(event["message"])) for event in page["events"])
            following = {"nextToken": page["nextForwardToken"]}
            if following == token:  # the service's way to say that this is the end for now
                break
            token = following


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
