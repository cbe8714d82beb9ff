"""The forms of a sweep (grid, zip, points, random, ...) as the parts of a space; their product is never made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sweeper.config.axes import Axis, CommandLine, axis_values
from sweeper.config.exclusions import ONLY_IF, Exclusions
from sweeper.config.locate import Origin
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem
from sweeper.core.identity import above, path_of
from sweeper.core.options import from_section
from sweeper.core.ports import Domains, Proposer
from sweeper.core.space import draws
from sweeper.core.space.applying import Conditions, RuleFailedError
from sweeper.core.space.blocks import Block, Column, Part
from sweeper.core.space.declared import ROUND, SEARCHES, repeat_of
from sweeper.core.space.domains import check, some
from sweeper.core.space.rules import Rule

Values = Mapping[str, Any]


class Builder:
    """Makes the parts of a space from a `sweep` section; everything wrong is collected in `problems`."""

    def __init__(self, line: CommandLine, origin: Callable[[], Origin], base: Mapping[tuple[str, ...], Any]) -> None:
        self._line, self._origin, self._base = line, origin, base
        self._holds = above(base)
        self.problems: list[Problem] = list(line.problems)
        self.axes: list[Axis] = []
        self.proposer: tuple[Proposer, Domains] | None = None
        """The search that proposes the trials, and of what."""
        self.seed = ""
        """The parameter that counts the repeats."""
        self.rules: list[Rule] = []
        """What leaves out its proposals."""
        self.conditions = Conditions()
        """Which of its parameters are there for which of them."""
        self._used: set[str] = set()
        self._exclusions = Exclusions(base, self._wrong)

    def build(self, section: Values) -> list[Part]:
        """The parts in order: `first`, then the blocks of the section, or those of `concat` one after another."""
        if name := next((name for name in SEARCHES if section.get(name)), ""):
            return self._proposed(section, name)
        sections: list[tuple[Values, KeyPath]] = [(section, ("sweep",))]
        if several := section.get("concat"):
            sections = [(one, ("sweep", "concat", number)) for number, one in enumerate(several)]
            for form in ("grid", "zip", "points", "random"):
                if _says_something(section.get(form)):
                    self._wrong(("sweep", form), "cannot stand beside concat: make it one more item of concat")
            if section.get(ONLY_IF):
                self._wrong(("sweep", ONLY_IF), "cannot stand beside concat: put it into the items that it is for")
        made = [self._axes(part, place) for part, place in sections]
        extra = [*self._added()]
        repeats = [*self._repeat(section.get(ROUND), ("sweep", ROUND))]
        for axes in made:
            axes += [*extra, *repeats]
            self._claim(axes)
        known = list(dict.fromkeys(key for axis in self.axes for key in axis.block.keys))
        rules = [*self._exclusions.rules(section, ("sweep",), known)] if several else []
        parts = [
            Part(
                [axis.block for axis in axes],
                [*self._exclusions.rules(one, place, known), *rules],
                self._exclusions.conditions(one, place, _optional(one), [*dict.fromkeys([*known, *_optional(one)])]),
                _name(place),
            )
            for axes, (one, place) in zip(made, sections, strict=True)
        ]
        return [*self._first(section.get("first"), repeats), *parts]

    # -- one section ------------------------------------------------------------------------------------------

    def _axes(self, section: Values, place: KeyPath) -> list[Axis]:
        return [
            *self._grid(section, (*place, "grid")),
            *self._zip(section.get("zip"), (*place, "zip")),
            *self._points(section, (*place, "points")),
            *self._random(section, (*place, "random")),
        ]

    def _grid(self, section: Values, place: KeyPath) -> Iterator[Axis]:
        conditional = {name.lstrip("+") for name in section.get(ONLY_IF) or ()}
        for name, spec in (section.get("grid") or {}).items():
            key, added = self._key(name)
            places: dict[str, KeyPath] = {}
            if key in self._line.swept:
                values: Sequence[Any] = self._line.swept[key]
                self._used.add(key)
            elif key in self._line.pinned:
                values = [self._line.pinned[key]]
            elif spec is None:
                continue  # an inherited axis, taken away
            else:
                places[key] = (*place, name)
                values = self._values(key, spec, places[key])
            if values:
                rows: Sequence[Values] = Column(key, values)
                yield Axis(Block([*rows, {}] if key in conditional else rows), places, added, _name(place))

    def _zip(self, blocks: Any, place: KeyPath) -> Iterator[Axis]:
        several = blocks if isinstance(blocks, list) else [blocks] if blocks else []
        for number, block in enumerate(several):
            here = (*place, number) if isinstance(blocks, list) else place
            keys = {name: self._key(name) for name in block}
            columns = {name: self._values(keys[name][0], spec, (*here, name)) for name, spec in block.items()}
            lengths = {len(column) for column in columns.values()}
            if 0 in lengths:
                continue
            if len(lengths) > 1:
                told = ", ".join(f"{name} has {len(column)}" for name, column in columns.items())
                self._wrong(here, f"needs lists of one length: {told}")
                continue
            rows = [
                dict(zip((keys[n][0] for n in columns), row, strict=True))
                for row in zip(*columns.values(), strict=True)
            ]
            yield self._owned(Block(rows), {keys[name][0]: (*here, name) for name in block}, keys.values(), here)

    def _points(self, section: Values, place: KeyPath) -> Iterator[Axis]:
        points = section.get("points")
        if not points:
            return
        rows: list[dict[str, Any]] = []
        places: dict[str, KeyPath] = {}
        added: list[tuple[str, frozenset[str]]] = []
        for name, changes in points.items():
            own = {key.lstrip("+"): value for key, value in (changes or {}).items()}
            rows.append({**rows[-1], **own} if rows and section.get("cumulative") else own)
            for key in changes or {}:
                places.setdefault(key.lstrip("+"), (*place, name, key))
                added.append(self._key(key))
        yield self._owned(Block(rows, [str(name) for name in points]), places, added, place)

    def _domains(
        self, section: Values, place: KeyPath, refused: Callable[[str, Sequence[Any]], str] = lambda *_: ""
    ) -> dict[str, tuple[str, Sequence[Any]]]:
        """What is drawn for each key; none where one cannot be drawn from, or is refused."""
        domains: dict[str, tuple[str, Sequence[Any]]] = {}
        before = len(self.problems)
        for name, spec in section["of"].items():
            domain, arguments = next(iter(spec.items())) if isinstance(spec, Mapping) else ("choice", spec)
            try:
                check(domain, arguments)
                why = refused(domain, arguments)
            except ValueError as error:
                why = str(error)
            if why:
                self._wrong((*place, "of", name), why)
            domains[name.lstrip("+")] = (domain, arguments)
        return domains if len(self.problems) == before else {}

    def _proposed(self, section: Values, name: str) -> list[Part]:
        """The domains of a search as axes, so that their keys are looked at like all others; no part of a space."""
        place: KeyPath = ("sweep", name)
        wanted = section[name]
        for form in section:
            if form not in (name, "exclude", "when", ONLY_IF) and _says_something(section[form]):
                self._wrong(("sweep", form), f"cannot stand beside {name}, which proposes one trial after another")
        for key in self._line.swept:
            what = f"cannot be swept beside sweep.{name}, which proposes one trial after another"
            self.problems.append(Problem(COMMAND_LINE, key, what))
        domains = self._domains(wanted, place, SEARCHES[name].refused)
        places: dict[str, KeyPath] = {name.lstrip("+"): (*place, "of", name) for name in wanted["of"]}
        for key, (domain, arguments) in domains.items():
            block = Block([{key: value} for value in some(domain, arguments)])
            self.axes.append(self._owned(block, {key: places[key]}, [self._key(key)], place))
        self.rules = [*self._exclusions.rules(section, ("sweep",), list(domains))]
        self._exclusions.conditions(section, ("sweep",), list(domains), list(domains))  # each of them is proposed
        self.conditions = self._exclusions.conditions_within(section, ("sweep",), list(domains))
        if domains:
            self.proposer = from_section(SEARCHES[name], wanted), domains
        return []

    def _random(self, section: Values, place: KeyPath) -> Iterator[Axis]:
        wanted: Values = section.get("random") or {}
        domains = self._domains(wanted, place) if wanted else {}
        if not domains:
            return
        conditions = self._exclusions.conditions_within(section, place[:-1], list(domains))
        try:
            said = from_section(draws.Random, wanted)
            rows = draws.draw(said.count, said.seed or 0, domains, conditions.there)
        except RuleFailedError as error:
            self._wrong(error.rule.place, str(error))
            return
        except ValueError as error:
            self._wrong((*place, "count"), str(error))
            return
        places: dict[str, KeyPath] = {name.lstrip("+"): (*place, "of", name) for name in wanted["of"]}
        yield self._owned(Block(rows), places, [self._key(name) for name in wanted["of"]], place)

    def _repeat(self, repeat: Any, place: KeyPath) -> Iterator[Axis]:
        """The same trials again, under other seeds: the first round is the one that has no `repeat` at all."""
        said = repeat_of({ROUND: repeat})
        if said is None:
            return
        times, key, self.seed = said.times, said.seed, said.key
        if key is None:
            yield Axis(Block([{}, *({ROUND: number} for number in range(1, times))]), {ROUND: place}, form=_name(place))
            return
        first = self._line.pinned.get(key, self._base.get(self._path(key)))
        if not isinstance(first, int) or isinstance(first, bool):
            what = f"{key} is {first!r}" if first is not None else f"there is no {key}"
            self._wrong(place, f"{what}: name a whole number to count up with {{times: N, seed: KEY}}, or seed: null")
            return
        rows = [{key: first + number} for number in range(times)]
        yield Axis(Block(rows), {key: place}, form=_name(place))

    def _first(self, wanted: Any, repeats: Sequence[Axis]) -> Iterator[Part]:
        """Known-good points, which run before everything else."""
        if wanted:
            rows = [{key.lstrip("+"): value for key, value in row.items()} for row in wanted]
            places: dict[str, KeyPath] = {}
            for number, row in enumerate(wanted):
                for key in row:
                    places.setdefault(key.lstrip("+"), ("sweep", "first", number, key))
            added = [self._key(key) for row in wanted for key in row]
            axis = self._owned(Block(rows), places, added, ("sweep", "first"), refuse=False)
            self.axes.append(axis)
            yield Part([axis.block, *(repeat.block for repeat in repeats)], name="sweep.first")

    def _added(self) -> Iterator[Axis]:
        """What the command line sweeps and no grid mentions."""
        for key, values in self._line.swept.items():
            if key not in self._used:
                yield Axis(Block(Column(key, values)), added=self._key(key)[1])

    # -- small things -----------------------------------------------------------------------------------------

    def _key(self, name: str) -> tuple[str, frozenset[str]]:
        key = name.lstrip("+")
        new = name.startswith("+") or key in self._line.added or key.startswith("dependencies.")
        return key, frozenset([key] if new else [])

    def _path(self, key: str) -> tuple[str, ...]:
        return path_of(key, self._holds)

    def _values(self, key: str, spec: Any, place: KeyPath) -> Sequence[Any]:
        try:
            return axis_values(key, spec)
        except ValueError as error:
            from sweeper.config.foreign.notation import told  # only a mistake needs it

            self._wrong(place, told(str(error), spec))
            return []

    def _owned(
        self, block: Block, places: Mapping[str, KeyPath], keys: Any, place: KeyPath, *, refuse: bool = True
    ) -> Axis:
        """A block whose keys belong together: the command line may not take one of them out."""
        for key in block.keys if refuse else ():
            if key in self._line.swept or key in self._line.pinned:
                where = self._origin().of(places[key])
                what = f"belongs to {_name(place)} ({where}): change it there"
                self.problems.append(Problem(COMMAND_LINE, key, what))
                self._used.add(key)
        return Axis(block, places, frozenset().union(*(new for _, new in keys)), _name(place))

    def _claim(self, axes: Sequence[Axis]) -> None:
        """Two blocks may not set the same thing: which of them would win depends on the order."""
        for number, axis in enumerate(axes):
            for key in axis.block.keys:
                for other in axes[:number]:
                    self._apart(key, axis, other)
        known = {id(axis) for axis in self.axes}
        self.axes += [axis for axis in axes if id(axis) not in known]

    def _apart(self, key: str, axis: Axis, other: Axis) -> None:
        for taken in other.block.keys:
            if key in self._used and axis.form == "command line":
                continue  # said already
            if taken == key:
                what = f"is set by {other.form} and by {axis.form}: take it out of one of them"
            elif _overlap(self._path(key), self._path(taken)):
                what = f"and {taken} set the same thing: sweep one of them"
            else:
                continue
            self.problems.append(Problem(axis.where(self._origin(), key), key, what))

    def _wrong(self, place: KeyPath, what: str) -> None:
        self.problems.append(self._origin().problem(place, what, _name(place)))


def _optional(section: Values) -> list[str]:
    """The keys of a section that a condition may leave out."""
    drawn = (section.get("random") or {}).get("of") or {}
    return [name.lstrip("+") for name in (*(section.get("grid") or {}), *drawn)]


def _says_something(form: Any) -> bool:
    """False for a form that is empty, or holds only axes that are taken away."""
    return any(spec is not None for spec in form.values()) if isinstance(form, Mapping) else bool(form)


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    """True when one of the two paths leads to the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _name(place: KeyPath) -> str:
    """A place as it is written: sweep.concat[1].grid."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
