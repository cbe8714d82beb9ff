"""What a job did with its time, by the transitions that the service tells of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.backends.on_demand import OnDemand
from sweeper.core import events as ev
from sweeper.core import paces, plan
from sweeper.core.chain import Chain, fold
from sweeper.core.events import from_dict, to_dict
from sweeper.core.keepalive import fitted, fitting, idle_seconds
from sweeper.core.model import PoolSettings
from sweeper.core.outcome import outcome
from sweeper.core.phases import ENDS, PHASES, Phase, Phases, phases, transitions
from sweeper.core.results import results
from sweeper.core.scope import EngineKind
from sweeper.show.table import time_line
from sweeper.testing.twin import Script
from tests.core.test_decide import OPENED, a_sweep, done, intent
from tests.engine.test_spot import CHECKPOINTS, ended, spot, twin

# As DescribeTrainingJob has answered, by printed and recorded answers that were published: status, start, end.
TRAINED = (
    ("Starting", "2021-10-12T05:49:40.493Z", "2021-10-12T05:52:46.108Z"),
    ("Downloading", "2021-10-12T05:52:46.108Z", "2021-10-12T05:53:35.493Z"),
    ("Training", "2021-10-12T05:53:35.493Z", "2021-10-12T05:55:18.557Z"),
    ("Uploading", "2021-10-12T05:55:18.557Z", "2021-10-12T05:55:25.548Z"),
    ("Completed", "2021-10-12T05:55:25.548Z", "2021-10-12T05:55:25.548Z"),
)
LONG_UPLOAD = (
    ("Starting", "2022-02-16T17:14:13.461+00:00", "2022-02-16T17:15:47.782+00:00"),
    ("Downloading", "2022-02-16T17:15:47.782+00:00", "2022-02-16T17:16:08.568+00:00"),
    ("Training", "2022-02-16T17:16:08.568+00:00", "2022-02-16T17:51:10.623+00:00"),
    ("Uploading", "2022-02-16T17:51:10.623+00:00", "2022-02-16T18:06:18.005+00:00"),
    ("Completed", "2022-02-16T18:06:18.005+00:00", "2022-02-16T18:06:18.005+00:00"),
)
CUT = (
    ("Starting", "2021-10-12T05:49:40.493Z", "2021-10-12T05:52:46.108Z"),
    ("Downloading", "2021-10-12T05:52:46.108Z", None),
)
NO_CAPACITY = (
    ("Pending", "2026-09-10T17:56:33.000+00:00", "2026-09-10T18:02:08.000+00:00"),
    ("Stopped", "2026-09-10T18:02:08.000+00:00", "2026-09-10T18:02:08.000+00:00"),
)
PUBLISHED = {
    "trained": (TRAINED, Phases(start=185.615, download=49.385, train=103.064, upload=6.991, first_start=185.615)),
    "long-upload": (
        LONG_UPLOAD,
        Phases(start=94.321, download=20.786, train=2102.055, upload=907.382, first_start=94.321),
    ),
    "cut": (CUT, Phases(start=185.615, first_start=185.615)),
    "no-capacity": (NO_CAPACITY, Phases(start=335.0)),
}


def answer(*told: tuple[str, str | None, str | None]) -> dict[str, Any]:
    """What boto3 makes of these transitions."""
    keys = ("Status", "StartTime", "EndTime")
    made = [
        {
            key: value if key == "Status" else datetime.fromisoformat(value.replace("Z", "+00:00"))
            for key, value in zip(keys, one, strict=True)
            if value
        }
        for one in told
    ]
    return {"SecondaryStatusTransitions": made}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_transitions_are_read(name: str) -> None:
    """What lasted is told to the millisecond; what has no end is unknown, and what never was is not a zero."""
    told, expected = PUBLISHED[name]
    assert phases(transitions(answer(*told)), None) == expected


def test_a_job_is_what_the_service_says_it_trained() -> None:
    """TrainingTimeInSeconds is all that comes after the start: download, training and upload."""
    for told, seconds in ((TRAINED, 159), (LONG_UPLOAD, 3031)):
        found = phases(transitions(answer(*told)), None)
        on_machine = (found.download or 0) + (found.train or 0) + (found.upload or 0)
        assert on_machine == pytest.approx(seconds, abs=1)  # it counts whole seconds


def test_every_status_of_the_service_has_a_phase_or_is_an_end() -> None:
    """By botocore's model: a status that is new there is placed here, or is `other` until then."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert set(model.shape_for("SecondaryStatus").enum) == {*PHASES, *ENDS}
    told = [["Teleporting", 0.0, 5.0], ["Training", 5.0, 8.0], ["Failed", 8.0, 8.0]]
    assert phases(told, 8.0) == Phases(train=3.0, other=5.0, first_start=5.0)


