"""A channel: data that a job reads, where it lies and how it comes into the container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from sweeper.core.options import Bounds, from_section, option

S3 = "s3://"
DATA_TYPES = ("S3Prefix", "ManifestFile", "AugmentedManifestFile", "Converse")
INPUT_MODES = ("File", "FastFile", "Pipe")
DISTRIBUTIONS = ("FullyReplicated", "ShardedByS3Key")


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """A folder of a file system that the job mounts."""

    id: str = option(
        "The file system.",
        sends="FileSystemId",
        pattern=r"^fs-[0-9a-f]{8,18}$",
        says="must look like fs-0123456789abcdef0",
    )
    path: str = option("The folder of it.", sends="DirectoryPath", high=4096)
    access: str = option(
        "Read only, or to write as well.", default="ro", sends="FileSystemAccessMode", choices=("ro", "rw")
    )


class Efs(FileSystem):
    """A folder of Amazon EFS."""

    ALWAYS: ClassVar[Mapping[str, str]] = {"FileSystemType": "EFS"}


class Fsx(FileSystem):
    """A folder of Amazon FSx for Lustre."""

    ALWAYS: ClassVar[Mapping[str, str]] = {"FileSystemType": "FSxLustre"}


_IN_S3 = "DataSource.S3DataSource"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Where the data lies, in one of uri, folder, efs, fsx and dataset_arn, and how the job gets it."""

    uri: str | None = option(
        "A prefix or a file in S3.",
        default=None,
        sends=f"{_IN_S3}.S3Uri",
        high=1024,
        pattern="^s3://[^/]+",
        says="must begin with s3://BUCKET",
    )
    folder: str | None = option("A folder of this machine, which is put into S3.", default=None, low=1)
    efs: Efs | None = option(
        "A folder of Amazon EFS; the job needs a VPC.", default=None, sends="DataSource.FileSystemDataSource"
    )
    fsx: Fsx | None = option(
        "A folder of Amazon FSx for Lustre; the job needs a VPC.", default=None, sends="DataSource.FileSystemDataSource"
    )
    dataset_arn: str | None = option(
        "A data set of a SageMaker hub.", default=None, sends="DataSource.DatasetSource.DatasetArn", high=2048
    )
    content_type: str | None = option(
        "The MIME type; built-in algorithms need it: text/csv.", default=None, sends="ContentType", high=256
    )
    input_mode: str | None = option(
        "How it comes into the container; default: job.input_mode.",
        default=None,
        sends="InputMode",
        choices=INPUT_MODES,
    )
    distribution: str | None = option(
        "All of it to every machine, the default, or a part to each.",
        default=None,
        sends=f"{_IN_S3}.S3DataDistributionType",
        choices=DISTRIBUTIONS,
    )
    data_type: str | None = option(
        "What the URI is; default S3Prefix.", default=None, sends=f"{_IN_S3}.S3DataType", choices=DATA_TYPES
    )
    compression: str | None = option(
        "How the data is compressed; Gzip is for Pipe alone.",
        default=None,
        sends="CompressionType",
        choices=("None", "Gzip"),
    )
    record_wrapper: str | None = option(
        "RecordIO: each file becomes a record of it.",
        default=None,
        sends="RecordWrapperType",
        choices=("None", "RecordIO"),
    )
    shuffle: int | None = option(
        "A seed: the order of the data is drawn anew with each epoch.", default=None, sends="ShuffleConfig.Seed"
    )
    attribute_names: Sequence[Annotated[str, Bounds(low=1, high=256)]] | None = option(
        "The attributes of an augmented manifest that are read.",
        default=None,
        sends=f"{_IN_S3}.AttributeNames",
        high=16,
    )
    accept_eula: bool | None = option(
        "You accept the licence of the model that lies there.",
        default=None,
        sends=f"{_IN_S3}.ModelAccessConfig.AcceptEula",
    )
    hub_content_arn: str | None = option(
        "The model of a private hub that lies there.",
        default=None,
        sends=f"{_IN_S3}.HubAccessConfig.HubContentArn",
        high=255,
    )

    @property
    def sources(self) -> list[str]:
        """The options that say where the data lies; there is to be one."""
        return [name for name in ("uri", "folder", "efs", "fsx", "dataset_arn") if getattr(self, name) is not None]

    @property
    def in_s3(self) -> bool:
        """Does a job read it from S3, if only once a folder has been put there?"""
        return self.uri is not None or self.folder is not None


def channel_of(said: Any) -> Channel:
    """A channel as an experiment says it: an s3:// prefix, a folder, or a mapping of options."""
    if isinstance(said, Mapping):
        return from_section(Channel, said)
    return Channel(uri=str(said)) if "://" in str(said) else Channel(folder=str(said))


def channels(job: Mapping[str, Any]) -> dict[str, Channel]:
    """The channels of a `job` section, by name; one that is null has been taken away."""
    return {name: channel_of(said) for name, said in (job.get("inputs") or {}).items() if said is not None}
