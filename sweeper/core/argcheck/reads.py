"""What a script has been seen to read, and why more of it may be read than was seen."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from sweeper.core.argcheck.program import Module

LEAST_ALIKE = 0.7


@dataclass
class Reads:
    """Gathered over the modules of a program."""

    options: set[str] = field(default_factory=set)
    """Options as they are written on a command line: `--max-depth`."""
    abbreviated: bool = False
    """Does the beginning of an option stand for it, as argparse has it?"""
    either: set[str] = field(default_factory=set)
    """Names that may be written with `-` and with `_`."""
    keys: set[str] = field(default_factory=set)
    """Names that are looked up in all hyperparameters: of SM_HPS or hyperparameters.json."""
    variables: set[str] = field(default_factory=set)
    """X of SM_HP_X."""
    why: list[str] = field(default_factory=list)
    """Why it cannot be told what else is read."""

    def unsure(self, module: Module, node: ast.AST, what: str) -> None:
        """Note a reason."""
        self.why.append(f"{module.place(node)} {what}")

    @property
    def found(self) -> bool:
        """Is anything read in a way that is known here?"""
        return bool(self.options or self.either or self.keys or self.variables)

    def reads(self, name: str, option: str) -> bool:
        """Is the hyperparameter read, which a script is given as this option too?"""
        return (
            option in self.options
            or (self.abbreviated and any(known.startswith(option) for known in self.options))
            or _folded(name) in {_folded(known) for known in self.either}
            or name in self.keys
            or _variable(name) in {_variable(known) for known in self.variables}
        )

    @property
    def written(self) -> dict[str, str]:
        """Every name that it reads, and how it writes it."""
        bare = {name: name for name in (*self.either, *self.keys)}
        options = {option.lstrip("-"): option for option in self.options}
        return {**{name.lower(): f"SM_HP_{name}" for name in self.variables}, **bare, **options}

    def nearest(self, name: str) -> str:
        """What the script probably means by this name, as it writes it; empty when nothing is near.

        What differs in dashes, underscores and capitals alone is nearest.
        """
        import difflib  # only a mistake needs it

        known = self.written
        same = [one for one in sorted(known) if _folded(one) == _folded(name)]
        near = same or difflib.get_close_matches(name, sorted(known), 1, LEAST_ALIKE)
        return known[near[0]] if near else ""


def _folded(name: str) -> str:
    return re.sub(r"[-_.]", "", name).lower()


def _variable(name: str) -> str:
    """Containers differ in what they make of a dash."""
    return name.upper().replace("-", "_")
