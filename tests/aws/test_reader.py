"""The log of a running job, for whoever decides by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sweeper.aws.reader import PAGES, LogReader
from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.measured import reading
from sweeper.core.model import MetricDefinition
from sweeper.core.watch import News
from sweeper.errors import ApiError, ApiErrorKind

METRICS = reading([MetricDefinition("m", "m=([0-9.]+|nan)")])


class Logs:
    """CloudWatch Logs with one stream of one line a page; `down` after so many pages."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.down = 1_000_000

    def describe_log_streams(self, **request: Any) -> dict[str, Any]:
        """One stream."""
        return {"logStreams": [{"logStreamName": "job/algo-1-1"}]}

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        """The line at the token; without one the last lines, where the beginning is not asked for."""
        if not request.get("startFromHead"):
            last = list(enumerate(self.lines))[-request["limit"] :]
            return {"events": [{"timestamp": at, "message": line} for at, line in last], "nextForwardToken": "end"}
        at = int(request.get("nextToken", "0"))
        if at >= self.down:
            raise ApiError(ApiErrorKind.UNAVAILABLE, "GetLogEvents", "500", "down")
        events = [{"timestamp": at, "message": line} for line in self.lines[at : at + 1]]
        return {"events": events, "nextForwardToken": str(at + len(events))}


def test_news_are_what_has_come_since_and_keep_what_came_before_a_fault(tmp_path: Path) -> None:
    """A fault in the middle loses nothing and repeats nothing; without any line there is no news."""
    logs = Logs("begin", "m=1", "m=2 and more")
    reader = LogReader(lambda: logs, METRICS, tmp_path)
    logs.down = 2
    assert reader.news("job") == News(2, (("m", 1.0),))
    assert reader.news("job") is None
    logs.down = 1_000_000
    assert reader.news("job") == News(1, (("m", 2.0),))
    assert reader.news("job") == News(0, ())


def test_the_tail_and_the_curve_of_an_ended_job(tmp_path: Path) -> None:
    """The last lines; the metrics as they are stored, else as they stand in the log."""
    reader = LogReader(lambda: Logs("m=1", "m=nan", "Killed"), METRICS, tmp_path)
    assert reader.tail("job") == "m=1\nm=nan\nKilled"
    job = Job(ev.Intent("job", "t", 0, "x", {}, 1, "f", 0, 60, ""))
    assert repr(reader.curve(job)) == "[('m', 1.0), ('m', nan)]"
    (tmp_path / "trials/t").mkdir(parents=True)
    (tmp_path / "trials/t/metrics.csv").write_text("time,metric,value\n2030,m,7.5\n")
    assert reader.curve(job) == [("m", 7.5)]


def test_a_look_takes_a_bounded_part_of_a_long_log(tmp_path: Path) -> None:
    """Whatever a job prints at once, a look ends soon; the rest is there at the next one, and the end is read alone."""
    logs = Logs(*(f"m={n}" for n in range(PAGES + 3)))
    reader = LogReader(lambda: logs, METRICS, tmp_path)
    first, second = reader.news("job"), reader.news("job")
    assert first and second
    assert (first.lines, second.lines) == (PAGES, 3)
    logs.down = 0
    assert reader.tail("job").endswith(f"m={PAGES + 2}")
