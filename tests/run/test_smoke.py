"""The sixteen questions against the twin: which of the services that the engine can be is found out by asking it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.ports import Request
from sweeper.core.smoke.budget import Budget, worst_s
from sweeper.core.smoke.jobs import EXIT_CODE, METRIC, SECONDS, Bed, Pace
from sweeper.core.smoke.questions import Account, Question, merged, open_of, recording
from sweeper.core.waits import Waits
from sweeper.engine.settings import EngineSettings
from sweeper.engine.training.refusals import USUAL, Refused
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.faults import Faults
from sweeper.engine.wire.permissions import Permissions
from sweeper.errors import UsageError
from sweeper.run.smoke.bench import Bench
from sweeper.run.smoke.questioning import Questioning
from sweeper.testing import draws
from sweeper.testing.twin import Script, Twin

ROLE = "arn:aws:iam::123456789012:role/sweeper"
NETWORK = {"subnets": ["subnet-1", "subnet-2"], "security_group_ids": ["sg-1"]}
OF_POOLS = {Question.FAILED, Question.TIMED_OUT, Question.UNKEPT, Question.NETWORK, Question.EXTENSION}
NEAR_S = 1.5
"""Looks are a second apart."""


def script(request: Request, rng: random.Random) -> Script:
    """What the container of a question does."""
    told = request["Environment"]
    code = int(told[EXIT_CODE])
    return Script(float(told[SECONDS]), code, "it was to fail" if code else "", metrics={METRIC: 1.0})


class World:
    """A twin, and the questions asked of it."""

    def __init__(self, settings: ServiceSettings, faults: Faults | None = None, **bench: Any) -> None:
        self.twin = Twin(settings=settings, faults=faults, behaviour=script)
        self.said: list[str] = []
        self.events: list[ev.Event] = []
        usual: dict[str, Any] = {
            "waits": Waits(),
            "pace": Pace(),
            "bed": Bed({"role_arn": ROLE, **NETWORK}, "image", "s3://bucket/smoke", "us-east-1"),
            "owner": "me",
            "stamp": "0",
            "note": self.events.append,
            "say": self.said.append,
        }
        self.bench = Bench(self.twin, self.twin.clock, **{**usual, **bench})
        self.questioning = Questioning(self.bench)

    def ask(self) -> None:
        """All of them; however it ends nothing may be left."""
        try:
            self.questioning.ask()
        finally:
            assert not self.bench.chain.debts
            assert not self.twin.idle_pools()
            assert not self.twin.service.running

    @property
    def answers(self) -> Mapping[str, Any]:
        """What was found out, as settings of the engine."""
        return merged(self.questioning.asking.answers.values())

    @property
    def open(self) -> dict[Question, str]:
        """What was not, and why."""
        return dict(open_of(self.questioning.asking.answers))


def differing(found: Mapping[str, Any], settings: ServiceSettings) -> dict[str, tuple[Any, Any]]:
    """The settings that were found to be others than they are; seconds are measured by looking."""
    usual = {what.value: text for what, text in USUAL.items()}
    truth = {name: getattr(settings, name) for name in found}
    truth["refusals"] = {**usual, **settings.refusals}
    wrong = {}
    for name, value in found.items():
        if name == "refusals":
            texts = {key: text for key, text in value.items() if text != truth[name][key]}
            wrong |= {key: (text, truth[name][key]) for key, text in texts.items()}
        elif abs(value - truth[name]) > (NEAR_S if isinstance(truth[name], float) else 0):
            wrong[name] = (value, truth[name])
    return wrong


@pytest.mark.parametrize("seed", range(10))
def test_the_world_that_was_drawn_is_found_out(seed: int) -> None:
    """Sixteen of sixteen are answered as the seed has drawn them, nothing is left open, and the dollar is kept."""
    world = World(draws.contrary(seed))
    world.ask()
    assert world.open == {}
    assert differing(world.answers, world.twin.service.settings) == {}
    assert world.bench.budget.spent_s < world.bench.budget.most_s


def test_the_engine_does_what_is_recorded() -> None:
    """An engine with the settings of a recording gives the same answers to the same questions."""
    first = World(replace(draws.contrary(1), pool_patch_rate=0.0))
    first.ask()
    told = recording(first.questioning.asking.answers, Account("1", "us-east-1", "ml.m5.large"), "1", 0.0)
    again = World(EngineSettings.from_mapping({**told["settings"], "cold_start_s": 90.0}).service)
    again.ask()
    assert told["answered"] == len(Question)
    assert again.open == {}
    assert differing(again.answers, replace(ServiceSettings(), **told["settings"])) == {}


def test_without_a_quota_for_pools_the_other_questions_are_answered() -> None:
    """What needs a pool that is kept says that there is none; everything else is answered."""
    world = World(ServiceSettings(cold_start_s=90.0, warm_pool_quota={"*": 0}))
    world.ask()
    assert {question for question in OF_POOLS if "quota" in world.open[question]} == OF_POOLS
    assert world.open.keys() - OF_POOLS <= {Question.RELEASE, Question.STOPPED, Question.UPDATE_LATE}
    assert differing(world.answers, world.twin.service.settings) == {}


def test_one_subnet_has_no_other_order() -> None:
    """Without a second subnet that one question is open, and says what it needs."""
    bed = Bed({"role_arn": ROLE, "subnets": ["subnet-1"]}, "image", "s3://bucket/smoke", "us-east-1")
    world = World(ServiceSettings(cold_start_s=90.0), bed=bed)
    world.ask()
    assert list(world.open) == [Question.NETWORK]
    assert "locked.subnets" in world.open[Question.NETWORK]


def test_who_may_not_release_is_told_before_anything_is_made() -> None:
    """A denied release ends it before the first Create."""
    world = World(ServiceSettings(deny=["sagemaker:UpdateTrainingJob"]))
    with pytest.raises(UsageError, match="may not release"):
        world.ask()
    assert not world.bench.chain.jobs


def test_a_pool_that_cannot_be_closed_is_named_with_its_command() -> None:
    """Where the right to release is taken away meanwhile, what may still bill is named, with what to type."""
    flags = "--region us-east-1"
    world = World(ServiceSettings(cold_start_s=90.0), flags=flags)

    def note(event: ev.Event) -> None:
        if isinstance(event, ev.Intent) and event.index == 3:
            world.twin.permissions = Permissions(ServiceSettings(deny=["sagemaker:UpdateTrainingJob"]))

    world.bench.note = note
    world.questioning.ask()
    named = {pool.name: pool for pool in world.questioning.unreleased}
    assert world.twin.idle_pools()
    assert set(named) >= set(world.twin.idle_pools())
    assert all(f"aws sagemaker update-training-job {flags}" in pool.command for pool in named.values())
    assert "could not be released" in world.open[Question.SPOT]


def test_a_quota_for_one_machine_leaves_open_what_needs_two() -> None:
    """With room for one machine alone the pool is let go before the next cold job; what that hides is left open."""
    settings = replace(draws.contrary(3), pool_patch_rate=0.0, training_quota={"*": 1})
    world = World(settings)
    world.ask()
    assert set(world.open) == {Question.NETWORK, Question.UNKEPT}
    assert all("no room" in why for why in world.open.values())
    assert differing(world.answers, settings) == {}


def test_a_denied_search_is_one_open_question() -> None:
    """What is denied keeps only its own question from being answered."""
    world = World(ServiceSettings(cold_start_s=90.0, deny=["sagemaker:Search"]))
    world.ask()
    assert list(world.open) == [Question.SEARCH]
    assert "AccessDenied" in world.open[Question.SEARCH]


def test_a_first_job_that_is_refused_ends_it() -> None:
    """Where the first job is refused no second one is tried, and the reason is told."""
    world = World(ServiceSettings(deny=["sagemaker:CreateTrainingJob"]))
    with pytest.raises(UsageError, match="first job is refused"):
        world.ask()
    assert len(world.bench.chain.jobs) == 1


def after(looks: int) -> Callable[[], bool]:
    """A person who asks to end after so many looks."""
    left = iter(range(looks))
    return lambda: next(left, None) is None


@pytest.mark.parametrize("looks", [0, 1, 40, 150, 300, 700, 1100, 1500])
def test_whoever_ends_it_keeps_what_is_known(looks: int) -> None:
    """Ended at any moment everything is closed, what was answered stays right, and the rest is open."""
    world = World(replace(draws.contrary(3), pool_patch_rate=0.0), interrupted=after(looks))
    world.ask()
    assert world.questioning.interrupted
    assert world.open
    assert differing(world.answers, world.twin.service.settings) == {}


def test_no_job_is_sent_that_could_cost_too_much() -> None:
    """At no moment could all jobs together come to more than the budget; what it does not allow is left open."""
    allowed = Budget(4 * worst_s(120, 600))
    world = World(ServiceSettings(cold_start_s=90.0), budget=allowed)
    world.ask()
    assert Question.LONGEST in world.open
    assert "could cost more" in world.open[Question.LONGEST]
    assert allowed.spent_s <= allowed.most_s


def test_every_job_is_owed_before_it_is_sent() -> None:
    """The journal names each job, and for how long its pool may live, before its Create is sent."""
    known: dict[str, int] = {}
    late: list[str] = []

    def note(event: ev.Event) -> None:
        if isinstance(event, ev.Intent | ev.Extended):
            known[event.name] = max(known.get(event.name, 0), event.keep_alive_s)

    class Watched(Twin):
        def request(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
            asked = (params.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds", 0)
            if operation in ("CreateTrainingJob", "UpdateTrainingJob") and asked > known.get(
                params["TrainingJobName"], 0
            ):
                late.append(params["TrainingJobName"])
            return super().request(operation, params)

    world = World(draws.contrary(4), note=note)
    world.bench.api = Watched(world.twin.clock, settings=draws.contrary(4), behaviour=script)
    world.questioning.ask()
    assert len(known) > 8
    assert not late


@pytest.mark.parametrize("seed", [5, 8])
def test_a_bad_wire_spoils_no_answer(seed: int) -> None:
    """Throttling, lost requests and lost answers cost time; what is neither a time nor a text is answered as drawn."""
    faults = Faults(throttled=0.05, lost_before=0.02, lost_after=0.02, unavailable=0.02)
    world = World(replace(draws.contrary(seed), pool_patch_rate=0.0), faults)
    world.ask()
    found = {name: value for name, value in world.answers.items() if isinstance(value, bool)}
    assert len(found) >= 8
    assert differing(found, world.twin.service.settings) == {}


def test_a_refusal_is_recorded_without_the_name_of_a_job() -> None:
    """The recorded text has a place for the name, so that the engine says it of any job."""
    world = World(ServiceSettings(cold_start_s=90.0))
    world.ask()
    assert world.answers["refusals"][Refused.UPDATE_RUNNING.value] == USUAL[Refused.UPDATE_RUNNING]


def test_a_longer_life_that_was_refused_is_not_waited_for() -> None:
    """The last job shows no pool, and its keep-alive was never made longer: it is closed when that is seen."""
    world = World(ServiceSettings())
    world.ask()
    last = list(world.bench.timelines.values())[-1]
    assert world.bench.clock.now() - last.ended_at < world.bench.pace.keep_alive_s
