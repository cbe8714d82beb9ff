"""Rows 65 to 68 of the fault matrix: a job's log, through botocore's own client."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sweeper.aws import logs
from sweeper.core import measured
from sweeper.core.model import MetricDefinition, Waits
from sweeper.engine.settings import ServiceSettings
from sweeper.errors import ApiError
from sweeper.run.trial_log import TrialLog
from sweeper.testing.twin import VirtualClock
from tests.laws.outside import Outside, Troubled, make_sweep, scripts
from tests.run.scripted_logs import Service, job_logs

SCORE = measured.reading([MetricDefinition("score", r"score=(\S+)")])


def client() -> tuple[Any, Stubber]:
    """A CloudWatch Logs client whose answers are scripted and checked against botocore's shapes."""
    made = boto3.client("logs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(made)
    stub.activate()
    return made, stub


def test_row_65_no_log_group_is_no_log() -> None:
    """Before the first job of an account there is no group: no lines, and no error."""
    made, stub = client()
    stub.add_client_error("describe_log_streams", "ResourceNotFoundException", "The specified log group does not exist")
    assert list(logs.Tail(made, "job").new()) == []


def test_row_66_a_refused_log_is_our_own_error() -> None:
    """Denied: one kind of error, which the runner degrades to no log."""
    made, stub = client()
    stub.add_client_error("describe_log_streams", "AccessDeniedException", "not authorized")
    with pytest.raises(ApiError, match="not authorized"):
        list(logs.Tail(made, "job").new())


@pytest.mark.parametrize("operation", ["describe_log_streams", "get_log_events"])
def test_row_66_a_page_of_a_proxy_is_no_log(operation: str) -> None:
    """An answer without what was asked for (botocore's reading of an HTML page) is our own error too."""
    made, stub = client()
    if operation == "get_log_events":
        stub.add_response("describe_log_streams", {"logStreams": [{"logStreamName": "job/algo-1-1"}]})
    stub.add_response(operation, {})
    with pytest.raises(ApiError, match="UnreadableAnswer"):
        list(logs.Tail(made, "job").new())


def hosts(made: Any, stub: Any, streams: dict[str, list[tuple[int, str]]]) -> list[measured.Line]:
    """The log of a job that wrote these streams, two of which are told at a time."""
    names = list(streams)
    for at in range(0, len(names), 2):
        more = {"nextToken": str(at)} if at + 2 < len(names) else {}
        stub.add_response(
            "describe_log_streams", {"logStreams": [{"logStreamName": n} for n in names[at : at + 2]], **more}
        )
    for again in (False, True):
        for lines in streams.values():
            events = [] if again else [{"timestamp": at, "message": text} for at, text in lines]
            stub.add_response("get_log_events", {"events": events, "nextForwardToken": "end"})
    return list(logs.Tail(made, "job", len(streams)).new())


def test_row_66_the_logs_of_several_hosts_are_one_by_time_and_metrics_are_the_first_ones() -> None:
    """Whatever order and number of streams the service tells; a host's own lines stay in theirs."""
    made, stub = client()
    streams = {
        "job/algo-10-1": [(5, "score=10")],
        "job/algo-2-1": [(1, "two begins"), (4, "score=2"), (4, "two ends")],
        "job/algo-1-1": [(2, "one begins"), (3, "score=1")],
    }
    found = hosts(made, stub, streams)
    assert [line.text for line in found] == [
        *("two begins", "one begins", "score=1", "score=2", "two ends", "score=10"),
    ]
    assert measured.part(found, SCORE).points == [(3, "score", 1.0)]
    assert [line.shown for line in found][1:4] == ["algo-1 | one begins", "algo-1 | score=1", "algo-2 | score=2"]
    shown = (measured.stored(line.shown, line.at, 3) for line in found)
    assert list(shown) == found


def test_row_66_what_one_host_says_waits_for_what_another_said_before() -> None:
    """A page of a quiet host spans many pages of a talkative one: their lines are one by time all the same."""
    made, stub = client()
    pages: dict[str, list[list[int]]] = {"job/algo-1-1": [[1, 100]], "job/algo-2-1": [[50], [60, 90]]}
    stub.add_response("describe_log_streams", {"logStreams": [{"logStreamName": name} for name in pages]})

    def answer(stream: str, number: int) -> None:
        found = pages[stream][number] if number < len(pages[stream]) else []
        token = {"nextToken": str(number)} if number else {}
        expected = {"logGroupName": logs.GROUP, "logStreamName": stream, "startFromHead": True, **token}
        told = {"events": [{"timestamp": at, "message": f"{at}"} for at in found]}
        following = str(min(number + 1, len(pages[stream])))
        stub.add_response("get_log_events", {**told, "nextForwardToken": following}, expected)

    for stream, number in (("1", 0), ("2", 0), ("2", 1), ("2", 2), ("1", 1)):
        answer(f"job/algo-{stream}-1", number)
    looks = [[line.at for line in page] for page in logs.Tail(made, "job", 2).pages()]
    assert looks == [[1, 50], [60, 90], [100], []]
    stub.assert_no_pending_responses()


def whole(folder: Path, pages: Iterable[list[tuple[int, str]]], redact: Callable[[str], str] = str) -> None:
    """Store a log to its end."""
    for _ in TrialLog(folder, redact).whole(
        measured.part(itertools.starmap(measured.Line, page), SCORE) for page in pages
    ):
        pass


def burst(megabytes: int) -> Iterator[list[tuple[int, str]]]:
    """A log that nobody should hold in memory."""
    line = "x" * 1023
    for n in range(megabytes * 8):
        yield [(n, line)] * 128
    yield [(1_700_000_000_000, "score=0.5")]


def test_row_67_a_burst_of_fifty_megabytes_takes_little_memory(tmp_path: Path) -> None:
    """A log is stored as it comes, whatever its length."""
    tracemalloc.start()
    try:
        whole(tmp_path, burst(50))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "log.txt").stat().st_size > 50 << 20
    assert (tmp_path / "metrics.csv").read_text().endswith("score,0.5\n")
    assert peak < 4 << 20


