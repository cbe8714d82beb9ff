"""What the container gets of its channels: every input mode, every kind of list, in whole and in parts."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import signal
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine.machine import feeder, manifests
from sweeper.engine.machine.manifests import Found
from sweeper.engine.wire import rules
from tests.engine.conftest import FILE_SYSTEM, Clients, channel, request, wait_for

S3 = "S3DataSource"
READS = (
    "import json, os\n"
    "from pathlib import Path\n"
    "root = Path(__file__).parents[3]\n"
    "data = root / 'input/data'\n"
    "def epoch(name, number, most=-1):\n"
    "    with open(data / f'{name}_{number}', 'rb', buffering=0) as pipe:\n"
    "        if most >= 0: return pipe.read(most)\n"
    "        return b''.join(iter(lambda: pipe.read(1 << 16), b''))\n"
)


def put(clients: Clients, **objects: bytes | str) -> None:
    """Objects of the bucket by their keys, in which __ stands for a slash."""
    for key, body in objects.items():
        clients.s3.put_object(Bucket="bucket", Key=key.replace("__", "/"), Body=body)


def source(name: str, uri: str, mode: str, kind: str = "S3Prefix", **changes: Any) -> dict[str, Any]:
    """A channel in this input mode; `of` changes its place in S3."""
    made = channel(name, uri)
    made["DataSource"][S3] |= {"S3DataType": kind, **changes.pop("of", {})}
    return {**made, "InputMode": mode, **changes}


@pytest.mark.parametrize(
    ("kind", "mode", "refused"),
    [
        ("AugmentedManifestFile", "File", True),
        ("AugmentedManifestFile", "FastFile", True),
        ("AugmentedManifestFile", "Pipe", False),
        ("ManifestFile", "FastFile", True),
        ("ManifestFile", "File", False),
        (None, "Pipe", True),
        (None, "File", False),
    ],
)
def test_what_goes_with_no_input_mode_is_refused_before_a_job_is_made(
    kind: str | None, mode: str, refused: bool
) -> None:
    """As the documents say: who asks for it learns it from the Create, or from the plan. No kind: a file system."""
    made = source("odd", "s3://bucket/x", mode, kind or "")
    made["DataSource"] = made["DataSource"] if kind else {"FileSystemDataSource": {}}
    told = list(rules.across("CreateTrainingJob", request("odd", InputDataConfig=[made])))
    assert [what.partition(" for channel odd")[0] for what in told] == [f"Invalid InputMode {mode}"] * refused


def test_a_pipe_streams_each_epoch_anew(any_clients: Clients) -> None:
    """CHANNEL_EPOCH is the objects in the order of their keys; one that is closed early does not hold up the next."""
    clients, large = any_clients, bytes(range(256)) * 4096
    put(clients, pipe__a=b"first ", pipe__b__c=large, pipe__d=b" last")
    script = READS + (
        "print(sorted(os.listdir(data)))\n"
        "whole = epoch('train', 0)\n"
        "print(len(whole), whole[:6], whole[-5:], epoch('train', 1, 6), epoch('train', 2) == whole)\n"
        "print(json.loads((root / 'input/config/inputdataconfig.json').read_text())['train']['TrainingInputMode'])\n"
    )
    inputs = [channel("code", "s3://bucket/code/pipe"), source("train", "s3://bucket/pipe/", "Pipe")]
    clients.run("pipe", script, InputDataConfig=inputs)
    assert clients.ended("pipe")["TrainingJobStatus"] == "Completed", clients.log("pipe")
    there, read, mode = clients.log("pipe")
    assert there in ("['code', 'train_0']", "['code', 'train_0', 'train_1']")
    assert (read, mode) == (f"{11 + len(large)} b'first ' b' last' b'first ' True", "Pipe")
    assert not (clients.state_dir / "jobs/pipe/pipes").exists()
    assert clients.s3.get_object(Bucket="bucket", Key="pipe/d")["Body"].read() == b" last"


def test_what_a_pipe_sends_is_as_the_channel_says(clients: Clients) -> None:
    """Compressed, wrapped, by a list, by an augmented list; a shuffle is drawn anew for each epoch."""
    put(clients, zip__a=gzip.compress(b"plain "), zip__b=gzip.compress(b"text"), kinds__1=b"one", kinds__2=b"two!")
    put(clients, listed=json.dumps([{"prefix": "s3://bucket/kinds/"}, "2", "1"]))
    lines = [{"n": n, "x-ref": f"s3://bucket/kinds/{1 + n % 2}", "about": {"of": "it"}} for n in range(10, 22)]
    put(clients, lines="\n".join(map(json.dumps, lines)) + "\n")
    of_lines = {"AttributeNames": ["n", "x-ref", "about"]}
    inputs = [
        channel("code", "s3://bucket/code/kinds"),
        source("zipped", "s3://bucket/zip", "Pipe", CompressionType="Gzip"),
        source("listed", "s3://bucket/listed", "Pipe", "ManifestFile", RecordWrapperType="RecordIO"),
        source("lines", "s3://bucket/lines", "Pipe", "AugmentedManifestFile", ShuffleConfig={"Seed": 7}, of=of_lines),
    ]
    script = READS + "for n, e in ('zipped', 0), ('listed', 0), ('lines', 0), ('lines', 1): print(epoch(n, e).hex())"
    clients.run("kinds", script, InputDataConfig=inputs)
    assert clients.ended("kinds")["TrainingJobStatus"] == "Completed", clients.log("kinds")
    zipped, listed, first, second = map(bytes.fromhex, clients.log("kinds"))
    magic = struct.pack("<I", 0xCED7230A)
    assert zipped == b"plain text"
    assert listed == magic + b"\4\0\0\0two!" + magic + b"\3\0\0\0one\0"
    sent = [f'{n}{"one" if n % 2 == 0 else "two!"}{{"of": "it"}}'.encode() for n in range(10, 22)]
    orders = [sorted(sent, key=epoch.index) for epoch in (first, second)]
    assert [b"".join(order) for order in orders] == [first, second]
    assert first != second != b"".join(sent) != first


def test_a_torn_object_ends_the_job_and_not_the_epoch(clients: Clients) -> None:
    """A script must not take what came of it for all of it: the job fails, and names the object."""
    put(clients, torn__a=gzip.compress(b"x" * 1000)[:-9])
    inputs = [
        channel("code", "s3://bucket/code/torn"),
        source("t", "s3://bucket/torn/", "Pipe", CompressionType="Gzip"),
    ]
    clients.run("torn", READS + "epoch('t', 0); print('whole')", InputDataConfig=inputs)
    reason = clients.ended("torn")["FailureReason"]
    assert reason.startswith("ClientError: Data download failed: channel t: s3://bucket/torn/a: Compressed file ended")
    assert clients.log("torn") == []


def test_a_job_that_is_tried_again_reads_its_pipe_from_the_beginning(private: Clients) -> None:
    """Its supervisor dies, and with it whoever streamed; RetryStrategy gives it another attempt, on another machine."""
    put(private, again__a=b"all of it")
    script = READS + (
        "import time\n"
        "begun = root / 'checkpoints/begun'\n"
        "if not begun.exists():\n"
        "    begun.write_text(str(epoch('t', 0, 3)))\n"
        "    print('waiting', flush=True); time.sleep(60)\n"
        "print(begun.read_text(), epoch('t', 0))\n"
    )
    inputs = [channel("code", "s3://bucket/code/again"), source("t", "s3://bucket/again/", "Pipe")]
    checkpoints = {"S3Uri": "s3://bucket/again-checkpoints"}
    retry = {"MaximumRetryAttempts": 1}
    private.run("again", script, InputDataConfig=inputs, CheckpointConfig=checkpoints, RetryStrategy=retry)
    log = private.state_dir / "jobs/again/log"
    wait_for(lambda: log.exists() and "waiting" in log.read_text())
    started = json.loads((private.state_dir / "jobs/again/started.json").read_text())
    if started["isolation"] != "full":
        pytest.skip("a job outlives its supervisor on this machine")
    feeder = next(int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cmdline") if b"jobs/again\0t" in _read(p))
    os.kill(started["supervisor_pid"], signal.SIGKILL)
    answer = private.ended("again")
    assert answer["TrainingJobStatus"] == "Completed", answer
    assert log.read_text().splitlines()[-1].partition(" ")[2] == "b'all' b'all of it'"
    wait_for(lambda: not Path(f"/proc/{feeder}").exists())


def _read(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


@pytest.mark.parametrize(
    ("kind", "text", "changes", "told"),
    [
        (
            "ManifestFile",
            '[{"prefix": "s3://bucket/code/"}, "not-there"]',
            {},
            "s3://bucket/code/not-there does not exist",
        ),
        ("ManifestFile", '{"prefix": 1}', {}, "is no ManifestFile: it has to be a list that begins with"),
        ("AugmentedManifestFile", '{"a": 1}', {}, "AttributeNames has to say which attributes are sent"),
        ("AugmentedManifestFile", '{"a": 1}\n{}', {"AttributeNames": ["a"]}, "line 2 has no attribute 'a'"),
        (
            "AugmentedManifestFile",
            '{"a-ref": 1}',
            {"AttributeNames": ["a-ref"]},
            "line 1: a-ref is 1, which is no s3://",
        ),
        ("Converse", "", {}, "channel bad: Converse is not emulated in Pipe mode"),
    ],
)
def test_a_list_that_cannot_be_followed_is_told(
    clients: Clients, kind: str, text: str, changes: dict[str, Any], told: str
) -> None:
    """Before the script starts, as the reason of the failure, with the place."""
    name = f"list-{hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()}"
    put(clients, **{name: text})
    inputs = [source("bad", f"s3://bucket/{name}", "Pipe", kind, of=changes)]
    clients.run(name, "", InputDataConfig=inputs)
    assert told in clients.ended(name)["FailureReason"]


def test_a_fast_file_channel_is_the_objects_themselves_and_closed(private: Clients) -> None:
    """Nothing is copied and nothing can be written; only a folder is one, and for a script it is as in File mode."""
    put(private, fast__a=b"a", fast__b__c=b"c", faster=b"no")
    script = READS + (
        "print(sorted(str(p.relative_to(data / 'fast')) for p in (data / 'fast').rglob('*')))\n"
        "print((data / 'fast/a').stat().st_nlink)\n"
        "print(json.loads((root / 'input/config/inputdataconfig.json').read_text())['fast']['TrainingInputMode'])\n"
        "open(data / 'fast/a', 'w')\n"
    )
    inputs = [channel("code", "s3://bucket/code/fast-file"), source("fast", "s3://bucket/fast", "FastFile")]
    private.run("fast-file", script, InputDataConfig=inputs)
    assert private.ended("fast-file")["TrainingJobStatus"] == "Failed"
    there, links, mode, *_, last = private.log("fast-file")
    assert (there, links, mode) == ("['a', 'b', 'b/c']", "2", "File")
    assert "Read-only file system" in last
    inputs = [channel("code", "s3://bucket/code/fast-file"), source("fast", "s3://bucket/fas", "FastFile")]
    private.run("no-folder", "", InputDataConfig=inputs)
    assert "no S3 objects found under S3 URL 's3://bucket/fas'" in private.ended("no-folder")["FailureReason"]


def mounted(name: str, path: str, access: str = "ro", system: str = FILE_SYSTEM) -> dict[str, Any]:
    """A channel of a file system."""
    said = {"FileSystemId": system, "FileSystemAccessMode": access, "FileSystemType": "EFS", "DirectoryPath": path}
    return {"ChannelName": name, "DataSource": {"FileSystemDataSource": said}}


def test_a_file_system_is_the_folder_that_stands_for_it(any_clients: Clients) -> None:
    """What is there is seen, what is written stays when the job's own folder is cleared, and ro is closed."""
    clients = any_clients
    for name in ("read", "write"):
        (clients.shared / name / "deep").mkdir(parents=True, exist_ok=True)
        (clients.shared / name / "deep/one").write_text(name)
    script = READS + (
        "print((data / 'old/deep/one').read_text(), (data / 'new/deep/one').read_text())\n"
        "print(json.loads((root / 'input/config/inputdataconfig.json').read_text())['old'])\n"
        "(data / 'new/made').write_text('mine')\n"
        "(data / 'old/made').write_text('mine')\n"
    )
    inputs = [channel("code", "s3://bucket/code/fs"), mounted("old", "/read"), mounted("new", "/write", "rw")]
    clients.run("fs", script, InputDataConfig=inputs)
    ended = clients.ended("fs")["TrainingJobStatus"]
    read, configured = [line for line in clients.log("fs") if "sweeper engine" not in line][:2]
    assert read == "read write"
    assert (
        configured
        == "{'RecordWrapperType': 'None', 'S3DistributionType': 'FullyReplicated', 'TrainingInputMode': 'File'}"
    )
    assert (clients.shared / "write/made").read_text() == "mine"
    if any("is not closed to writers" in line for line in clients.log("fs")):
        assert ended == "Completed"
    else:
        assert "Read-only file system" in clients.log("fs")[-1]
    assert (clients.shared / "read/deep/one").exists()


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (mounted("x", "/read", system="fs-00000000"), "no file system fs-00000000: start it with a folder"),
        (mounted("x", "/not-there"), f"{FILE_SYSTEM} has no folder /not-there"),
        (mounted("x", "/../x"), "'../x' does not name anything below"),
        ({"ChannelName": "x", "DataSource": {}}, "its data source is nothing"),
    ],
)
def test_what_stands_for_no_file_system_fails_the_job(clients: Clients, made: dict[str, Any], told: str) -> None:
    """As a ClientError, with what to do."""
    name = f"fs-{hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()}"
    clients.run(name, "", InputDataConfig=[made])
    assert told in clients.ended(name)["FailureReason"]


