"""What SageMaker would take and not do as it is told: half of a VPC, requirements nobody installs.

Each of them would be found out on a machine that bills, or never: they are refused where they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config import project
from sweeper.config.check import Finding
from sweeper.config.draft import Draft, told
from sweeper.config.problems import KeyPath, brief
from sweeper.core import dependencies
from sweeper.core.model import Launch

Sections = Mapping[str, Any]


def findings(draft: Draft, values: Sections) -> Iterator[Finding]:
    """Everything of this kind, at its key; the sections have the shape that their schemas say."""
    yield from _vpc(values["locked"])
    yield from _requirements(draft, values)


def _vpc(locked: Sections) -> Iterator[Finding]:
    groups, subnets = locked.get("security_group_ids"), locked.get("subnets")
    if groups and not subnets:
        yield ("locked", "security_group_ids"), "needs locked.subnets too: without them a job runs outside of the VPC"
    if subnets and not groups:
        yield ("locked", "subnets"), "needs locked.security_group_ids too: SageMaker takes no VPC without them"


def _requirements(draft: Draft, values: Sections) -> Iterator[Finding]:
    """Those that the toolkit does not look at, and those that a container without a network cannot fetch."""
    job, launches = values["job"], {Launch(launch) for launch in told(draft, values["job"], "launch")}
    named = [name for name in told(draft, job, "requirements") if name]
    wanted: list[tuple[KeyPath, str]] = [(("job", "requirements"), name) for name in named]
    if not wanted and values.get("dependencies"):
        wanted = [(("dependencies",), dependencies.file_for(Launch(job["launch"])))]
    if launches == {Launch.IMAGE}:
        what = "is installed by nobody under launch: image, whose packages are the image's own: leave it out"
        yield from ((path, what) for path, _ in wanted)
        return
    if wanted and Launch.TOOLKIT in launches and (what := _unseen(draft, job, [name for _, name in wanted])):
        yield wanted[0][0], what
    if not values["locked"].get("enable_network_isolation") or (values.get("environment") or {}).get("PIP_NO_INDEX"):
        return
    if not wanted and Launch.TOOLKIT in launches and _lies_there(draft, job, dependencies.TOOLKITS):
        wanted = [(("job", "source_dir"), dependencies.TOOLKITS)]  # the toolkit installs it unasked
    for path, name in wanted:
        if not _by_itself(draft, job, name):
            what = f"{name} may need a network, and locked.enable_network_isolation gives the job none: put wheels "
            yield path, what + "into source_dir, and --no-index and --find-links FOLDER into the file"


def _lies_there(draft: Draft, job: Sections, name: str) -> bool:
    return project.is_file(draft.root / str(job["source_dir"]) / name)


def _unseen(draft: Draft, job: Sections, wanted: list[str]) -> str:
    """Why the sagemaker-training toolkit would not install these; empty when it does."""
    its_own = dependencies.file_for(Launch.TOOLKIT)
    if not str(job["entry_script"] or "").endswith(".py"):
        return f"launch: toolkit installs {its_own} for a Python script alone, not for {brief(job['entry_script'])}"
    other = next((name for name in wanted if name != its_own), None)
    if other and _lies_there(draft, job, its_own):
        return f"launch: toolkit would install {its_own}, which lies in source_dir too, and not {other}: take one away"
    return ""


def _by_itself(draft: Draft, job: Sections, name: str) -> bool:
    """Does this file say that nothing is fetched from a package index?"""
    try:
        text = (draft.root / str(job["source_dir"]) / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(line.split("#")[0].strip() == "--no-index" for line in text.splitlines())
