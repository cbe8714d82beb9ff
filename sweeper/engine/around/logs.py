"""CloudWatch Logs for /aws/sagemaker/TrainingJobs, answered from the jobs' own log files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from sweeper.engine.around.log_patterns import matcher, refused
from sweeper.engine.errors import ServiceError
from sweeper.engine.wire import rules

GROUP = "/aws/sagemaker/TrainingJobs"
TARGET = "Logs_20140328."
_LIMIT = 10_000
_BYTES = 1 << 20
Answer = dict[str, Any]


class LoggedJobs(Protocol):
    """Whose logs these are."""

    def job(self, name: str) -> tuple[float, float | None] | None:
        """When the job began to train and when it ended."""

    def logged_jobs(self) -> list[str]:
        """Jobs that may have a log, oldest first."""


class TrainingLogs:
    """One log group with one stream for each host of a job: JOB/HOST-EPOCH. `logs_of`: a job's logs by host."""

    def __init__(self, jobs: LoggedJobs, logs_of: Callable[[str], Mapping[str, Path]], arn_prefix: str) -> None:
        self._jobs, self._logs_of = jobs, logs_of
        self._arn = f"{arn_prefix.replace(':sagemaker:', ':logs:')}:log-group:{GROUP}"
        self._operations = {
            "DescribeLogStreams": self._describe_streams,
            "GetLogEvents": self._get_events,
            "FilterLogEvents": self._filter_events,
        }

    def knows(self, operation: str, params: Mapping[str, Any]) -> bool:
        """Is this ours to answer, and not moto's?"""
        ours = (GROUP, self._arn)
        named = [params[key] for key in ("logGroupName", "logGroupIdentifier") if params.get(key) is not None]
        return operation in self._operations and any(name in ours for name in named)

    def call(self, operation: str, params: Mapping[str, Any]) -> Answer:
        """Answer one request."""
        params = _validated(operation, params)
        if not self._jobs.logged_jobs():
            raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
        return self._operations[operation](params)

    def _describe_streams(self, params: Mapping[str, Any]) -> Answer:
        names = sorted(self._streams(params.get("logStreamNamePrefix", "")))
        if params.get("orderBy") == "LastEventTime":
            names.sort(key=self._last_event)
        if params.get("descending"):
            names.reverse()
        start, size = _number(params.get("nextToken")), int(params.get("limit", 50))
        answer: Answer = {"logStreams": [self._stream(name) for name in names[start : start + size]]}
        if start + size < len(names):
            answer["nextToken"] = str(start + size)
        return answer

    def _get_events(self, params: Mapping[str, Any]) -> Answer:
        path = self._path(params["logStreamName"])
        limit = min(int(params.get("limit", _LIMIT)), _LIMIT)
        token = str(params.get("nextToken") or "")
        if token.startswith("b/"):
            begin, end, events = _backward(path, _number(token[2:]), limit)
        elif token or params.get("startFromHead"):
            begin, end, events = _forward(path, _number(token[2:]), limit)
        else:
            begin, end, events = _backward(path, path.stat().st_size, limit)
        low, high = params.get("startTime", 0), params.get("endTime", float("inf"))
        return {
            "events": [e for e in events if low <= e["timestamp"] < high],
            "nextForwardToken": f"f/{end}",
            "nextBackwardToken": f"b/{begin}",
        }

    def _filter_events(self, params: Mapping[str, Any]) -> Answer:
        names = sorted(params.get("logStreamNames") or self._streams(params.get("logStreamNamePrefix", "")))
        paths = [self._path(name) for name in names]
        matches = matcher(params.get("filterPattern", ""))
        low, high = params.get("startTime", 0), params.get("endTime", float("inf"))
        limit = min(int(params.get("limit", _LIMIT)), _LIMIT)
        number, _, offset = str(params.get("nextToken") or "0/0").partition("/")
        found: list[Answer] = []
        for index in range(_number(number), len(names)):
            for begin, _, event in _events(paths[index], _number(offset)):
                if len(found) == limit:
                    return {"events": found, "searchedLogStreams": [], "nextToken": f"{index}/{begin}"}
                if low <= event["timestamp"] < high and matches(event["message"]):
                    found.append({**event, "logStreamName": names[index], "eventId": f"{index:08}{begin:020}"})
            offset = "0"
        return {"events": found, "searchedLogStreams": []}

    def _streams(self, prefix: str) -> Iterator[str]:
        # every prefix in use begins with the name of a job, so one look is enough for most
        job, slash, _ = prefix.partition("/")
        candidates: Iterable[str] = [job] if slash else (n for n in self._jobs.logged_jobs() if n.startswith(prefix))
        for name in candidates:
            yield from (stream for stream in self._of_job(name) if stream.startswith(prefix))

    def _of_job(self, job: str) -> dict[str, Path]:
        """The streams of a job's hosts that have written, and where they are."""
        times = self._jobs.job(job)
        if times is None:
            return {}
        return {f"{job}/{host}-{int(times[0])}": log for host, log in self._logs_of(job).items() if log.exists()}

    def _stream(self, name: str) -> Answer:
        path = self._path(name)
        began, _ = self._jobs.job(name.partition("/")[0]) or (0.0, None)
        answer: Answer = {"logStreamName": name, "creationTime": int(began * 1000), "storedBytes": 0}
        answer["arn"] = f"{self._arn}:log-stream:{name}"
        first = next(_events(path, 0), None)
        if first is not None:
            answer["firstEventTimestamp"] = first[2]["timestamp"]
            answer["lastEventTimestamp"] = answer["lastIngestionTime"] = self._last_event(name)
            answer["uploadSequenceToken"] = "0"
        return answer

    def _last_event(self, stream: str) -> int:
        """When its last line came; a stream without one comes first."""
        path = self._path(stream)
        last = _backward(path, path.stat().st_size, 1)[2]
        return int(last[-1]["timestamp"]) if last else 0

    def _path(self, stream: str) -> Path:
        found = self._of_job(stream.partition("/")[0]).get(stream)
        if found is None:
            raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
        return found


