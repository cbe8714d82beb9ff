"""The log of a running job: one position in it, and everybody hears the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweeper.aws.logs import Tail
from sweeper.core.measured import Readings
from sweeper.core.model import MetricDefinition
from sweeper.core.prune import pruning
from sweeper.core.watch import News
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run.following import GAP_S, PAGES, RAREST_S
from sweeper.run.job_logs import JobLogs
from sweeper.testing.twin import VirtualClock
from tests.laws.outside import make_sweep
from tests.run.scripted_logs import Service, job, job_logs

METRICS = (MetricDefinition("m", "m=([0-9.]+|nan)"),)
TRAINING = {"SecondaryStatus": "Training"}
SWEEP = make_sweep(1, metrics=METRICS, prune=pruning({"patience": {"steps": 3}}))


def stored(logs: JobLogs, attempt: int = 1) -> tuple[str, str]:
    """What lies there of a job's log when it has been stored: its lines, and its metrics."""
    for _ in logs.keep(job(attempt)):
        pass
    place = logs.folder / "trials/t"
    return (place / "log.txt").read_text(), (place / "metrics.csv").read_text()


def table(*values: object) -> str:
    """The rows of metrics.csv for values that were printed second by second."""
    rows = [f"1970-01-01T00:00:{n:02}Z,m,{value}\n" for n, value in enumerate(values)]
    return "".join(["time,metric,value\n", *rows])


def test_news_are_what_has_come_since_and_keep_what_came_before_a_fault(tmp_path: Path) -> None:
    """A fault in the middle loses nothing and repeats nothing; without any line there is no news."""
    service = Service("begin", "m=1", "m=2 and more")
    following = job_logs(tmp_path, service, SWEEP).following
    service.down = 2
    assert following.news(job()) == News(2, (("m", 1.0),))
    assert following.news(job()) is None
    service.down = 1_000_000
    assert following.news(job()) == News(1, (("m", 2.0),))
    assert following.news(job()) == News(0, ())


class Keyed(Service):
    """One whose clients each have the key that there was when they were made; a key that was replaced is refused."""

    key = 1

    def client(self, service: str, **wishes: Any) -> Any:
        """A client with today's key."""
        return Client(self, self.key)


class Client:
    """One of its clients."""

    def __init__(self, service: Keyed, key: int) -> None:
        self.service, self.key = service, key

    def __getattr__(self, operation: str) -> Any:
        if self.key != self.service.key:
            raise ApiError(ApiErrorKind.EXPIRED, operation, "ExpiredTokenException", "the token has expired")
        return getattr(self.service, operation)


def test_a_log_is_read_on_with_the_credentials_of_today(tmp_path: Path) -> None:
    """Keys that are replaced while a job runs are a look without news, and not the end of its log."""
    service = Keyed("m=1", "m=2")
    following = job_logs(tmp_path, service, SWEEP).following
    assert following.news(job()) == News(2, (("m", 1.0), ("m", 2.0)))
    service.key = 2
    service.lines.append("m=3")
    assert following.news(job()) is None
    assert following.news(job()) == News(1, (("m", 3.0),))


def test_a_look_takes_a_bounded_part_of_a_long_log(tmp_path: Path) -> None:
    """Whatever a job prints at once, a look ends soon; the rest is there at the next one, and the end is read alone."""
    service = Service(*(f"m={n}" for n in range(PAGES + 3)))
    logs = job_logs(tmp_path, service, SWEEP)
    first, second = logs.following.news(job()), logs.following.news(job())
    assert first and second
    assert (first.lines, second.lines) == (PAGES, 3)
    service.down = 0
    service.asked.clear()
    assert logs.tail(job()).endswith(f"m={PAGES + 2}")
    assert service.asked == ["end"]


def test_every_page_is_asked_for_once_whoever_wants_to_know(tmp_path: Path) -> None:
    """What is shown, what decides, what a result falls back to and what is stored come from one reading of the log."""
    clock, shown = VirtualClock(), list[float]()
    service = Service(*(f"m={n}" for n in range(12)))
    logs = job_logs(tmp_path, service, SWEEP, clock=clock)
    logs.following.listeners.append(lambda job, come: shown.extend(value for _, _, value in come.points))
    logs.following.follow(job(), TRAINING)
    clock.sleep(5.0)
    logs.following.follow(job(), TRAINING)
    assert (tmp_path / "trials/t/log.txt").read_text() == "m=0\nm=1\n", "a person may look into it while it trains"
    news = logs.following.news(job())
    assert news == News(6, tuple(("m", float(n)) for n in range(6)))
    service.lines.append("the end")
    assert stored(logs) == ("".join(f"{line}\n" for line in service.lines), table(*map(float, range(12))))
    assert shown == [float(n) for n in range(6)]
    assert service.asked == [str(place) for place in range(14)]


