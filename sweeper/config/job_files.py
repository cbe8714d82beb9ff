"""The folders of this machine that a job reads: they are there, they can be sent, and what is in them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper.config import project
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
    found: dict[tuple[str, ...], Folder] = {}
    for name, channel in channels(job).items():
        if channel.folder is not None:
            said = job["inputs"][name]
            path = ("job", "inputs", name, *(["folder"] if isinstance(said, Mapping) else []))
            folder = _folder(draft, path, channel.folder, job)
            if folder is not None:
                found[path] = replace(folder, data=True, most_mb=job["max_input_mb"])
    return found


def _folder(draft: Draft, path: tuple[str, ...], where: str, job: Sections) -> Folder | None:
    folder = draft.root / where
    if project.is_dir(folder):
        found = Folder(folder, draft.root)
        if not found.outside or job["allow_outside_project"]:
            return found
        what = f"{where!r} lies outside of the project {draft.root}: all of it would be sent; "
        draft.wrong(path, what + "move it in, or set job.allow_outside_project=true")
        return None
    beside = folder.parent.iterdir() if project.is_dir(folder.parent) else iter(())
    near = [p.relative_to(draft.root).as_posix() for p in beside if p.is_dir() and p.is_relative_to(draft.root)]
    draft.wrong(path, f"there is no folder {brief(where)}{nearest(where, near)}")
    return None


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
