"""The page about requests, written from the table that they are built of.

`python -m sweeper.config.requests FILE` replaces what stands between the two marks in a Markdown file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sweeper.core import answered, pieces
from sweeper.core.job import Job, Locked
from sweeper.core.members import members

BEGIN = "<!-- requests: begin; written by `python -m sweeper.config.requests` -->"
END = "<!-- requests: end -->"
ELSEWHERE: Mapping[str, str] = {
    "HyperParameters": "hyperparameters",
    "Environment": "environment",
    "InputDataConfig.ChannelName": "job.inputs",
    "Tags": "job.tags",
    "ResourceConfig.KeepAlivePeriodInSeconds": "pool.keep_alive_s",
    "EnableManagedSpotTraining": "backend=spot",
    "StoppingCondition.MaxWaitTimeInSeconds": "backend.wait_s",
    "TrainingJobName": "owner, name",
}
"""Members that another section says, or several of its keys."""


def settable() -> dict[str, str]:
    """What says each member that an experiment may say, by the member's dotted name."""
    found = {member: [f"locked.{name}"] for member, name in members(Locked)}
    for member, name in members(Job):
        inside = name.removeprefix("inputs")
        found.setdefault(member, []).append(f"job.inputs.NAME{inside}" if inside != name else f"job.{name}")
    return {**{member: ", ".join(names) for member, names in found.items()}, **ELSEWHERE}


def text() -> str:
    """The tables."""
    return "\n".join(
        [
            *_table("What an experiment says", ("member of CreateTrainingJob", "where"), _in_code(settable())),
            *_table("What `request` alone says", ("member", "why no option does"), pieces.ALONE),
            *_table("What no request has", ("member", "why"), pieces.REFUSED),
            *_table(
                "What is read of an answer", ("member of DescribeTrainingJob", "what becomes of it"), answered.READ
            ),
            *_table("What is left alone", ("member of DescribeTrainingJob", "why"), answered.UNREAD),
        ]
    )


def _in_code(said: Mapping[str, str]) -> dict[str, str]:
    return {member: f"`{where}`" for member, where in said.items()}


def _table(heading: str, columns: tuple[str, str], rows: Mapping[str, str]) -> Iterator[str]:
    yield from (f"## {heading}", "", f"| {columns[0]} | {columns[1]} |", "|---|---|")
    yield from (f"| `{member}` | {what} |" for member, what in rows.items())
    yield ""


def replaced(document: str) -> str:
    """The document with the current tables between its marks."""
    before, rest = document.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{text()}\n{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(replaced(page.read_text(encoding="utf-8")), encoding="utf-8")
