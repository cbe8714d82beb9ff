"""One reading of a line of output, whoever reads it."""

import json
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.core import measured
from sweeper.core.chain import Job
from sweeper.core.events import Intent, TrialStatus
from sweeper.core.measured import Readings
from sweeper.core.model import MetricDefinition
from sweeper.core.outcome import outcome
from sweeper.driver.driver import Points, Stream
from sweeper.driver.matches import LINE_BYTES, MATCHED_CHARS, NUMBER, Metrics
from sweeper.engine.around.metrics import Scanner
from sweeper.engine.around.series import lines
from sweeper.engine.machine.container import Log

DEFINITIONS = {
    "loss": r"loss=(\S+)",
    "step": "step ([0-9]+)",
    "tab": "#011auc:([0-9.]+)",
    "start": "^([0-9.]+)",
    "maybe": "acc(?:=([0-9.]+))?",
    "broken": "([",
    "none": "loss",
}
READING = [MetricDefinition(name, regex) for name, regex in DEFINITIONS.items()]
PIECES = [
    *(b"loss=0.5", b" loss=1e-3 loss=nan", b"step 7", b"\tauc:0.9", b"0.25", b"acc", b"acc=1.", b"loss=n/a", b"#015"),
    *(b"\r", b"\n", b"\r\n", b" ", b"\xe2\x82", b"\x1b[0m", b"x" * MATCHED_CHARS, b"y" * (LINE_BYTES - 5)),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.lists(st.integers(1, LINE_BYTES), max_size=10))
@settings(max_examples=60, deadline=None)
def test_driver_engine_and_reader_find_the_same_values(pieces: list[bytes], cuts: list[int]) -> None:
    """Several matches a line, progress bars, endless lines, bytes that come in any portions: one order, one result."""
    output = b"".join(pieces)
    ends = sorted({min(sum(cuts[: n + 1]), len(output)) for n in range(len(cuts))} | {len(output)})
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("wb") as null:
        folder = Path(name)
        points = Points([{"name": one.name, "regex": one.regex} for one in READING], folder / "points")
        stream, log = Stream(null.fileno(), points), Log(folder / "log")
        for begin, end in zip([0, *ends], ends, strict=False):
            stream.feed(output[begin:end])
            log.feed(output[begin:end])
        stream.close()
        log.close()
        told = [json.loads(line) for line in points.path.read_text().splitlines()] if points.path.exists() else []
        stored = [measured.Line(int(at * 1000), line) for at, line, _ in lines(folder / "log", 0)]
    by_driver = [(point["name"], str(float(point["value"]))) for point in told]
    by_reader = [(name, str(value)) for _, name, value in measured.part(stored, measured.reading(READING)).points]
    scanner = Scanner([{"Name": one.name, "Regex": one.regex} for one in READING])
    by_engine = [(name, str(value)) for line in stored for name, value in scanner.feed(line.text, 0.0)]
    assert by_driver == by_reader == by_engine
    assert {name: str(value) for name, (value, _) in scanner.last.items()} == dict(by_reader)
    fallback = readings(stored).last
    assert {name: str(value) for name, value in fallback.items()} == dict(by_reader)


def readings(log: list[measured.Line]) -> Readings:
    """What is known of a log once it has been read, a line at a time."""
    last = measured.Last()
    for line in log:
        last.take(measured.part([line], measured.reading(READING)))
    return last.readings


def cut(regex: str, line: str) -> list[tuple[str, str]]:
    """(what was taken, the number it was cut from) for each match."""
    return [(match.text, match.cut_from) for match in Metrics([("m", regex)]).matches(line)]


def test_a_part_of_a_number_is_known_as_one() -> None:
    """An exponent, a sign, a fraction or the first digits that the expression leaves out; a whole number is whole."""
    assert cut("loss=([0-9.]+)", "loss=1.2e-05 loss=0.5") == [("1.2", "1.2e-05"), ("0.5", "")]
    assert cut("loss=-?([0-9.]+)", "loss=-0.5") == [("0.5", "-0.5")]
    assert cut("loss=([0-9]+)", "loss=12.5") == [("12", "12.5")]
    assert cut("acc.*([0-9.]+)", "acc is 0.85") == [("5", "0.85")]
    assert cut(f"m={NUMBER}", "m=-1.5e+3, step-10") == [("-1.5e+3", "")]
    assert cut("step-([0-9]+)", "step-10/20") == [("10", "")]
    assert cut(r"m=(\S+)", "m=nan") == [("nan", "")]


def test_a_part_of_a_number_is_told_once() -> None:
    """Whoever follows the log warns of the metric, names both numbers and what takes the whole one."""
    said: list[str] = []
    doubt = measured.CutNumbers(said.append)
    come = measured.part(
        [measured.Line(0, "loss=1.2e-05"), measured.Line(1, "loss=0.9e-05")], Metrics([("loss", "loss=([0-9.]+)")])
    )
    doubt(come)
    assert [value for _, _, value in come.points] == [1.2, 0.9]
    assert len(said) == 1
    assert "metric loss: its regex takes 1.2 of 1.2e-05" in said[0]
    assert NUMBER in said[0]


def test_a_match_that_is_no_number_is_told_as_one() -> None:
    """A metric that is missing because of what its expression took is not called absent."""
    found = readings([measured.Line(0, "loss=n/a"), measured.Line(1, "acc=0.5")])
    assert found.odd == {"loss": "n/a"}
    job = Job(Intent("job", "t", 0, "x", {}, 1, "f", 0, 60, ""))
    made = outcome(job, {"TrainingJobStatus": "Completed"}, found.last, "log", ["loss", "lost"], "", found.odd)
    assert made.trial_status == TrialStatus.METRIC_MISSING.value
    told = "loss is no number in the job's log: 'n/a'; lost not found in the job's log; check job.metrics' regex"
    assert made.message == told