def test_the_hosts_share_all_records_and_the_seed_draws_each_epoch() -> None:
    """Of ShardedByS3Key: together they have each record once, nearly as many each; a seed moves them between hosts."""
    records = list(range(31))
    for seed in (None, 3):
        for hosts in (1, 2, 4, 40):
            for epoch in (0, 1):
                parts = [feeder.share(records, seed, epoch, host, hosts) for host in range(hosts)]
                assert Counter(one for part in parts for one in part) == Counter(records)
                assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert feeder.share(records, 3, 0, 0, 2) != feeder.share(records, 3, 1, 0, 2)
    assert feeder.share(records, 3, 5) == feeder.share(records, 3, 5) != feeder.share(records, 4, 5)
    assert feeder.share(records, None, 1) == records


def test_a_record_is_what_mxnet_reads_again() -> None:
    """The format's magic number in the data splits a record into parts, whose flags say how they belong together."""
    magic = struct.pack("<I", 0xCED7230A)
    for data in (b"", b"a", magic, b"abcd" + magic + b"x", magic * 3, b"a" + magic + b"abc"):
        read, left, flags = b"", b"".join(feeder.recordio(data)), []
        while left:
            assert left[:4] == magic
            flag, length = divmod(struct.unpack("<I", left[4:8])[0], 1 << 29)
            read += (magic if flags else b"") + left[8 : 8 + length]
            flags.append(flag)
            left = left[8 + length + -length % 4 :]
        assert read == data
        assert flags == [0] or (flags[0], flags[-1], set(flags[1:-1]) <= {2}) == (1, 3, True)


def test_an_augmented_manifest_says_text_as_it_is_and_all_else_as_json() -> None:
    """The attributes in the order of their names' list; empty lines are none."""
    lines = b'{"b": "Moby Dick", "a": 1.5, "c": [true, null], "d-ref": "s3://b/k/x"}\n\n'
    sent = ["1.5", "Moby Dick", "[true, null]", Found("b", "k/x", "")]
    assert list(manifests.records(lines, ["a", "b", "c", "d-ref"])) == [sent]