TIMES = st.one_of(st.none(), st.integers(0, 1000).map(float))
TOLD = st.lists(st.tuples(st.sampled_from([*PHASES, "Teleporting", "Failed"]), TIMES, TIMES), max_size=8)


@given(TOLD, st.integers(0, 1000).map(float))
def test_no_second_is_lost_or_counted_twice(told: list[tuple[str, float | None, float | None]], end: float) -> None:
    """Overlapping, unordered, unknown, without start or end: the phases make up the job's life, from first to last."""
    found = phases(told, end)
    placed = [(start, status) for status, start, _ in told if start is not None]
    over = min((start for start, status in placed if status in ENDS), default=end)
    begun = min((start for start, status in placed if status not in ENDS), default=over)
    assert sum(getattr(found, phase.value) or 0.0 for phase in Phase) == max(0.0, over - begun)
    assert phases(list(reversed(told)), end).first_start == found.first_start


def test_an_interrupted_spot_job_has_the_waits_for_its_machines_apart() -> None:
    """Three attempts of one job at the twin: what they trained is the service's own number, the rest is waits."""
    subject = twin(Script(1000.0, stops_in=0.0), spot_interruptions=(200.0, 300.0), spot_wait_s=90.0)
    subject.create_training_job(spot(**CHECKPOINTS))
    found = ended(subject)
    read = phases(transitions(found), None)
    on_machines = sum(seconds or 0.0 for seconds in (read.download, read.train, read.upload))
    assert on_machines == pytest.approx(found["TrainingTimeInSeconds"], abs=1)
    assert read.interrupted == pytest.approx(180.0, abs=1)
    life = (found["TrainingEndTime"] - found["CreationTime"]).total_seconds()
    assert on_machines + (read.start or 0) + (read.interrupted or 0) == pytest.approx(life, abs=0.01)


# -- what follows from them: rows, the plan, the keep-alive -----------------------------------------------------------


def a_job(i: int, begun: float, start: float = 100.0, attempt: int = 1, status: str = "completed") -> list[ev.Event]:
    """A job of trial i that got its machine after `start` seconds, and trained for 50 with 3 of upload."""
    at = (begun, begun + start, begun + start + 7, begun + start + 50, begun + start + 53)
    words = ("Starting", "Downloading", "Training", "Uploading")
    told = [[word, since, until] for word, since, until in zip(words, at, at[1:], strict=False)]
    times = {"started_at": at[1], "ended_at": at[-1], "train_seconds": 53.0}
    return done(i, status, attempt, transitions=[*told, ["Completed", at[-1], at[-1]]], **times)


def reused(i: int, by: int) -> ev.PoolClosed:
    """The pool of trial i went to the job of another."""
    return ev.PoolClosed(intent(i).name, "reused_by_own", intent(by).name, retained_s=9.0)


PAST = [*a_job(0, 1000), reused(0, 1), *a_job(1, 1165, 20), ev.PoolClosed(intent(1).name, "terminated", retained_s=4.0)]


def test_rows_tell_the_phases_of_all_attempts_and_for_how_long_the_pool_idled() -> None:
    """Sums over attempts; a pool idles until the next Create, else for as long as it was billed for."""
    table = results(a_sweep(2), fold([OPENED, *PAST, *a_job(0, 2000, 30, attempt=2)]))
    assert table.columns[-4:] == ("start_seconds", "download_seconds", "upload_seconds", "idle_seconds")
    shown = [tuple(row[key] for key in table.columns[-4:]) for row in table.rows]
    assert shown == [(130.0, 14.0, 6.0, 12.0), (20.0, 7.0, 3.0, 4.0)]


