"""The input channels of a job: what each of its hosts gets of S3 and of file systems, and how."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.engine.around.s3 import NoSuchBucketError, ObjectStore, matching, parse_uri
from sweeper.engine.machine import manifests
from sweeper.engine.machine.feeder import PIPES, STREAM, share
from sweeper.engine.machine.folders import InputError, JobFolder, JobView, hosts_of, inside
from sweeper.engine.machine.manifests import Found

Record = list[Found | str]


@dataclass(frozen=True)
class Channel:
    """A channel as a request says it."""

    said: Mapping[str, Any]
    mode: str

    @property
    def name(self) -> str:
        """Its folder's name."""
        return str(self.said["ChannelName"])

    @property
    def file_system(self) -> Mapping[str, Any]:
        """The file system that it is a folder of; empty for one in S3."""
        found: Mapping[str, Any] = self.said.get("DataSource", {}).get("FileSystemDataSource", {})
        return found

    @property
    def closed(self) -> bool:
        """Can nobody write to it?"""
        return self.mode == "FastFile" or self.file_system.get("FileSystemAccessMode") == "ro"

    @property
    def s3(self) -> Mapping[str, Any]:
        """Where it lies in S3; raises InputError."""
        source: Mapping[str, Any] | None = self.said.get("DataSource", {}).get("S3DataSource")
        if source is None:
            kinds = ", ".join(self.said.get("DataSource", {})) or "nothing"
            raise InputError(f"channel {self.name}: its data source is {kinds}, which the local engine does not know")
        return source

    @property
    def seed(self) -> int | None:
        """That of its ShuffleConfig."""
        seed: int | None = self.said.get("ShuffleConfig", {}).get("Seed")
        return seed

    @property
    def sharded(self) -> bool:
        """Does each host get a part of it?"""
        return bool(self.s3.get("S3DataDistributionType") == "ShardedByS3Key")


def channels_of(request: Mapping[str, Any]) -> list[Channel]:
    """The channels of a request, each with its own input mode."""
    usual = request["AlgorithmSpecification"]["TrainingInputMode"]
    return [Channel(said, said.get("InputMode", usual)) for said in request.get("InputDataConfig", [])]