def test_a_log_is_looked_for_more_and_more_rarely_while_it_cannot_be_had(tmp_path: Path) -> None:
    """Each look that fails doubles the pause, to five minutes at most; one that does not is the end of it."""
    clock, service = VirtualClock(), Service("m=1", "m=2")
    following = job_logs(tmp_path, service, SWEEP, clock=clock).following
    service.down = 0
    for _ in range(3600):
        following.follow(job(), TRAINING)
        clock.sleep(1.0)
    assert len(service.asked) < 12 + 3600 / RAREST_S
    service.down = 1_000_000
    service.asked.clear()
    for _ in range(int(RAREST_S) + 20):
        following.follow(job(), TRAINING)
        clock.sleep(1.0)
    assert len(service.asked) > 3
    following.follow(job(), {"SecondaryStatus": "Downloading"})
    assert service.asked.count("0") == 1


@pytest.mark.parametrize("rules", [True, False], ids=["by rules", "for the files"])
def test_the_logs_of_several_jobs_are_read_in_turn(tmp_path: Path, rules: bool) -> None:
    """However often they are looked at: each as often as the others, and no more in a second than an account bears."""
    clock, service = VirtualClock(), Service("m=1")
    following = job_logs(tmp_path, service, SWEEP, clock=clock).following
    reads: Counter[str] = Counter()
    for _ in range(1000):
        for one in map(job, range(1, 11)):
            before = len(service.asked)
            following.news(one) if rules else following.follow(one, TRAINING)
            reads[one.name] += len(service.asked) > before
        clock.sleep(0.1)
    assert set(reads.values()) <= {*range(9, 22)} and max(reads.values()) - min(reads.values()) <= 1
    assert sum(reads.values()) <= 100 / GAP_S + 10


def test_a_running_job_is_not_looked_into_before_it_is_at_work(tmp_path: Path) -> None:
    """A job that still waits for its machine has no log."""
    service = Service("m=1")
    job_logs(tmp_path, service, SWEEP).following.follow(job(), {"SecondaryStatus": "Starting"})
    assert service.asked == []


def test_what_was_learnt_to_be_a_secret_since_is_masked_in_what_was_followed(tmp_path: Path) -> None:
    """A log that lies there already is masked once more when it is stored."""
    service = Service("m=1 of hunter2hunter2")
    logs = job_logs(tmp_path, service, SWEEP)
    logs.following.news(job())
    assert "hunter2hunter2" in (tmp_path / "trials/t/log.txt").read_text()
    logs.redact.learn({"PASSWORD": "hunter2hunter2"})
    assert stored(logs)[0] == "m=1 of ***\n"


@pytest.mark.parametrize("text", ["m=0\nsomebody wrote here\n", ""])
def test_a_log_that_is_not_as_it_was_followed_is_read_from_its_beginning(tmp_path: Path, text: str) -> None:
    """What somebody changed or removed meanwhile is not taken for the job's words."""
    service = Service("m=0", "m=1")
    logs = job_logs(tmp_path, service, SWEEP)
    logs.following.follow(job(), TRAINING)
    path = tmp_path / "trials/t/log.txt"
    path.write_text(text) if text else path.unlink()
    assert stored(logs) == ("m=0\nm=1\n", table(0.0, 1.0))


def test_a_log_that_breaks_off_is_read_once_more_from_its_beginning(tmp_path: Path) -> None:
    """And when that fails, too, it is said, and what was followed stays."""
    service = Service("m=0", "m=1", "m=2")
    said: list[str] = []
    logs = job_logs(tmp_path, service, SWEEP, say=said.append)
    logs.following.follow(job(), TRAINING)
    service.down = 2
    for _ in logs.keep(job()):
        pass
    assert said == ["warning: the log of x was not stored: GetLogEvents: 500: down"]
    assert service.asked == ["0", "1", "2", "0", "1", "2"]
    assert sorted(path.name for path in (tmp_path / "trials/t").iterdir()) == ["config.yaml", "log.txt"]
    assert not logs.kept(job())
    service.down = 1_000_000
    assert stored(logs) == ("m=0\nm=1\nm=2\n", table(0.0, 1.0, 2.0))
    assert logs.kept(job())