def test_a_journal_of_before_they_were_kept_has_no_phases() -> None:
    """Unknown, not zero: in the rows, in a plan and in the keep-alive, which go by what was told then."""
    event = done(0)[-1]
    older = {key: value for key, value in to_dict(event).items() if key not in ("transitions", "output", "checkpoints")}
    chain = fold([OPENED, *done(0)[:-1], from_dict("outcome", older)])
    assert chain.jobs[intent(0).name].phases == Phases()
    row = results(a_sweep(1), chain).rows[0]
    assert {row[key] for key in ("start_seconds", "upload_seconds", "idle_seconds", "output", "checkpoints")} == {None}
    assert paces.started(chain) == paces.Starts()
    assert time_line(chain) == ""


def measured(engine: EngineKind) -> paces.Assumed:
    """What a plan assumes after that past."""
    sweep = a_sweep(4, engine=engine, composed={"assume": {"cold_start_s": 300, "warm_start_s": 20}})
    return paces.assumed(sweep, fold([OPENED, *PAST]))


def test_a_plan_takes_the_starts_that_were_measured_where_they_were_real() -> None:
    """On AWS they replace the guesses; the local engine's own say nothing about SageMaker, but all about itself."""
    there, here = measured(EngineKind.AWS), measured(EngineKind.LOCAL)
    assert (there.cold_start_s, there.warm_start_s) == (100.0, 20.0)
    assert (here.cold_start_s, here.warm_start_s) == (300.0, 20.0)
    assert there.starts == here.starts == paces.Starts(100.0, 1, 20.0, 1)
    assert plan.here(a_sweep(4), 2, here, 1) == plan.Estimate("here", 100 + 20 + 2 * 53, 0.0)
    assert plan.here(a_sweep(4, backend=OnDemand()), 2, here, 1) == plan.Estimate("here", 200 + 2 * 53, 0.0)


def test_the_keep_alive_is_fitted_to_the_gap_until_the_next_create() -> None:
    """Not until the next one trains: its start happens on the pool that it already has."""

    def gap(seconds: float) -> Chain:
        return fold([OPENED, *a_job(0, 0), reused(0, 1), *a_job(1, 153 + seconds, 500)])

    assert idle_seconds(gap(40)) == {intent(0).name: 40.0}
    assert fitting(gap(40)) == 120
    assert fitted(gap(40)) == "120 s (the longest of 1 gap between jobs was 40 s)"
    assert "a guess" in fitted(Chain())
    sweep = a_sweep(2, pool=PoolSettings(keep_alive_s="auto"))
    assert dict(plan.terms(sweep, gap(40), None))["keep-alive"] == f"auto: {fitted(gap(40))}"


def test_where_the_time_went_is_told_in_one_line() -> None:
    """What was seen of every job together, and what the pool idled; what is simulated is called so."""
    told = "2:00 min to start, 14 s to download, 1:26 min to train, 6 s to upload; the pool idled for 16 s"
    on_aws = replace(OPENED, scope="s@123456789012.us-east-1")
    assert time_line(fold([on_aws, *PAST])) == f"time: {told}"
    assert time_line(fold([OPENED, *PAST])) == f"time on the local engine, its simulated starts included: {told}"


def test_an_outcome_keeps_where_everything_went() -> None:
    """The folder of what was left, and of the checkpoints, as Describe names them; they are columns of the row."""
    described = {
        "TrainingJobStatus": "Completed",
        "OutputDataConfig": {"S3OutputPath": "s3://b/out/"},
        "CheckpointConfig": {"S3Uri": "s3://b/ckpt/0"},
        "CreationTime": datetime(2026, 1, 1, tzinfo=timezone.utc),
    }
    begun = fold([OPENED, *done(0)[:3]])
    made = outcome(begun.jobs[intent(0).name], described, {}, "", ())
    assert (made.output, made.checkpoints) == (f"s3://b/out/{made.name}/output/", "s3://b/ckpt/0")
    row = results(a_sweep(1), fold([OPENED, *done(0)[:3], made])).rows[0]
    assert (row["output"], row["checkpoints"]) == (made.output, made.checkpoints)
