"""The same work for many seeds, by several processes: what comes of each, in the order of the seeds."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TypeVar

from sweeper.errors import SweeperError

Came = TypeVar("Came")
_PATIENCE_S = 10.0
"""Seconds in which a process that is told to end tidies up."""


def by_seed(work: Callable[[int], Came], seeds: Sequence[int], jobs: int) -> Generator[Came, None, None]:
    """What `work` makes of each seed, in their order, by so many processes at once; by this one alone where it is one.

    They are forks: each sees what this process has made so far, and gives back what can be pickled. They end with the
    iterator. Raises SweeperError where one has ended without an answer.
    """
    jobs = min(jobs, len(seeds))
    if jobs <= 1:
        yield from map(work, seeds)
        return
    with ExitStack() as stack:
        with _interrupts_wait():  # else the first Ctrl-C could meet a process that is half made
            answers = [_forked(stack, work, seeds[number::jobs]) for number in range(jobs)]
        for position, seed in enumerate(seeds):
            try:
                answer: Came = answers[position % jobs].recv()
            except EOFError:
                raise SweeperError(f"sweeper simulate: the process that simulated seed {seed} was ended") from None
            yield answer


def _forked(stack: ExitStack, work: Callable[[int], Came], seeds: Sequence[int]) -> Connection:
    """Where the answers of a new process come from; it is ended with the stack."""
    forks = multiprocessing.get_context("fork")
    reader, writer = forks.Pipe(duplex=False)
    process = forks.Process(target=_answer, args=(work, seeds, reader, writer), daemon=True)
    process.start()
    writer.close()

    def end() -> None:
        reader.close()
        process.terminate()
        process.join(_PATIENCE_S)
        process.kill()
        process.join()

    stack.callback(end)
    return reader


def _answer(work: Callable[[int], Came], seeds: Sequence[int], reader: Connection, writer: Connection) -> None:
    """In a fork, which heeds no Ctrl-C: it is told when to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    reader.close()
    with suppress(BrokenPipeError):  # nobody reads any more
        for seed in seeds:
            writer.send(work(seed))


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """What is forked within never hears of Ctrl-C; this process does afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
