"""`sweeper simulate`: the real runner and release against the virtual twin, with faults and crashes by seed."""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from sweeper import config
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.core.words import span
from sweeper.errors import UsageError
from sweeper.run.runner import Runner

if TYPE_CHECKING:
    from sweeper.core.model import Sweep
    from sweeper.core.ports import Backend
    from sweeper.simulation.simulation import Result

SEEDS = 200
LAST_LINES = 40
"""Lines of the first trace with a broken invariant that are shown unasked."""
INTERRUPTED = 130


def main(arguments: Sequence[str], runner: type[Runner] = Runner) -> int:
    """Simulate; returns 0 when every invariant held, 1 when one was broken. `runner`: a broken one, for tests.

    Raises UsageError for a sweep that cannot be simulated.
    """
    parser = Parser(
        prog="sweeper simulate",
        usage="sweeper simulate [+experiment=NAME [KEY=VALUE ...]] [--chaos | --calm] [--seeds N] [--first S]\n"
        "                        [--seed S] [--jobs N] [--trace] [--json]\n"
        "       sweeper simulate [backend=KIND [backend.KEY=VALUE ...]] [the same options]",
        description="Runs an experiment's sweep (its trials, rules, remedies) or, without one, sweeps that are drawn, "
        "on the backend that is said or on one that is drawn too, "
        "with the real runner against a simulated SageMaker under virtual time: first chaos, in which calls fail, the "
        "runner dies and comes back, people interfere and a second runner may be alive; then quiet, in which the sweep "
        "must finish and release. What the scripts do is drawn too: their code is not run. Every second and every "
        "failure is simulated; nothing is sent anywhere, and no file is written.",
        epilog="Exit codes: 0 every invariant held; 1 one was broken; 2 usage or configuration; 130 Ctrl-C.",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"how many seeds (default {SEEDS})")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="the first seed (default 0)")
    parser.add_argument("--seed", type=int, metavar="S", help="one seed only: an exact replay")
    parser.add_argument("--jobs", type=int, metavar="N", help="seeds at once, a process each (default: all cores)")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--chaos", action="store_true", help="faults, crashes, people and rivals (the default)")
    way.add_argument("--calm", action="store_true", help="none of them: only what the service leaves open is drawn")
    parser.add_argument("--trace", action="store_true", help="print every call and event of the seeds that are run")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options, overrides = parser.parse_known_args(arguments)
    if options.seeds < 1:
        raise UsageError(f"command line: --seeds: {options.seeds} is not a number of seeds; at least one")
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"command line: --jobs: {options.jobs} is not a number of processes; at least one")
    again = ["sweeper", "simulate", *overrides, *(["--calm"] if options.calm else [])]
    from sweeper.simulation import backend

    if backend.is_all(overrides):
        return _Simulated(options, again, runner, backend.said(overrides) if overrides else None).run(None)
    return config.run(backend.with_queue(overrides), lambda sweep: _Simulated(options, again, runner).run(sweep))


@dataclass(frozen=True)
class _Seen:
    """One seed: its result, what of its trace is shown, and the seconds of processor time that it took."""

    result: Result
    trace: Sequence[str]
    seconds: float


class Violation(TypedDict):
    """An invariant that a seed has broken."""

    seed: int
    violation: str
    replay: str
    """The command that shows it again."""


class _OfSweep(TypedDict, total=False):
    sweep: str
    """Of a declared sweep; drawn ones have none."""
    trials: int


class SimulatedSweeps(_OfSweep):
    """What the seeds have come to."""

    seeds: int
    violations: list[Violation]
    sweeps_per_second: float
    """Of processor time."""
    jobs: int
    calls: int
    deaths: int
    """How often a runner was killed."""
    refused: int
    ended: dict[str, int]
    """How many sweeps have ended by what."""


