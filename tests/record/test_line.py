"""The line of sweeps that run and wait: first come, first served, and the dead do not count."""

import os
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.core.events import Inherited
from sweeper.errors import LockHeldError
from sweeper.record import line as lines
from sweeper.record.line import Line, Member, Ticket

POOL, OTHER = "the pool", "another pool"
OFFER = Inherited("job", "me/a/t/1", 300, 60, "Completed", "a", "/p/runs/a", 5.0)


class Joining:
    """Sweeps that join one line, until it ends."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.line, self._stack = Line(folder), stack

    def __call__(self, name: str, pool: str = POOL, *, waits: bool = True, patient: bool = True) -> Member:
        ticket = Ticket(name, f"/p/runs/{name}", pool, f"me/{name}", waits, patient)
        return self._stack.enter_context(self.line.joined(ticket, "now"))


@pytest.fixture
def joining(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A line of its own."""
    with ExitStack() as stack:
        yield Joining(tmp_path / "line", stack)


def names(tickets: list[Ticket]) -> list[str]:
    """Of which sweeps they are."""
    return [ticket.sweep for ticket in tickets]


def test_turns_come_in_the_order_of_the_tickets(joining: Joining) -> None:
    """Each waits for all before it; the heir of the one that runs is who has only that one before it."""
    a, b, c = joining("a", waits=False), joining("b"), joining("c")
    assert [names(member.ahead()) for member in (a, b, c)] == [[], ["a"], ["a", "b"]]
    assert (a.heir(), b.heir(), c.heir()) == (b.ticket, None, None), "c waits for both"
    assert a.heir(passed={b.ticket.folder}) is None, "c waits for b, which was passed over and lives"


def test_a_pool_is_only_left_to_a_sweep_that_fits_it_and_comes_next(joining: Joining) -> None:
    """Behind one with another pool nobody is heir; who waits for its pool alone does not mind others in between."""
    a, _, _ = joining("a", waits=False), joining("b", OTHER), joining("c")
    assert a.heir() is None
    waiting = joining("d", patient=False)
    assert names(waiting.ahead()) == ["a", "c"]


def test_who_died_is_not_waited_for_and_takes_nothing(joining: Joining, tmp_path: Path) -> None:
    """A process that was killed leaves its ticket behind: it does not count, and what it was offered goes with it."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        with Line(tmp_path / "line").joined(Ticket("dead", "/p/runs/dead", POOL, "m", waits=True), ""):
            os.write(writer, b"x")
            signal.pause()
    assert os.read(reader, 1) == b"x"
    behind = joining("b")
    behind.line.offer("/p/runs/dead", OFFER)
    assert (names(behind.ahead()), behind.line.offered(1) is not None) == (["dead"], True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert behind.ahead() == []
    joining("c")
    assert (behind.line.numbers, behind.line.offered(1)) == ([2, 3], None), "who joins removes what the dead have left"


def test_an_offer_reaches_the_one_that_waits_and_nobody_else(joining: Joining) -> None:
    """It comes as it was made; a sweep whose turn has come, or that is gone, is offered nothing."""
    a, b = joining("a", waits=False), joining("b")
    a.line.offer("/p/runs/b", OFFER)
    a.line.offer("/p/runs/a", OFFER)
    assert (a.offered(), b.offered()) == (None, OFFER)
    c = joining("c")
    c = c.runs(replace(c.ticket))
    a.line.offer("/p/runs/c", OFFER)
    assert c.offered() is None


def test_only_so_many_wait(joining: Joining, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused, and told who is first; those that only run are not counted."""
    joining("a", waits=False)
    for number in range(lines.MOST_WAITING):
        joining(f"b{number}")
    with pytest.raises(LockHeldError, match=r"16 sweeps wait already: the sweep a in /p/runs/a"):
        joining("c")
