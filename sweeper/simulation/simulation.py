"""The real runner, journal and release against the virtual twin: one seed is one sweep with its faults and crashes.

First chaos, in which calls fail, the runner dies and comes back, people interfere and another runner may be alive;
then quiet, in which the sweep must finish and release. Nothing here reads a clock, sleeps or draws a number that does
not come from the seed.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from pathlib import Path

from sweeper.core.chain import fold
from sweeper.core.model import Sweep
from sweeper.core.ports import Backend, Journal, TrainingApi
from sweeper.run.runner import Runner
from sweeper.simulation.danger import MOST_TOUCHES, Danger, NoProgress
from sweeper.simulation.declared import behaviour_of, polled
from sweeper.simulation.drawn import behaviour, draw_sweep
from sweeper.simulation.host import Host
from sweeper.simulation.invariants import Ledger, completed_once, one_job_an_attempt
from sweeper.simulation.leases import give_leases
from sweeper.simulation.people import ask, squat
from sweeper.simulation.queued import api as queued_api
from sweeper.simulation.queued import draw_backend, open_queue, strangers
from sweeper.simulation.turns import Turns
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Faults, Twin

OWNER = "simulated"
MOST_ROUNDS = 8
"""Invocations after which the world goes quiet, whatever the seed still had in mind."""
MOST_ASKED = 3
"""Requests that people leave in one sweep."""
MOST_GUESTS = 100
"""How often somebody else comes with jobs for a queue that is crowded."""
LONGEST_S = 40 * 86400.0
"""Virtual seconds in which a sweep of a few trials must have ended."""
A_FEW = 5


class Rivals(Enum):
    """Who else runs the same sweep at the same time."""

    NOBODY = "nobody"
    PROCESS = "a second process on the same host: the lock refuses it"
    COLLEAGUE = "another owner on another host: other names, the same pool key"
    HOST = "the same owner on another host, without a lease: the same names"
    LEASED = "the same owner on another host, with a lease"


@dataclass
class Result:
    """What one seed came to. `virtual_s`: simulated seconds from the first invocation to the end of the last."""

    seed: int
    violations: list[str]
    runs: int
    deaths: int
    jobs: int
    calls: int
    why: str
    virtual_s: float
    refused: int
    """Invocations that a lock or a lease refused."""


@dataclass
class Simulation:
    """One seed. `declared`: this sweep instead of a drawn one, as `sweeper.simulation.declared` gives it."""

    seed: int
    runner: type[Runner] = Runner
    chance: float = 0.01
    most_deaths: int = 3
    chaos: bool = True
    die_at: int | None = None
    journal: Journal = field(default_factory=MemoryJournal)
    api_of: Callable[[Twin], TrainingApi] = lambda twin: twin
    declared: Sweep | None = None
    backend: Backend | None = None
    """Of a drawn sweep; None: drawn."""
    poll_s: float | None = None
    """Seconds between two looks at a job; None: drawn."""
    rivals: Rivals | None = None
    """None: drawn."""
    room: int | None = None
    """Machines of its queue; None: drawn."""
    crowded: bool = False
    """Somebody else submits jobs to its queue all the while, and not only before each invocation."""
    hosts: list[Host] = field(default_factory=list)
    squatted: bool = False
    rounds: int = 0

    @property
    def sweep(self) -> Sweep:
        """The sweep of the first host."""
        return self.hosts[0].sweep

    def run(self) -> Result:
        """Run the sweep to its end, through every crash, and check the invariants."""
        with ExitStack() as stack:
            self._make_world(stack)
            try:
                violations = self._run()
            except NoProgress:
                violations = ["liveness: the sweep goes round in circles"]
        hosts = self.hosts
        return Result(
            self.seed,
            violations,
            runs=sum(host.runs for host in hosts),
            deaths=sum(host.danger.deaths for host in hosts),
            jobs=len({job.name for host in hosts for job in host.ledger.jobs}),
            calls=len(self.twin.calls),
            why=self._why(),
            virtual_s=self.clock.now() - self.begun,
            refused=sum(host.refused for host in hosts),
        )

    # -- one seed -----------------------------------------------------------------------------------------------

    def _run(self) -> list[str]:
        quiet = False
        while True:
            self.rounds += 1
            if quiet:
                self.twin.quiet()
                for host in self.hosts:
                    host.danger.none()
            active = [host for host in self.hosts if not host.over]
            if self._queue:
                strangers(self.twin, self._queue, self.others)
            if len(active) == 1:
                active[0].act()
            else:
                self.clock.together(*((self._late(number), host.act) for number, host in enumerate(active)))
            if self.squatted or all(host.over for host in self.hosts):
                break
            quiet = quiet or self.rounds >= MOST_ROUNDS or all(h.danger.deaths_left <= 0 or h.ending for h in active)
            self.clock.sleep(self.rng.choice((1.0, 30.0, 600.0, 7200.0)))
            self.twin.advance(self.clock.now())
        return self._checked()

    def _late(self, number: int) -> float:
        """A rival begins at any moment of the other's run."""
        return self.rng.choice((0.0, 1.0, 100.0, 1000.0, 3000.0)) * self.rng.random() if number else 0.0

    def _checked(self) -> list[str]:
        broken = [violation for host in self.hosts for violation in self._checked_of(host)]
        if any(host.ending is None for host in self.hosts):
            broken += self._nobody_comes_back()
        broken += self._together()
        if self.clock.now() - self.begun > LONGEST_S * self._scale:
            broken.append("liveness: the sweep took more than forty days of virtual time")
        return broken

    def _checked_of(self, host: Host) -> list[str]:
        ending = host.ending
        if self.squatted:
            host.ending = None  # refused by a foreign name: there are no results to be lost
        sharing = [other for other in self.hosts if other.journal is host.journal]
        broken = host.check(left=any(other.ending is None for other in sharing))
        unfinished = bool(ending.unreleased or ending.signal) if ending else not host.abandoned
        if unfinished and not self.squatted:
            broken.append("liveness: the sweep did not finish in the quiet phase")
        return broken

    def _together(self) -> list[str]:
        """What holds of one owner's jobs whoever made them."""
        if self.rivals not in (Rivals.HOST, Rivals.LEASED):
            return []
        ledger = Ledger(self.twin, self.hosts[0].ledger.prefix)
        broken = one_job_an_attempt(ledger) + completed_once(ledger, self.hosts[0].reopened + self.hosts[1].reopened)
        at_the_end = replace(ledger)
        if all(host.ending for host in self.hosts):
            at_the_end.nothing_open()
        return broken + at_the_end.problems

    def _nobody_comes_back(self) -> list[str]:
        """The keep-alive is the bound."""
        self.twin.quiet()
        self.clock.sleep(10 * 3600.0)
        self.twin.advance(self.clock.now())
        alive = [name for host in self.hosts for name in host.ledger.open_pools()]
        return [f"I4: a pool lives ten hours after everyone left: {alive}"] if alive else []

    # -- the world of a seed ------------------------------------------------------------------------------------

    def _make_world(self, stack: ExitStack) -> None:
        self.rng = rng = random.Random(f"simulation {self.seed}")
        if self.rivals is None:
            self.rivals = self._draw_rivals(rng)
        self.clock = Turns()
        self.begun = self.clock.now()
        self.twin = Twin.drawn(self.seed, self.clock, behaviour_of(self.declared) if self.declared else behaviour)
        if not self.chaos:
            self.twin.faults = Faults()
        self.hosts = [self._host(OWNER, self.journal)]
        if queue := self.sweep.backend.through:
            self.others = random.Random(f"queue {self.seed}")
            drawn = self.others.choice((1, 2, 4, 8))
            open_queue(self.twin, queue.queue, self.room or drawn)
            if self.rivals is Rivals.HOST:  # a queue takes a second job of the same name: only a lease is in its way
                self.rivals = Rivals.LEASED
        if self.rivals is not Rivals.NOBODY:
            self._add_rival(stack)
        self.squatted = self.chaos and self.rivals is Rivals.NOBODY and rng.random() < 0.03 and not self._queue
        if self.squatted:
            squat(self.twin, self.sweep, OWNER)

    def _draw_rivals(self, rng: random.Random) -> Rivals:
        # A search with a memory of its own would be shared by both.
        remembers = self.declared is not None and self.declared.search is not None
        alone = not self.chaos or remembers or self.api_of is not Simulation.api_of
        if alone or rng.random() > 0.12:
            return Rivals.NOBODY
        return rng.choice([kind for kind in Rivals if kind is not Rivals.NOBODY])

    def _host(self, owner: str, journal: Journal) -> Host:
        rng = random.Random(self.rng.getrandbits(64))
        signals = rng.choice((0.0, 0.002, 0.03)) if self.chaos else 0.0
        deaths = rng.choice(range(self.most_deaths + 1))
        danger = Danger(rng, self.chance, deaths, signals, die_at=self.die_at)
        sweep = self._sweep(random.Random(f"sweep {self.seed}"))
        host = Host(sweep, owner, self.twin, danger, rng, self.runner, self._api_of(sweep), journal)
        host.abandoned = self.chaos and rng.random() < 0.15
        danger.most_touches = int(MOST_TOUCHES * self._scale_of(sweep))
        if self.chaos and rng.random() < 0.25:
            danger.ask_chance, danger.asks_left = 0.01, MOST_ASKED
            danger.ask = lambda: ask(host.inbox, host.sweep, fold(host.journal.events()), host.rng, self.clock.now())
        if self.crowded:
            danger.ask_chance, danger.asks_left = 0.02, MOST_GUESTS
            danger.ask = lambda: strangers(self.twin, self._queue, self.others)
        return host

    def _api_of(self, sweep: Sweep) -> Callable[[Twin], TrainingApi]:
        return partial(queued_api, sweep.backend) if sweep.backend.through else self.api_of

    @property
    def _queue(self) -> str:
        """The queue that the jobs go through; empty when there is none."""
        through = self.sweep.backend.through
        return through.queue if through else ""

    def _sweep(self, rng: random.Random) -> Sweep:
        sweep = polled(self.declared, rng) if self.declared else draw_sweep(rng)
        if not self.declared:
            through_queue = self.api_of is Simulation.api_of and self.rivals is not Rivals.HOST
            backend = self.backend or draw_backend(random.Random(f"backend {self.seed}"), through_queue=through_queue)
            sweep = replace(sweep, backend=backend)
        if self.poll_s is None:
            return sweep
        return replace(sweep, waits=replace(sweep.waits, poll_s=self.poll_s))

    def _add_rival(self, stack: ExitStack) -> None:
        first, rivals = self.hosts[0], self.rivals
        second = self._host("colleague" if rivals is Rivals.COLLEAGUE else OWNER, MemoryJournal())
        self.hosts.append(second)
        if rivals is Rivals.PROCESS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            second.journal, second.inbox, second.sweep = first.journal, first.inbox, first.sweep
            second.sent, second.made = first.sent, first.made
            first.folder = second.folder = folder
        elif rivals in (Rivals.HOST, Rivals.LEASED):
            first.rivals = second.rivals = True
        if rivals is Rivals.LEASED:
            give_leases(self.hosts, OWNER, self.clock)

    @staticmethod
    def _scale_of(sweep: Sweep) -> float:
        """How much longer a sweep of many trials may take than one of a few."""
        return max(1.0, len(sweep.trials) / A_FEW) * (1 + sweep.in_flight / A_FEW if sweep.in_flight > 1 else 1)

    @property
    def _scale(self) -> float:
        return self._scale_of(self.sweep)

    def _why(self) -> str:
        ending = self.hosts[0].ending
        if ending is None:
            return "left for ever"
        return ending.chain.decided.rule if ending.chain.decided else ending.why

    def trace(self, *, looks: bool = True) -> list[str]:
        """Every call of the service and all that the runners noted and said, in order, after seconds.

        Without `looks` what a successful Describe was asked for is left out: what it showed is noted anyway.
        """
        calls = (c for c in self.twin.calls if looks or (c.operation, c.result) != ("DescribeTrainingJob", "ok"))
        lines = [(c.at, f"{c.operation:22} {c.name:40} {c.result}") for c in calls]
        for number, host in enumerate(self.hosts, start=1):
            lines += [(at, f"  runner {number}: {line}") for at, line in host.listener.told]
        return [f"{at - self.begun:10.2f} {line}" for at, line in sorted(lines, key=lambda told: told[0])]