@dataclass
class _Simulated:
    """What the seeds have come to so far."""

    options: argparse.Namespace
    again: Sequence[str]
    runner: type[Runner]
    backend: Backend | None = None
    """Of drawn sweeps; None: drawn too."""
    results: list[Result] = field(default_factory=list)
    broken: list[Violation] = field(default_factory=list)
    seconds: float = 0.0
    """Of processor time: other work on this machine does not count."""

    def run(self, declared: Sweep | None) -> int:
        """Every seed; Ctrl-C ends it with what is known."""
        from sweeper.driver.driver import cpus
        from sweeper.simulation.declared import as_simulated
        from sweeper.simulation.parallel import by_seed

        sweep, code = as_simulated(declared) if declared else None, 0
        self._tick(0)
        try:
            with closing(by_seed(partial(self._one, sweep), self._seeds(), self.options.jobs or cpus())) as seen:
                for one in seen:
                    self._take(one)
                    self._tick(len(self.results))
        except KeyboardInterrupt:
            code = INTERRUPTED
        self._tick(None)
        if self.options.json:
            tell_json(self._told(sweep))
        else:
            tell("\n".join(self._lines(sweep)))
        return code or (1 if self.broken else 0)

    def _seeds(self) -> Sequence[int]:
        options = self.options
        return [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)

    def _one(self, sweep: Sweep | None, seed: int) -> _Seen:
        """Simulate this seed, in whatever process."""
        from sweeper.simulation.simulation import Simulation

        begun, chaos = time.process_time(), not self.options.calm
        simulation = Simulation(seed, self.runner, chaos=chaos, most_deaths=3 if chaos else 0, declared=sweep)
        simulation.backend = self.backend
        result = simulation.run()
        trace: Sequence[str] = ()
        if self.options.trace:
            trace = simulation.trace()
        elif result.violations:
            trace = simulation.trace(looks=False)[-LAST_LINES:]
        return _Seen(result, trace, time.process_time() - begun)

    def _take(self, seen: _Seen) -> None:
        """Count it, and tell what it shows."""
        result, seed = seen.result, seen.result.seed
        self.results.append(result)
        self.seconds += seen.seconds
        if self.options.trace:
            # with --json stdout carries one object only
            tell("\n".join([f"seed {seed}", *seen.trace]), file=sys.stderr if self.options.json else sys.stdout)
        elif result.violations and not self.broken:
            complain("\n".join([f"the end of seed {seed}:", *seen.trace]))
        for violation in result.violations:
            complain(f"seed {seed}: {violation}")
            self.broken.append({"seed": seed, "violation": violation, "replay": self._replay(seed)})
        if result.violations:
            complain(f"replay it with: {self._replay(seed)}")

    def _replay(self, seed: int) -> str:
        return f"{shlex.join(self.again)} --seed {seed} --trace"

    def _tick(self, number: int | None) -> None:
        """How far it is, on a terminal."""
        if sys.stderr.isatty():
            text = "" if number is None else f"{number} of {len(self._seeds())} seeds"
            sys.stderr.write(f"\r{text:40}\r")
            sys.stderr.flush()

    @property
    def _rate(self) -> float:
        return len(self.results) / max(self.seconds, 1e-9)

    def _sum(self, name: str) -> int:
        return sum(getattr(result, name) for result in self.results)

    def _told(self, sweep: Sweep | None) -> SimulatedSweeps:
        told: SimulatedSweeps = {
            "seeds": len(self.results),
            "violations": self.broken,
            "sweeps_per_second": round(self._rate, 1),
            "jobs": self._sum("jobs"),
            "calls": self._sum("calls"),
            "deaths": self._sum("deaths"),
            "refused": self._sum("refused"),
            "ended": dict(Counter(result.why for result in self.results)),
        }
        if sweep:
            told.update({"sweep": sweep.name, "trials": len(sweep.trials)})
        return told

    def _lines(self, sweep: Sweep | None) -> Iterator[str]:
        of = f" of {sweep.name} ({len(sweep.trials)} trials)" if sweep else ""
        yield (
            f"{len(self.results)} simulated sweeps{of}, {self._sum('jobs')} jobs, {self._sum('calls')} calls, "
            f"{self._sum('deaths')} deaths of the runner: {len(self.broken)} broken invariants "
            f"({self._rate:.0f} sweeps a second of processor time)"
        )
        if sweep and self.results:
            ways = Counter(result.why for result in self.results)
            yield "ended by: " + ", ".join(f"{why} {n}" for why, n in ways.most_common())
            times = [result.virtual_s for result in self.results]
            yield f"simulated time of a sweep: {span(statistics.median(times))} (median), at most {span(max(times))}"
