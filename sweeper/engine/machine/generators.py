"""The random generators that packages have made for themselves: those of a fork must not draw what its siblings draw.

A generator that the system has seeded is seeded anew in each job. One that the package seeds itself is left as it is.
Which is which is noted as they are made; where that does not tell, it is seen by importing twice: in a second process,
a twin, the first kind has another state.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import secrets
import sys
import weakref
from collections.abc import Callable
from typing import Any


def found() -> list[Any]:
    """Every generator but those that are seeded anew after a fork by themselves, or by what knows their package."""
    known, every = sys.modules, gc.get_objects()
    kinds: list[type] = []
    fresh: list[object] = []
    if "random" in known:
        kinds.append(known["random"].Random)
        fresh.append(known["random"]._inst)
    if "tempfile" in known:  # by type: what only pretends to be an instance has its own ideas of being asked
        namers = [one for one in every if issubclass(type(one), known["tempfile"]._RandomNameSequence)]
        fresh += [getattr(namer, "_rng", None) for namer in namers]
    if "numpy.random" in known:
        kinds += [known["numpy.random"].Generator, known["numpy.random"].RandomState]
        fresh.append(known["numpy.random"].mtrand._rand)
    some = [one for one in every if issubclass(type(one), tuple(kinds)) and type(one).__name__ != "SystemRandom"]
    return [one for one in some if all(one is not other for other in fresh)]


class Seeds:
    """Notes who asks the system for a seed, until it is ended."""

    def __init__(self) -> None:
        self._seed, self._randbits = random.Random.seed, secrets.randbits
        self._by_system: weakref.WeakSet[random.Random] = weakref.WeakSet()
        self._by_package: weakref.WeakSet[random.Random] = weakref.WeakSet()
        self._drawn: list[int] = []

        def seed(one: random.Random, a: Any = None, *more: Any, **named: Any) -> None:
            self._seed(one, a, *more, **named)
            (self._by_system if a is None else self._by_package).add(one)

        def randbits(count: int) -> int:
            self._drawn.append(self._randbits(count))
            return self._drawn[-1]

        self._put(seed, randbits)
        self._noting = randbits

    @staticmethod
    def _put(seed: Any, randbits: Any) -> None:
        random.Random.seed, secrets.randbits = seed, randbits  # type: ignore[method-assign]

    def end(self) -> None:
        """Ask the system as ever. numpy has taken the function with it."""
        self._put(self._seed, self._randbits)
        numpy = sys.modules.get("numpy.random.bit_generator")
        if getattr(numpy, "randbits", None) is self._noting:
            numpy.randbits = self._randbits  # type: ignore[union-attr]

    def by_system(self, generator: Any) -> bool | None:
        """Has the system seeded this one? None where nobody knows."""
        if isinstance(generator, random.Random):
            asked, own = generator in self._by_system, generator in self._by_package
            return asked if asked != own else None
        if hasattr(generator, "bit_generator"):
            entropy = getattr(getattr(generator.bit_generator, "seed_seq", None), "entropy", None)
            return entropy in self._drawn if isinstance(entropy, int) else None
        numbers = sys.modules["numpy.random"]
        key = list(generator.get_state(legacy=False)["state"].get("key", ()))[1:]
        made = (list(numbers.SeedSequence(entropy).generate_state(len(key) + 1))[1:] for entropy in self._drawn)
        return True if key and any(one == key for one in made) else None


def states(generators: list[Any]) -> list[str]:
    """A digest of each generator's state."""
    return [hashlib.sha256(repr(_state(one)).encode()).hexdigest() for one in generators]


def _state(generator: Any) -> object:
    if hasattr(generator, "bit_generator"):
        return generator.bit_generator.state
    return generator.getstate() if hasattr(generator, "getstate") else generator.get_state(legacy=False)


def renew(generators: list[Any]) -> None:
    """Seed these by the system, in place."""
    for one in generators:
        if hasattr(one, "bit_generator"):
            one.bit_generator.state = type(one.bit_generator)().state
        else:
            one.seed()


class Twin:
    """A fork that has not imported yet, and does so if it is asked."""

    def __init__(self, work: Callable[[], object]) -> None:
        go, self._go = os.pipe()
        self._answer, answer = os.pipe()
        self.descriptors = {self._go, self._answer}
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._go)
            try:
                if os.read(go, 1):
                    work()
                    os.write(answer, json.dumps(states(found())).encode())
            finally:
                os._exit(0)
        os.close(go)
        os.close(answer)

    def states(self) -> list[str]:
        """The states of the generators that the same imports make in it. Raises ValueError when it fails."""
        os.write(self._go, b"!")
        with open(self._answer, "rb", closefd=False) as answer:
            told: list[str] = json.loads(answer.read())
        return told

    def end(self) -> None:
        """Let it go."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        os.waitpid(self._pid, 0)


def by_system(seeds: Seeds, twin: Twin) -> list[Any]:
    """The generators that the system has seeded. Raises ValueError when that cannot be found out."""
    every = [(one, seeds.by_system(one)) for one in found()]
    unsure = [one for one, known in every if known is None]
    fixed = twin.states() if unsure else []
    differ = [one for one, state in zip(unsure, states(unsure), strict=True) if state not in fixed]
    return [one for one, known in every if known] + differ
