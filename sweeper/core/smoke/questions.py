"""The sixteen questions, an answer to each, and the recording of them all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypedDict

from sweeper.core.words import utc


class Question(Enum):
    """What is asked, in the order in which the questions are told."""

    COLD_STATUS = "what WarmPoolStatus does a first, cold job show while it runs"
    GAP = "how long does an ended job show no status of its pool"
    UPDATE_RUNNING = "what is said to an update of the keep-alive while the job runs"
    UPDATE_LATE = "what is said to one when the pool was reused, is terminated or is not shown"
    RELEASE = "how long after the release is a pool terminated, and until when is it billed"
    STOPPED = "is the pool of a stopped job kept, and what does a job show that was stopped before it had a machine"
    TIMED_OUT = "is the pool of a job kept that ran too long, and how late is it stopped"
    FAILED = "is the pool of a job kept whose script failed"
    LONGEST = "how long may a keep-alive be"
    SPOT = "what is said to a keep-alive for a managed spot job"
    NETWORK = "are subnets in another order another pool"
    MISSING = "what is said to the release of a job that never was"
    EXTENSION = "does a longer keep-alive count from the update or from the end of the job"
    METRICS = "how long after its end does a job show its final metrics"
    UNKEPT = "what becomes of a pool that a job without keep-alive finds"
    SEARCH = "how long after its creation does Search find a job"

    @property
    def id(self) -> str:
        """S1 to S16."""
        return f"S{list(Question).index(self) + 1}"


@dataclass(frozen=True)
class Answer:
    """What was found out. `settings`: those of the local engine that make it do the same."""

    question: Question
    words: str
    at: float
    """When it was known, in UTC seconds since the epoch."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    open: str = ""
    """Why it, or a part of it, is not answered; empty when it is."""


@dataclass(frozen=True)
class Account:
    """Where it was asked: of an account nothing else is written down."""

    number: str
    region: str
    instance_type: str


class Recording(TypedDict):
    """What an account was seen to do."""

    what: str
    version: str
    """Of sweeper."""
    recorded: str
    account: str
    region: str
    instance_type: str
    answered: int
    """How many of the questions are answered."""
    settings: dict[str, Any]
    """Of the local engine, that make it do the same."""
    questions: dict[str, Any]
    """By its id: each question, its answer and its evidence."""


def recording(answers: Mapping[Question, Answer], account: Account, version: str, at: float) -> Recording:
    """What is written down: each question, its answer and its evidence, and all settings together."""
    return {
        "what": "what an account was seen to do, for the local engine: engine.recorded=FILE",
        "version": version,
        "recorded": utc(at) or "",
        "account": account.number,
        "region": account.region,
        "instance_type": account.instance_type,
        "answered": sum(1 for question in Question if question in answers and not answers[question].open),
        "settings": merged(answers.values()),
        "questions": {question.id: _told(question, answers.get(question)) for question in Question},
    }


def merged(answers: Iterable[Answer]) -> dict[str, Any]:
    """The settings of all answers; the refusals, of which several questions ask, are put together."""
    found: dict[str, Any] = {}
    for answer in answers:
        for name, value in answer.settings.items():
            before = found.get(name)
            both = isinstance(value, Mapping) and isinstance(before, Mapping)
            found[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    return found


def open_of(answers: Mapping[Question, Answer]) -> Sequence[tuple[Question, str]]:
    """The questions that are not answered, or not whole, and why."""
    whys = ((question, answers[question].open if question in answers else "it was not asked") for question in Question)
    return [(question, why) for question, why in whys if why]


def _told(question: Question, answer: Answer | None) -> dict[str, Any]:
    if answer is None:
        return {"question": question.value, "answer": None, "open": "it was not asked"}
    return {
        "question": question.value,
        "answer": answer.words or None,
        "open": answer.open or None,
        "when": utc(answer.at),
        "settings": dict(answer.settings),
        "evidence": dict(answer.evidence),
    }
