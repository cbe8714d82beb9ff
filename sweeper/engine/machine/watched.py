"""The environment of an interpreter that imports ahead: what a package takes from it that only a job can tell.

A package may look through all variables for its own. The names and values of a single job are there too then, as texts
that tell when somebody uses them, and that must be gone when the imports are over.
"""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeper.engine.machine import imports
else:  # by their files: hook/sitecustomize.py
    import imports

_used: set[str] = set()
_missed: set[str] = set()
_handed: list[tuple[weakref.ref[str], str, str]] = []


class _Name(str):
    """The name of a variable of single jobs, as it comes up among all names: it must not be the one looked for."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self._sought(str.__eq__(self, other) is True)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def startswith(self, *asked: Any) -> bool:
        return self._sought(super().startswith(*asked))

    def endswith(self, *asked: Any) -> bool:
        return self._sought(super().endswith(*asked))

    def _sought(self, found: bool) -> bool:
        if found:
            _used.add(str.__str__(self))
        return found


class _Value(str):
    """The value of such a variable: whatever is made of it depends on the job."""

    variable = ""
    __hash__ = str.__hash__

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__") and name != "variable":
            _used.add(self.variable)
        return super().__getattribute__(name)

    def __int__(self) -> int:
        return int(str(self))

    def __float__(self) -> float:
        return float(str(self))


def _telling(method: str) -> Any:
    """This method of a text, told."""

    def used(self: _Value, *given: Any) -> Any:
        _used.add(self.variable)
        return getattr(str, method)(self, *given)

    return used


for _method in ("str", "iter", "len", "eq", "ne", "lt", "gt", "getitem", "contains", "add", "mod", "format"):
    setattr(_Value, f"__{_method}__", _telling(f"__{_method}__"))


class Watched(os._Environ):  # type: ignore[type-arg]
    """`os.environ` while a `Watch` lasts."""

    watch: Watch

    def __getitem__(self, key: str) -> str:
        if isinstance(key, _Name):
            return self.watch.value(key)
        if imports.per_job(key):
            self.watch.asked(key)
        return str(super().__getitem__(key))

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield from self.watch.names()


class Watch:
    """Watches `os.environ`, which has none of these variables of a single job, until it is ended."""

    def __init__(self, of_job: dict[str, str]) -> None:
        self._of_job = of_job
        self.importing = ""  # what is imported just now
        self._plain = type(os.environ)
        os.environ.__class__ = Watched
        os.environ.watch = self  # type: ignore[attr-defined]

    def end(self) -> None:
        """Put the environment back."""
        os.environ.__class__ = self._plain
        del os.environ.watch  # type: ignore[attr-defined]

    def used(self) -> list[str]:
        """The variables that were looked at since it was last asked."""
        found = sorted(_used)
        _used.clear()
        return found

    def asked(self, variable: str) -> None:
        """This one was asked for by its name: what the job has is used; what it lacks must be missing in others too."""
        (_used if variable in self._of_job else _missed).add(variable)

    @property
    def missed(self) -> frozenset[str]:
        """The variables that were asked for so far and that the job does not have."""
        return frozenset(_missed)

    def kept(self) -> dict[str, str]:
        """The packages that still hold what was handed to them, and one variable of each."""
        gc.collect()
        found = {package: variable for text, package, variable in _handed if text() is not None}
        _handed.clear()
        return found

    def names(self) -> Iterator[str]:
        """The names of a job's own variables."""
        for variable in self._of_job:
            yield self._hand(_Name(variable), variable)

    def value(self, name: _Name) -> str:
        """The value of one that was found by its name among all."""
        variable = str.__str__(name)
        made = _Value(self._of_job[variable])
        made.variable = variable
        return self._hand(made, variable)

    def _hand(self, text: str, variable: str) -> str:
        _handed.append((weakref.ref(text), self.importing, variable))
        return text
