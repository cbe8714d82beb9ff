"""What a job leaves: its model and its output data go to S3, and its folder is cleared."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from sweeper.engine.around.s3 import ObjectStore, parse_uri
from sweeper.engine.machine import folders
from sweeper.engine.machine.feeder import PIPES
from sweeper.engine.machine.folders import JobFolder, JobView, link_in

_NAMED = 5


def upload(view: JobView, folders: Sequence[JobFolder], objects: ObjectStore, *, with_model: bool) -> None:
    """Upload the artifacts of an ended job's hosts together, as archives or file by file; raises NoSuchBucketError."""
    output = view.request["OutputDataConfig"]
    bucket, prefix = parse_uri(output["S3OutputPath"])
    base = "/".join(part for part in (prefix.strip("/"), view.name, "output") if part)
    for source, artifact in (("output/data", "output"), *((("model", "model"),) if with_model else ())):
        files = _left(folders, source)
        if output.get("CompressionType") == "NONE":
            for name, path in sorted(files.items()):
                if path.is_file() and not path.is_symlink():
                    objects.put(bucket, f"{base}/{artifact}/{name}", path)
        elif files:
            _put_packed(files, folders[0].path, objects, bucket, f"{base}/{artifact}.tar.gz")


def _left(folders: Sequence[JobFolder], source: str) -> dict[str, Path]:
    """What the hosts have left in a folder, by its name there: where names clash, the first host's."""
    found: dict[str, Path] = {}
    for folder in folders:
        if link_in(folder.ml, source) is not None:
            folder.say(f"{source} is a link, or lies behind one: it is not followed, and nothing of it is uploaded")
            continue
        there = _below(folder.ml / source)
        clashing = [name for name, path in there.items() if _clashes(name, path, found)]
        found = {**{name: path for name, path in there.items() if name not in clashing}, **found}
        if clashing:
            named = f"{', '.join(clashing[:_NAMED])}{' and more' if len(clashing) > _NAMED else ''}"
            folder.say(f"not uploaded from {source}, as another host has left the same: {named}")
    return found


def _below(root: Path) -> dict[str, Path]:
    """Everything below a folder, by its path from there; raises OSError for a folder that cannot be read."""

    def refuse(error: OSError) -> None:
        raise error

    walked = os.walk(root, onerror=refuse) if root.is_dir() else ()
    paths = [Path(folder, name) for folder, folders, names in walked for name in (*folders, *names)]
    return {str(path.relative_to(root)): path for path in paths}


def _clashes(name: str, path: Path, found: Mapping[str, Path]) -> bool:
    """Has another host left something else where this is to be? A folder may be both hosts'."""
    if name in found:
        return not (_is_folder(path) and _is_folder(found[name]))
    return any(str(above) in found and not _is_folder(found[str(above)]) for above in PurePosixPath(name).parents)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _put_packed(files: Mapping[str, Path], beside: Path, objects: ObjectStore, bucket: str, key: str) -> None:
    """All of these as one archive, which is made `beside` it."""
    with tempfile.NamedTemporaryFile(dir=beside, suffix=".tar.gz") as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
            for name, path in sorted(files.items()):
                tar.add(path, name, recursive=False)
        packed.flush()
        objects.put(bucket, key, Path(packed.name))


def clear(folder: JobFolder) -> None:
    """What is in S3 now, or was copied from there, is not kept twice."""
    folder.clear("input/data", "model", "output/data", "checkpoints", "code", "environment", folders.CACHE)
    for name in ("home", PIPES):
        shutil.rmtree(folder.path / name, ignore_errors=True)