HOSTILE = [
    "\x1b[31mscore=1\x1b[0m",
    "\x00\x01\x02 score=2",
    "half a character \ud83d score=3",
    "score=not-a-number",
    "score=nan",
    "caf\u00e9 \u2028 \r progress 10%\r progress 20%",
    "",
]


def test_row_67_binary_colours_and_half_characters_are_stored_and_break_nothing(tmp_path: Path) -> None:
    """Whatever a script prints, both files are written and what is a number is found."""
    whole(tmp_path, [list(enumerate(HOSTILE))], lambda text: text.replace("progress", "***"))
    text = (tmp_path / "log.txt").read_bytes().decode("utf-8")
    values = [row.split(",")[2] for row in (tmp_path / "metrics.csv").read_text().splitlines()[1:]]
    assert "half a character" in text
    assert "progress" not in text
    assert values[-2:] == ["3.0", "nan"]


def test_row_68_a_log_that_is_gone_leaves_what_was_stored(tmp_path: Path) -> None:
    """What was followed of a job that its service has forgotten is all there is; else there is an empty file."""
    for pages in ([], [[]]):
        whole(tmp_path / "new", pages)
        assert (tmp_path / "new/log.txt").read_text() == ""
        (tmp_path / "log.txt").write_text("followed\n")
        whole(tmp_path, pages)
        assert (tmp_path / "log.txt").read_text() == "followed\n"


def test_row_68_a_log_that_breaks_off_leaves_what_was_stored(tmp_path: Path) -> None:
    """When the second reading fails in the middle, the files of the first one stay, and nothing half lies beside."""
    whole(tmp_path, [[(0, "first")]])

    def broken() -> Iterator[list[tuple[int, str]]]:
        yield from itertools.repeat([(1, "second")], 10)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        whole(tmp_path, broken())
    assert (tmp_path / "log.txt").read_text() == "first\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "metrics.csv"]


class Told(Troubled):
    """A service whose Describe never tells a metric, and that notes each Create in a list."""

    said: list[str]

    def request(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One call."""
        if operation == "CreateTrainingJob":
            self.said.append("create")
        return {key: value for key, value in super().request(operation, params).items() if key != "FinalMetricDataList"}


def test_row_67_the_next_job_waits_for_the_end_of_a_log_alone(tmp_path: Path) -> None:
    """An idle pool bills: the rest of a long log is read when the successor has been sent."""
    clock = VirtualClock()
    twin = Told(clock, settings=ServiceSettings(cold_start_s=1.0, warm_start_s=1.0), behaviour=scripts())
    service = Service(*(f"line {n}" for n in range(5_000)), "m=0.5", page=100)
    twin.said = service.asked
    sweep = make_sweep(2, waits=Waits(poll_s=5.0, metrics_wait_s=10.0))
    here = Outside(tmp_path, sweep, twin, clock)
    logs = job_logs(tmp_path, service, sweep, api=here.api, clock=clock)
    here.log_metrics, here.keep, here.kept = logs.metrics, logs.keep, logs.kept
    assert here.run().why == "every trial is done"
    assert [job.outcome.metrics for job in here.chain.outcomes if job.outcome] == [{"m": 0.5}] * 2
    first, second = [place for place, said in enumerate(service.asked) if said == "create"]
    assert service.asked[first + 1 : second] == ["end"]
    assert len(service.asked[second:]) > 2 * 50
