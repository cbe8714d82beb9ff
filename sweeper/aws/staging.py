"""Staging: the source goes to S3 once per content, with the driver that starts it; never once per job."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper import driver
from sweeper.aws.clients import Clients
from sweeper.aws.errors import mapped
from sweeper.core import dependencies
from sweeper.core.model import Launch, Scope
from sweeper.core.request import ARCHIVE, Staged, canonical, default_output
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.record.source import Folder, SourceError


def files_of(folder: Folder) -> dict[str, Path]:
    """The path of every file to stage by its relative name, sorted. Raises UsageError for a link that leads out."""
    try:
        return dict(folder.files())
    except SourceError as error:
        raise UsageError(f"{folder.path}: {error}") from error


def tarball(folder: Folder, instead: Mapping[str, bytes] | None = None) -> bytes:
    """The folder as source.tar.gz, with files `instead` of its own; the same content gives the same bytes."""
    instead = instead or {}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        found = {name: path for name, path in files_of(folder).items() if name not in instead}
        for name in sorted({*found, *instead}):
            data = instead[name] if name in instead else found[name].read_bytes()
            runs = name in found and found[name].stat().st_mode & 0o100
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755 if runs else 0o644
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def requirements(name: str, folder: Folder, versions: Mapping[str, str | None], launch: Launch) -> dict[str, bytes]:
    """The requirements files of a job that are others than those of its source, by name.

    They change with the versions that its trial declares; the toolkit finds one of another name by way of its own.
    """
    there = files_of(folder)

    def read(name: str) -> str | None:
        return there[name].read_text(encoding="utf-8") if name in there else None

    written = dependencies.rewrite(name, read, versions) if versions else {}
    if launch is Launch.TOOLKIT and name != dependencies.TOOLKITS:
        written[dependencies.TOOLKITS] = f"-r {name}\n"
    return {name: text.encode() for name, text in written.items()}


class Staging:
    """Puts what jobs read where they read it; each content once, remembered for this invocation."""

    def __init__(self, clients: Callable[[], Clients], scope: Scope, sweep: str, project: Path) -> None:
        self._clients, self._scope, self._sweep, self._project = clients, scope, sweep, project
        self._done: dict[str, Staged] = {}
        self._buckets: set[str] = set()

    def __call__(self, config: Mapping[str, Any]) -> Staged:
        """Where the code and data of this resolved trial lie. Uploads what is missing."""
        job = config["job"]
        key = canonical(
            [job.get(k) for k in ("launch", "source_dir", "entry_script", "requirements", "metrics", "arguments")]
        )
        versions = config.get("dependencies") or {}
        key += canonical([job.get("inputs"), job.get("output_path"), job.get("checkpoint_s3_uri"), versions])
        if key not in self._done:
            self._done[key] = self._stage(job, versions)
        return self._done[key]

    def forget(self) -> None:
        """Whatever was put there is not there any more."""
        self._done.clear()
        self._buckets.clear()

    def _stage(self, job: Mapping[str, Any], versions: Mapping[str, str | None]) -> Staged:
        home = default_output(self._scope.account, self._scope.region, self._sweep)
        output = (job.get("output_path") or home).rstrip("/")
        bucket, prefix = _split(output)
        self._need_bucket(bucket)
        if job.get("checkpoint_s3_uri"):
            self._need_bucket(_split(job["checkpoint_s3_uri"])[0])
        source = ""
        launch = Launch(job["launch"])
        if launch is not Launch.IMAGE:
            folder = Folder(self._project / job["source_dir"], self._project)
            needed = job.get("requirements") or (dependencies.file_for(launch) if versions else None)
            files = {
                "launch.json": _launch({**job, "requirements": needed}).encode(),
                **{name: Path(driver.__file__).with_name(name).read_bytes() for name in driver.FILES},
                ARCHIVE: tarball(folder, requirements(needed, folder, versions, launch) if needed else None),
            }
            content = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in files.values())).hexdigest()
            source = self._put_once(bucket, f"{prefix}/source/{content[:16]}", files)
        inputs = {name: self._input(job, name, bucket, prefix) for name in job.get("inputs", {})}
        return Staged(source=source, inputs=inputs, output=output)

    def _input(self, job: Mapping[str, Any], channel: str, bucket: str, prefix: str) -> str:
        where = str(job["inputs"][channel])
        if where.startswith("s3://"):
            return where
        folder = Folder(self._project / where, self._project, data=True)
        if folder.outside and not job.get("allow_outside_project"):
            raise UsageError(f"job.inputs.{channel}: {where!r} lies outside of the project")  # a swept one
        files = {name: path.read_bytes() for name, path in files_of(folder).items()}
        if not files:
            raise UsageError(f"job.inputs.{channel}: {folder.path} holds no files")
        names = canonical({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
        content = hashlib.sha256(names.encode()).hexdigest()
        return self._put_once(bucket, f"{prefix}/inputs/{channel}/{content[:16]}", files) + "/"

    def _put_once(self, bucket: str, prefix: str, files: Mapping[str, bytes]) -> str:
        """Upload these files below the prefix unless they are there; the last one goes last and proves the rest."""
        last = list(files)[-1]
        if not self._exists(bucket, f"{prefix}/{last}"):
            for name, data in files.items():
                with mapped("PutObject"):
                    self._s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=data)
        return f"s3://{bucket}/{prefix}"

    def _exists(self, bucket: str, key: str) -> bool:
        try:
            with mapped("HeadObject"):
                self._s3.head_object(Bucket=bucket, Key=key)
        except ApiError as error:
            # Without ListBucket S3 answers 403 for what is not there: uploading again does no harm.
            if error.kind in (ApiErrorKind.NOT_FOUND, ApiErrorKind.DENIED):
                return False
            raise
        return True

    def _need_bucket(self, bucket: str) -> None:
        if bucket in self._buckets:
            return
        try:
            with mapped("HeadBucket"):
                self._s3.head_bucket(Bucket=bucket)
        except ApiError as error:
            if error.kind is not ApiErrorKind.NOT_FOUND:
                raise
            self._create_bucket(bucket)
        self._buckets.add(bucket)

    def _create_bucket(self, bucket: str) -> None:
        region = self._scope.region
        # us-east-1 is the one region that must not be named.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with mapped("CreateBucket"):
            self._s3.create_bucket(Bucket=bucket, **where)

    @property
    def _s3(self) -> Any:
        return self._clients().client("s3")


class Located(Staging):
    """Where staging would put things, without asking or sending anything: what a plan shows."""

    def _put_once(self, bucket: str, prefix: str, files: Mapping[str, bytes]) -> str:
        return f"s3://{bucket}/{prefix}"

    def _need_bucket(self, bucket: str) -> None:
        pass


def _launch(job: Mapping[str, Any]) -> str:
    """What the driver needs to know: launch.json."""
    return canonical(
        {
            "entry_script": job["entry_script"],
            "requirements": job.get("requirements"),
            "metrics": [{"name": m["name"], "regex": m["regex"]} for m in job.get("metrics") or []],
            **({"arguments": job["arguments"]} if job.get("arguments") else {}),
        }
    )


def _split(uri: str) -> tuple[str, str]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise UsageError(f"job.output_path: {uri!r} is not an S3 URI; write s3://BUCKET/PREFIX or leave it out")
    return bucket, prefix.strip("/")