def test_the_log_of_a_later_attempt_is_not_replaced_by_that_of_an_earlier_one(tmp_path: Path) -> None:
    """A retry runs while the log of the failed attempt is stored: what lies there in the end is the retry's."""
    service = Service("m=0", "m=1")
    logs = job_logs(tmp_path, service, SWEEP)
    logs.following.follow(job(), TRAINING)
    service.lines[:] = ["m=7", "m=8"]
    logs.following.news(job(attempt=2))
    assert list(logs.keep(job())) == []
    assert (tmp_path / "trials/t/log.txt").read_text() == "m=7\nm=8\n"
    assert stored(logs, attempt=2) == ("m=7\nm=8\n", table(7.0, 8.0))


def test_half_a_character_in_a_running_jobs_log_breaks_nothing(tmp_path: Path) -> None:
    """It is written as an escape, as in a log that is stored."""
    logs = job_logs(tmp_path, Service("m=1 \ud83d"), SWEEP)
    assert logs.following.news(job()) == News(1, (("m", 1.0),))
    assert stored(logs) == ("m=1 \\ud83d\n", table(1.0))


def test_the_curve_of_an_ended_job(tmp_path: Path) -> None:
    """The metrics as they are stored, else as they stand in the log."""
    logs = job_logs(tmp_path, Service("m=1", "m=nan", "Killed"), SWEEP)
    assert logs.tail(job()) == "m=1\nm=nan\nKilled"
    assert repr(logs.curve(job())) == "[('m', 1.0), ('m', nan)]"
    (tmp_path / "trials/t").mkdir(parents=True)
    (tmp_path / "trials/t/metrics.csv").write_text("time,metric,value\n2030,m,7.5\n")
    assert logs.curve(job()) == [("m", 7.5)]


def test_the_metrics_of_an_ended_job_come_from_the_end_of_its_log(tmp_path: Path) -> None:
    """The next job waits for them: where the last lines hold them all, nothing else is read."""
    service = Service(*(f"line {n}" for n in range(5000)), "m=0.25", page=100)
    assert job_logs(tmp_path, service, SWEEP).metrics(job()) == Readings({"m": 0.25})
    assert service.asked == ["end"]


def test_metrics_that_are_not_at_the_end_of_a_log_are_read_on_to(tmp_path: Path) -> None:
    """What was followed is not asked for again, and what is read now is stored without being asked for again."""
    lines = ["m=0.5", *(f"line {n}" for n in range(2000)), "m=n/a", *(f"line {n}" for n in range(1500))]
    service = Service(*lines, page=1000)
    logs = job_logs(tmp_path, service, make_sweep(1, metrics=(MetricDefinition("m", r"m=(\S+)"),), prune=pruning({})))
    logs.following.follow(job(), TRAINING)
    assert logs.metrics(job()) == Readings({"m": 0.5}, {"m": "n/a"})
    assert service.asked == ["0", "end", "1000", "2000", "3000", "3502"]
    assert stored(logs) == ("".join(f"{line}\n" for line in lines), table(0.5))
    assert service.asked[6:] == ["3502"]


class Streams:
    """A CloudWatch Logs with lines of these times in streams of these names."""

    def __init__(self, lines: dict[str, list[int]]) -> None:
        self.lines = lines

    def describe_log_streams(self, **request: Any) -> dict[str, Any]:
        """Those that begin so, by name."""
        names = sorted(name for name in self.lines if name.startswith(request["logStreamNamePrefix"]))
        return {"logStreams": [{"logStreamName": name} for name in names]}

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        """All lines of one, once."""
        times = [] if "nextToken" in request else self.lines[request["logStreamName"]]
        return {"events": [{"timestamp": t, "message": f"{t}"} for t in times], "nextForwardToken": "end"}


def test_each_time_that_a_job_began_counts_and_only_its_first_host() -> None:
    """A queue's job that was preempted has a stream for each attempt: its metrics are those of all, the latest last."""
    name = "s0123456789abcdefa01"
    first, second = f"AWSBatch{name}f/algo-1-1", f"AWSBatch{name}0/algo-1-9"
    logs = Streams({first: [1, 2], second: [4], second.replace("algo-1", "algo-2"): [3]})
    lines = list(Tail(logs, name, hosts=2).new())
    assert [(line.text, line.counts) for line in lines] == [("1", True), ("2", True), ("3", False), ("4", True)]
