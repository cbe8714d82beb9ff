"""The folders of this machine that a job reads: they are there, they can be sent, and what is in them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper.config import project
from sweeper.config.check import Finding
from sweeper.config.draft import Draft
from sweeper.config.problems import brief, dotted, nearest
from sweeper.core.channels import channels
from sweeper.core.model import Launch
from sweeper.record.source import OURS, Folder, SourceError

Sections = Mapping[str, Any]

MOST_NAMES = 5
"""Names of files that a warning tells."""


def source_folder(draft: Draft, job: Sections) -> Folder | None:
    """The folder with the code, when it and the files named in it are there."""
    starts_script = job["launch"] != Launch.IMAGE.value
    if job["source_dir"] is None:
        if starts_script:
            draft.wrong(("job", "source_dir"), f"is missing: launch {job['launch']} starts a script", missing=True)
        return None
    folder = _folder(draft, ("job", "source_dir"), job["source_dir"], job)
    if folder is not None:
        folder = replace(folder, most_mb=job["max_source_mb"])
    names = _names(draft, folder) if folder else None
    if folder is None or names is None:
        return None
    for key in ("entry_script", "requirements"):
        if job[key] is None:
            if key == "entry_script" and starts_script:
                draft.wrong(("job", key), "is missing: name the script to start", missing=True)
        elif Path(job[key]).is_absolute() or ".." in Path(job[key]).parts:
            draft.wrong(("job", key), f"{brief(job[key])} leads out of source_dir: name a file in {job['source_dir']}")
        elif not project.is_file(folder.path / job[key]):
            near = nearest(job[key], names)
            draft.wrong(("job", key), f"there is no file {brief(job[key])} in {job['source_dir']}{near}")
        elif posixpath.normpath(job[key]) not in names:
            what = f"{job[key]!r} is not sent: an ignore file or its name leaves it out; write !{job[key]} into {OURS}"
            draft.wrong(("job", key), what)
    return folder


def input_folders(draft: Draft, job: Sections) -> dict[tuple[str, ...], Folder]:
    """The channels that are folders of this machine, by the path of their key."""
    found = {path: _folder(draft, path, where, job) for path, where in _channel_folders(job)}
    return {path: replace(f, data=True, most_mb=job["max_input_mb"]) for path, f in found.items() if f}


def not_there(draft: Draft, job: Sections) -> Iterator[Finding]:
    """The channels of a trial whose folders cannot be sent, and the files that it names and its source has not."""
    for path, where in _channel_folders(job):
        if what := _why_not(draft.root, where, job):
            yield path, f"cannot be sent: {what}"
    source = draft.root / (job["source_dir"] or "")
    for key in ("entry_script", "requirements"):
        if job["source_dir"] and job[key] and not project.is_file(source / job[key]):
            yield ("job", key), f"is no file in {job['source_dir']}"


def _channel_folders(job: Sections) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where the channels lie that are folders of this machine, by the path of their key."""
    for name, channel in channels(job).items():
        if channel.folder is not None:
            said = job["inputs"][name]
            yield ("job", "inputs", name, *(["folder"] if isinstance(said, Mapping) else [])), channel.folder


def _folder(draft: Draft, path: tuple[str, ...], where: str, job: Sections) -> Folder | None:
    if what := _why_not(draft.root, where, job):
        draft.wrong(path, what)
        return None
    return Folder(draft.root / where, draft.root)


def _why_not(root: Path, where: str, job: Sections) -> str:
    """Why a folder cannot be sent, in words; empty when it can."""
    folder = root / where
    if project.is_dir(folder):
        if not Folder(folder, root).outside or job["allow_outside_project"]:
            return ""
        what = f"{where!r} lies outside of the project {root}: all of it would be sent; "
        return what + "move it in, or set job.allow_outside_project=true"
    beside = folder.parent.iterdir() if project.is_dir(folder.parent) else iter(())
    near = [p.relative_to(root).as_posix() for p in beside if p.is_dir() and p.is_relative_to(root)]
    return f"there is no folder {brief(where)}{nearest(where, near)}"


def _names(draft: Draft, folder: Folder) -> list[str] | None:
    """The files of the source; None when one of them cannot be staged."""
    try:
        return [name for name, _ in folder.files()]
    except (SourceError, OSError) as error:
        draft.wrong(("job", "source_dir"), str(error))
        return None


def digest_of(draft: Draft, path: tuple[str, ...], folder: Folder) -> str:
    """The digest of a folder's files; a file that cannot be staged is a problem of the key that names the folder."""
    try:
        found = folder.digest()
    except (SourceError, OSError) as error:
        draft.wrong(path, str(error))
        return ""
    if folder.secrets:
        named = ", ".join(sorted(folder.secrets)[:MOST_NAMES]) + (", ..." if len(folder.secrets) > MOST_NAMES else "")
        draft.warnings.append(f"{dotted(path)}: not sent, as the names say that they are secret: {named}")
    return found


def digests_of(draft: Draft, job: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The content of the folders that a job reads, in place of where they lie."""
    source = source_folder(draft, job)
    found = {path: digest_of(draft, path, f) for path, f in input_folders(draft, job).items()}
    return {("source",): digest_of(draft, ("job", "source_dir"), source) if source else "", **found}
