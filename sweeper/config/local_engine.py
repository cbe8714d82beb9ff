"""What the local engine needs to be told, or has to find on this machine, beyond its schema."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from sweeper.config.draft import Draft, told
from sweeper.config.request_fits import inputs
from sweeper.core.channels import channel_of
from sweeper.core.model import Launch
from sweeper.core.scope import EngineKind
from sweeper.engine.settings import EngineSettings, placed

Sections = Mapping[str, Any]


def fits(draft: Draft, values: Sections) -> None:
    """What it is to do as an account did, what it runs for images, and what stands for file systems."""
    if not EngineKind(values["engine"]["kind"]).on_aws:
        _recording_is_one(draft, values)
        _images_run(draft, values)
        _file_systems_stand(draft, values)


def _recording_is_one(draft: Draft, values: Sections) -> None:
    """What the local engine is to do as an account did can be read, and is settings of it."""
    if told := values["engine"].get("recorded"):
        try:
            EngineSettings.from_mapping(placed({"recorded": told}, draft.root))
        except (ValueError, TypeError) as error:
            draft.wrong(("engine", "recorded"), str(error).removeprefix("recorded: "))


def _images_run(draft: Draft, values: Sections) -> None:
    """The local engine runs no image: what it is to run instead has to be said, or every such trial would fail."""
    engine, job = values["engine"], values["job"]
    launches = told(draft, job, "launch")
    images = {one for key in ("image_uri", "algorithm_name") for one in told(draft, job, key) if one is not None}
    if Launch.IMAGE.value not in launches or all(told(draft, job, "container_entrypoint")):
        return
    known = engine.get("images") or {}
    if other := next((image for image in sorted(images) if not any(fnmatchcase(image, p) for p in known)), None):
        instead = f"engine: {{images: {{{other!r}: [COMMAND]}}}}"
        what = f"image: the local engine runs no image: write what it is to run instead, {instead}, or take engine=aws"
        draft.wrong(("job", "launch"), what)


def _file_systems_stand(draft: Draft, values: Sections) -> None:
    """It mounts none: a folder of this machine has to stand for each that a channel is of."""
    folders = values["engine"].get("file_systems") or {}
    for name, folder in folders.items():
        if not (draft.root / folder).is_dir():
            draft.wrong(("engine", "file_systems", name), f"there is no folder {folder!r}")
    for path, said in inputs(draft, values["job"]):
        mounted = said is not None and (channel_of(said).efs or channel_of(said).fsx)
        if mounted and mounted.id not in folders:
            instead = f"engine: {{file_systems: {{{mounted.id}: FOLDER}}}}"
            what = f"the local engine mounts no file system: write which folder stands for it, {instead}"
            draft.wrong(path, f"{what}, or take engine=aws")