def _validated(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters, judged as the service does; raises InvalidParameterException."""
    try:
        params = rules.validated(operation, params, "logs")
    except ServiceError as error:
        raise refused(error.message) from error
    if "logGroupName" in params and "logGroupIdentifier" in params:
        raise refused("Only one of logGroupName and logGroupIdentifier can be specified.")
    if params.get("orderBy") == "LastEventTime" and "logStreamNamePrefix" in params:
        raise refused("Cannot order by LastEventTime with a logStreamNamePrefix.")
    if "logStreamNames" in params and "logStreamNamePrefix" in params:
        raise refused("Only one of logStreamNames and logStreamNamePrefix can be specified.")
    if operation == "FilterLogEvents" and params.get("startFromHead") is False:
        raise refused("The local engine does not emulate FilterLogEvents from the end.")
    return params


def _number(text: str | None) -> int:
    try:
        return max(0, int(text or 0))
    except ValueError as error:
        raise ServiceError("InvalidParameterException", "The specified nextToken is invalid.") from error


def _event(raw: bytes) -> Answer:
    stamp, _, message = raw.decode("utf-8", "replace").partition(" ")
    at = int(stamp) if re.fullmatch("[0-9]{1,15}", stamp) else 0
    return {"timestamp": at, "message": message, "ingestionTime": at}


def _events(path: Path, offset: int) -> Iterator[tuple[int, int, Answer]]:
    """Every whole line from an offset on, with where it begins and ends."""
    with path.open("rb") as log:
        log.seek(offset)
        for raw in log:
            if not raw.endswith(b"\n"):
                return  # still being written
            yield offset, offset + len(raw), _event(raw[:-1])
            offset += len(raw)


def _forward(path: Path, offset: int, limit: int) -> tuple[int, int, list[Answer]]:
    found: list[Answer] = []
    end = min(offset, path.stat().st_size)
    for begin, stop, event in _events(path, end):
        if len(found) == limit or begin - offset > _BYTES:
            break
        found.append(event)
        end = stop
    return offset, end, found


def _backward(path: Path, offset: int, limit: int) -> tuple[int, int, list[Answer]]:
    """The last lines before an offset."""
    with path.open("rb") as log:
        start = max(0, offset - _BYTES)
        log.seek(start)
        data = log.read(offset - start)
    data = data[: data.rfind(b"\n") + 1]
    end = start + len(data)
    if start:  # begin with a whole line
        cut = data.find(b"\n") + 1
        data, start = data[cut:], start + cut
    lines = data.splitlines(keepends=True)
    kept = lines[-limit:]
    return end - sum(map(len, kept)), end, [_event(line[:-1]) for line in kept]
