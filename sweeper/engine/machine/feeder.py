"""Feeds one Pipe channel of a job, epoch after epoch: standard library only, a process of its own.

Started as `python -I -S feeder.py JOBDIR CHANNEL` by the job's supervisor, in the job's input/data, and with a standard
input whose other end the supervisor holds: when that is closed it ends, whatever it is at. It reads
JOBDIR/pipes/CHANNEL, where each object is a file that is named by its number, and writes each epoch into the FIFO
CHANNEL_EPOCH. That of the next epoch is there already. A reader that closes one early has had enough of that epoch.

What cannot be read ends the job: the reader must not take a torn epoch for a whole one.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import random
import signal
import stat
import struct
import sys
import threading

TYPE_CHECKING = False  # each job with a pipe pays for what this file imports
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, NoReturn, TypeVar

    Record = TypeVar("Record")

PIPES, STREAM, PROBLEM = "pipes", "stream.json", "problem"
RECORD_MAX = (1 << 29) - 1
"""Bytes of one record of RecordIO."""
_MAGIC = struct.pack("<I", 0xCED7230A)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_BLOCK = 1 << 16


def share(
    records: Sequence[Record], seed: int | None, epoch: int = 0, host: int = 0, hosts: int = 1
) -> Sequence[Record]:
    """What one of the hosts gets of these in an epoch, in its order; with a seed that is drawn anew for each."""
    if seed is not None:
        records = list(records)
        random.Random(f"{seed} {epoch}").shuffle(records)  # the same on every host
    return records[host::hosts]


def recordio(data: bytes) -> Iterator[bytes]:
    """The bytes as one record of RecordIO. Where they hold the format's own magic number they come in parts."""
    parts, start, at = [], 0, data.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            parts.append(data[start:at])
            start = at + 4
        at = data.find(_MAGIC, max(start, at + 1))
    parts.append(data[start:])
    for number, part in enumerate(parts):
        place = _FIRST if number == 0 else _LAST if number == len(parts) - 1 else _MIDDLE
        yield _MAGIC + struct.pack("<I", (place if len(parts) > 1 else _WHOLE) << 29 | len(part))
        yield part + bytes(-len(part) % 4)


class Feeder:
    """The writer of one channel's FIFOs."""

    def __init__(self, folder: str, channel: str) -> None:
        self._folder, self._channel = folder, channel
        self._source = f"{folder}/{PIPES}/{channel}"
        with open(f"{self._source}/{STREAM}", encoding="utf-8") as file:
            self._stream: dict[str, Any] = json.load(file)

    def run(self) -> NoReturn:
        """Feed for ever."""
        for epoch in itertools.count():
            for number in (epoch, epoch + 1):
                with contextlib.suppress(FileExistsError):
                    os.mkfifo(self._fifo(number))
            pipe = os.open(self._fifo(epoch), os.O_WRONLY | os.O_NOFOLLOW)  # waits for a reader
            if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
                self._give_up(f"{self._fifo(epoch)} is no FIFO any more")
            with contextlib.suppress(BrokenPipeError):
                self._feed(pipe, epoch)
            os.close(pipe)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._fifo(epoch))
        raise AssertionError("there is always another epoch")

    def _fifo(self, epoch: int) -> str:
        return f"{self._channel}_{epoch}"

    def _feed(self, pipe: int, epoch: int) -> None:
        told = self._stream
        for record in share(told["records"], told["seed"], epoch, told["host"], told["hosts"]):
            for piece in record:
                try:
                    for block in self._wrapped(piece) if told["recordio"] else self._blocks(piece):
                        _write(pipe, block)
                except BrokenPipeError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is, this epoch cannot be had
                    self._give_up(f"{piece if isinstance(piece, str) else told['objects'][piece]}: {error}")

    def _wrapped(self, piece: int | str) -> Iterator[bytes]:
        data = b"".join(self._blocks(piece))
        if len(data) > RECORD_MAX:
            raise ValueError(f"{len(data)} bytes are more than a record of RecordIO may have")
        return recordio(data)

    def _blocks(self, piece: int | str) -> Iterator[bytes]:
        """The bytes of an object, by its number, or of a text."""
        if isinstance(piece, str):
            yield piece.encode("utf-8", "surrogatepass")
            return
        path = f"{self._source}/{piece}"
        with gzip.open(path) if self._stream["gunzip"] else open(path, "rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def _give_up(self, why: str) -> NoReturn:
        """The job is over. The FIFO stays open: its end would look like the end of the data."""
        with open(f"{self._source}/{PROBLEM}", "w", encoding="utf-8") as file:
            file.write(why)
        os.kill(os.getppid(), signal.SIGUSR1)
        while True:
            signal.pause()


def _write(pipe: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(pipe, left) :]


def _end_with_supervisor() -> None:
    """Whatever this process waits for then, nobody else does."""
    os.read(0, 1)
    os._exit(0)


def main(folder: str, channel: str) -> NoReturn:
    """Feed this channel of the job in this folder until its supervisor ends."""
    os.closerange(3, 65536)  # above all the job's lock, which says that the supervisor lives
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    Feeder(folder, channel).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
