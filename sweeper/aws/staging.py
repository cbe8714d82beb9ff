"""Staging: the source goes to S3 once per content, with the driver that starts it; never once per job or sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper import driver
from sweeper.aws.account import prove
from sweeper.aws.clients import Clients
from sweeper.aws.upload import Bucket
from sweeper.core import dependencies
from sweeper.core.channels import Channel, channels
from sweeper.core.identity import canonical
from sweeper.core.model import Launch
from sweeper.core.request import ARCHIVE, INPUTS, SOURCES, Staged, default_output, staged_below
from sweeper.core.scope import Scope
from sweeper.errors import UsageError
from sweeper.record import revision
from sweeper.record.parcel import Archive, Content, Parcel
from sweeper.record.snapshots import Sent
from sweeper.record.source import Folder, SourceError

NOT_STAGED = ("max_runtime_s", "checkpoint_local_path", "image_uri")
"""Keys of `job` that change nothing of what is staged."""


def files_of(folder: Folder) -> dict[str, Path]:
    """The path of every file to stage by its relative name, sorted.

    Raises UsageError for a link that leads out, for more than may be sent, and for what cannot be read.
    """
    try:
        folder.check_size()
        return dict(folder.files())
    except (SourceError, OSError) as error:
        raise UsageError(f"{folder.path}: {error}") from error


def archive(folder: Folder, instead: Mapping[str, bytes] | None = None) -> Archive:
    """The folder as source.tar.gz, with files `instead` of its own."""
    return Archive({**files_of(folder), **(instead or {})})


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
    """Puts what jobs read where they read it; each content once, remembered for this invocation.

    `keep` is told of every source that lies there.
    """

    def __init__(
        self,
        clients: Callable[[], Clients],
        scope: Scope,
        sweep: str,
        project: Path,
        keep: Callable[[Sent], None] = lambda sent: None,
    ) -> None:
        self._clients, self._scope, self._sweep, self._project, self._keep = clients, scope, sweep, project, keep
        self._done: dict[str, Staged] = {}
        self._buckets: set[str] = set()

    def __call__(self, config: Mapping[str, Any]) -> Staged:
        """Where the code and data of this resolved trial lie. Uploads what is missing."""
        job, versions = config["job"], config.get("dependencies") or {}
        key = canonical([{name: value for name, value in job.items() if name not in NOT_STAGED}, versions])
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
        self._need(self._bucket(job, output))
        if job.get("checkpoint_s3_uri"):
            self._need(self._bucket(job, job["checkpoint_s3_uri"]))
        inputs = {name: self._input(job, name, channel) for name, channel in channels(job).items() if channel.in_s3}
        if Launch(job["launch"]) is Launch.IMAGE:
            return Staged(source="", inputs=inputs, output=output)
        folder = Folder(self._project / job["source_dir"], self._project, most_mb=job.get("max_source_mb"))
        parcel = _parcel(job, _source(job, folder, versions))
        source, names = self._put(job, SOURCES, parcel), frozenset(files_of(folder))
        of = revision.of(folder.path, names)
        self._keep(Sent(source, parcel, names, folder.path, of))
        return Staged(source=source, inputs=inputs, output=output, revision=of)

    def _input(self, job: Mapping[str, Any], name: str, channel: Channel) -> str:
        where = channel.folder
        if where is None:
            return str(channel.uri)
        folder = Folder(self._project / where, self._project, data=True, most_mb=job.get("max_input_mb"))
        if folder.outside and not job.get("allow_outside_project"):
            raise UsageError(f"job.inputs.{name}: {where!r} lies outside of the project")  # a swept one
        files = files_of(folder)
        if not files:
            raise UsageError(f"job.inputs.{name}: {folder.path} holds no files")
        return self.put_once(job, INPUTS, files) + "/"

    def put_once(self, job: Mapping[str, Any], what: str, files: Mapping[str, Content]) -> str:
        """Where these files lie: below a prefix of their content, and beside it a note that all of them are there.

        The note goes last, and not at all when a file has changed while it was sent.
        """
        return self._put(job, what, _parcel(job, files))

    def _put(self, job: Mapping[str, Any], what: str, parcel: Parcel) -> str:
        try:
            where = f"{self._below(job, what)}/{parcel.digest[:32]}"
        except OSError as error:
            raise UsageError(f"cannot be read: {error}") from error
        self._send(self._bucket(job, where), _split(where)[1], parcel)
        return where

    def _send(self, bucket: Bucket, prefix: str, parcel: Parcel) -> None:
        note = f"{prefix}.json"
        if bucket.holds(note):
            return
        bucket.put({f"{prefix}/{name}": content for name, content in parcel.files.items()})
        if changed := parcel.changed():
            raise UsageError(f"{changed} has changed while it was sent: run the same command again")
        bucket.put({note: canonical({"files": sorted(parcel.files)}).encode()})

    def _below(self, job: Mapping[str, Any], what: str) -> str:
        return staged_below(job.get("output_path"), self._scope.account, self._scope.region, what)

    def _bucket(self, job: Mapping[str, Any], uri: str) -> Bucket:
        """The bucket of a URI. The default one, whose name anybody can guess, must be the caller's own."""
        name, _ = _split(uri)
        own = name == _split(self._below({}, SOURCES))[0]
        owner = self._scope.account if own else job.get("expected_bucket_owner")
        return Bucket(self._clients, name, owner, job.get("output_kms_key_id"))

    def _need(self, bucket: Bucket) -> None:
        if self._scope.engine.on_aws:
            prove(self._clients(), self._scope.account)  # what another account does not see is no proof
        if bucket.name not in self._buckets:
            if not bucket.is_there():
                bucket.make(self._scope.region)
            self._buckets.add(bucket.name)


class Located(Staging):
    """Where staging would put things, without asking or sending anything: what a plan shows."""

    def _send(self, bucket: Bucket, prefix: str, parcel: Parcel) -> None:
        pass

    def _need(self, bucket: Bucket) -> None:
        pass


def _parcel(job: Mapping[str, Any], files: Mapping[str, Content]) -> Parcel:
    return Parcel(files, job.get("output_kms_key_id") or "")


def _source(job: Mapping[str, Any], folder: Folder, versions: Mapping[str, str | None]) -> dict[str, Content]:
    """The source, the driver that starts it, and what the driver needs to know."""
    launch = Launch(job["launch"])
    needed = job.get("requirements") or (dependencies.file_for(launch) if versions else None)
    return {
        "launch.json": _launch({**job, "requirements": needed}).encode(),
        **{name: Path(driver.__file__).with_name(name).read_bytes() for name in driver.FILES},
        ARCHIVE: archive(folder, requirements(needed, folder, versions, launch) if needed else None),
    }


def _launch(job: Mapping[str, Any]) -> str:
    """What the driver needs to know: launch.json."""
    return canonical(
        {
            "entry_script": job["entry_script"],
            "requirements": job.get("requirements"),
            "metrics": [{"name": m["name"], "regex": m["regex"]} for m in job.get("metrics") or []],
            **{key: job[key] for key in ("arguments", "launcher", "processes_per_host") if job.get(key)},
        }
    )


def _split(uri: str) -> tuple[str, str]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise UsageError(f"job.output_path: {uri!r} is not an S3 URI; write s3://BUCKET/PREFIX or leave it out")
    return bucket, prefix.strip("/")