class Channels:
    """Lays channels out for the hosts of jobs. `file_systems`: the folders that stand for them, by their ids."""

    def __init__(self, objects: ObjectStore, file_systems: Mapping[str, str]) -> None:
        self._objects, self._file_systems = objects, file_systems

    def lay_out(self, view: JobView, folder: JobFolder, *, private: bool) -> dict[str, Any]:
        """Bring every channel; returns what the container has to know of them. Raises InputError.

        `private`: the job gets an /opt/ml of its own, in which folders can be closed to it.
        """
        channels, mounts = channels_of(view.request), {}
        for channel in channels:
            if channel.file_system:
                mounts[f"input/data/{channel.name}"] = self._mount(channel, folder, private=private)
            elif channel.mode == "Pipe":
                self._pipe(channel, folder, view)
            else:
                self._fill(channel, folder, view, linked=private and channel.mode == "FastFile")
        return {
            "mounts": mounts,
            "read_only": [f"input/data/{channel.name}" for channel in channels if channel.closed],
            "pipes": [channel.name for channel in channels if channel.mode == "Pipe"],
        }

    def _mount(self, channel: Channel, folder: JobFolder, *, private: bool) -> str:
        """The folder that stands for it, where the job is to find it; without a place of its own there is a link."""
        name, path = channel.file_system["FileSystemId"], channel.file_system["DirectoryPath"]
        if name not in self._file_systems:
            how = f"start it with a folder that stands for it, file_systems: {{{name}: FOLDER}}"
            raise InputError(f"channel {channel.name}: the local engine mounts no file system {name}: {how}")
        source = inside(Path(self._file_systems[name]), path.lstrip("/"))
        if not source.is_dir():
            raise InputError(f"channel {channel.name}: {name} has no folder {path}: there is no {source}")
        target = folder.ml / "input/data" / channel.name
        if private:
            target.mkdir(exist_ok=True)
        elif not target.is_symlink():
            target.symlink_to(source)
            if channel.closed:
                folder.say(f"channel {channel.name} is not closed to writers: this machine gives no private /opt/ml")
        return str(source)

    def _fill(self, channel: Channel, folder: JobFolder, view: JobView, *, linked: bool) -> None:
        """Its objects as files of its folder; what nobody can write there is not copied."""
        target = folder.ml / "input/data" / channel.name
        target.mkdir(parents=True, exist_ok=True)
        host, hosts = _part(channel, folder, view)
        for found in share(self._found(channel), channel.seed, 0, host, hosts):
            place = inside(target, found.relative)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                self._bring(found, place, linked=linked)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise InputError(f"{found.uri} is both an object and a folder") from error

    def _pipe(self, channel: Channel, folder: JobFolder, view: JobView) -> None:
        """What its feeder needs: every object under a number, and what each epoch is made of."""
        source = folder.path / PIPES / channel.name
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir(parents=True)
        numbers: dict[Found, int] = {}
        records = [
            [numbers.setdefault(piece, len(numbers)) if isinstance(piece, Found) else piece for piece in record]
            for record in self._records(channel)
        ]
        for found, number in numbers.items():
            self._bring(found, source / str(number), linked=True)
        host, hosts = _part(channel, folder, view)
        stream = {
            "records": records,
            "objects": [found.uri for found in numbers],
            "recordio": channel.said.get("RecordWrapperType") == "RecordIO",
            "gunzip": channel.said.get("CompressionType") == "Gzip",
            "seed": channel.seed,
            "host": host,
            "hosts": hosts,
        }
        (source / STREAM).write_text(json.dumps(stream), encoding="utf-8")
        try:
            os.mkfifo(folder.ml / "input/data" / f"{channel.name}_0")
        except FileExistsError as error:
            if not (folder.ml / "input/data" / f"{channel.name}_0").is_fifo():
                raise InputError(f"channel {channel.name}: {channel.name}_0 is another channel's folder") from error

    def _records(self, channel: Channel) -> Iterable[Record]:
        if channel.s3["S3DataType"] != "AugmentedManifestFile":
            return [[found] for found in self._found(channel)]
        try:
            return list(manifests.records(self._manifest(channel), channel.s3.get("AttributeNames", ())))
        except ValueError as error:
            raise _no_manifest(channel, error) from error

    def _found(self, channel: Channel) -> list[Found]:
        """Its objects, without those that only mark a folder."""
        kind = channel.s3["S3DataType"]
        if kind == "ManifestFile":
            try:
                found = manifests.named(self._manifest(channel))
            except ValueError as error:
                raise _no_manifest(channel, error) from error
        elif kind == "S3Prefix":
            found = self._below(channel)
        else:
            raise InputError(f"channel {channel.name}: {kind} is not emulated in {channel.mode} mode")
        return [one for one in found if one.relative and not one.key.endswith("/")]

    def _below(self, channel: Channel) -> list[Found]:
        uri = channel.s3["S3Uri"]
        bucket, prefix = parse_uri(uri)
        try:
            keys = self._objects.keys(bucket, prefix)
        except NoSuchBucketError as error:
            raise InputError(f"Data download failed: the bucket {bucket} does not exist") from error
        if channel.mode == "FastFile":  # it knows folders, and no beginnings of names
            keys = [key for key in keys if key.startswith(f"{prefix.rstrip('/')}/" if prefix else "")]
        if not keys:
            raise InputError(f"Data download failed: no S3 objects found under S3 URL {uri!r}")
        return [Found(bucket, key, relative) for key, relative in matching(keys, prefix)]

    def _manifest(self, channel: Channel) -> bytes:
        bucket, key = parse_uri(channel.s3["S3Uri"])
        try:
            text = self._objects.read(bucket, key)
        except NoSuchBucketError as error:
            raise _missing(channel.s3["S3Uri"]) from error
        if text is None:
            raise _missing(channel.s3["S3Uri"])
        return text

    def _bring(self, found: Found, place: Path, *, linked: bool) -> None:
        bring = self._objects.link_to if linked else self._objects.copy_to
        try:
            bring(found.bucket, found.key, place)
        except (NoSuchBucketError, KeyError) as error:
            raise _missing(found.uri) from error


def _part(channel: Channel, folder: JobFolder, view: JobView) -> tuple[int, int]:
    """Which part of its objects this host gets, of how many."""
    hosts = hosts_of(view.request)
    return (hosts.index(folder.host), len(hosts)) if channel.sharded else (0, 1)


def _missing(uri: str) -> InputError:
    return InputError(f"Data download failed: {uri} does not exist")


def _no_manifest(channel: Channel, error: ValueError) -> InputError:
    return InputError(f"Data download failed: {channel.s3['S3Uri']} is no {channel.s3['S3DataType']}: {error}")
