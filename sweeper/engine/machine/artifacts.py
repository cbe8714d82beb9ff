"""What a job leaves: its model and its output data go to S3, and its folder is cleared."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

from sweeper.engine.around.s3 import ObjectStore, parse_uri
from sweeper.engine.machine import folders
from sweeper.engine.machine.feeder import PIPES
from sweeper.engine.machine.folders import JobFolder, JobView, link_in


def upload(view: JobView, folder: JobFolder, objects: ObjectStore, *, with_model: bool) -> None:
    """Upload the artifacts of an ended job, as archives or file by file; raises NoSuchBucketError."""
    output = view.request["OutputDataConfig"]
    bucket, prefix = parse_uri(output["S3OutputPath"])
    base = "/".join(part for part in (prefix.strip("/"), view.name, "output") if part)
    for source, artifact in (("output/data", "output"), *((("model", "model"),) if with_model else ())):
        path = folder.ml / source
        if link_in(folder.ml, source) is not None:
            folder.say(f"{source} is a link, or lies behind one: it is not followed, and nothing of it is uploaded")
        elif not path.is_dir() or not any(path.iterdir()):
            continue
        elif output.get("CompressionType") == "NONE":
            for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
                objects.put(bucket, f"{base}/{artifact}/{file.relative_to(path)}", file)
        else:
            _put_packed(path, folder.path, objects, bucket, f"{base}/{artifact}.tar.gz")


def _put_packed(path: Path, beside: Path, objects: ObjectStore, bucket: str, key: str) -> None:
    """Everything in a folder as one archive, which is made `beside` it."""
    with tempfile.NamedTemporaryFile(dir=beside, suffix=".tar.gz") as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
            for item in sorted(path.iterdir()):
                tar.add(item, item.name)
        packed.flush()
        objects.put(bucket, key, Path(packed.name))


def clear(folder: JobFolder) -> None:
    """What is in S3 now, or was copied from there, is not kept twice."""
    folder.clear("input/data", "model", "output/data", "checkpoints", "code", "environment", folders.CACHE)
    for name in ("home", PIPES):
        shutil.rmtree(folder.path / name, ignore_errors=True)
