"""`sweeper simulate`: the real runner and release against the virtual twin, with faults and crashes by seed."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

from sweeper.commands.say import complain


def main(arguments: Sequence[str]) -> int:
    """Simulate; returns 0 when every invariant held, else 1."""
    parser = argparse.ArgumentParser(
        prog="sweeper simulate",
        description="Runs the real protocol against a simulated SageMaker under virtual time: first chaos, in which "
        "calls fail and the runner dies and comes back, then quiet, in which the sweep must finish and release. "
        "Every second and every failure is simulated; nothing is sent anywhere.",
    )
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many seeds (default 200)")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="the first seed (default 0)")
    parser.add_argument("--seed", type=int, metavar="S", help="one seed only")
    parser.add_argument("--calm", action="store_true", help="no faults and no crashes")
    parser.add_argument("--trace", action="store_true", help="print every call of the seeds that are run")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    return _simulate(list(seeds), chaos=not options.calm, trace=options.trace, as_json=options.json)


def _simulate(seeds: Sequence[int], *, chaos: bool, trace: bool, as_json: bool) -> int:
    from sweeper.testing.simulation import Simulation

    begun = time.perf_counter()
    violations, deaths, jobs, calls = [], 0, 0, 0
    for seed in seeds:
        result = Simulation(seed, chaos=chaos, most_deaths=3 if chaos else 0).run()
        deaths, jobs, calls = deaths + result.deaths, jobs + result.jobs, calls + result.calls
        violations += [{"seed": seed, "violation": violation} for violation in result.violations]
        if trace:
            complain("\n".join([f"seed {seed}", *result.trace]))
        for violation in result.violations:
            complain(f"seed {seed}: {violation}; replay with: sweeper simulate --seed {seed} --trace")
    rate = len(seeds) / max(time.perf_counter() - begun, 1e-9)
    if as_json:
        print(json.dumps({"seeds": len(seeds), "violations": violations, "sweeps_per_second": round(rate, 1)}))
    else:
        print(
            f"{len(seeds)} simulated sweeps, {jobs} jobs, {calls} calls, {deaths} deaths of the runner: "
            f"{len(violations)} broken invariants ({rate:.0f} sweeps/s)"
        )
    return 1 if violations else 0
