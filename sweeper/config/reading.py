"""Reading a configuration file: where each key stands, and what no configuration holds, refused with its place.

A file is text that somebody has written, or something has generated: whatever it holds, reading it ends, and soon.
"""

from __future__ import annotations

import copy
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.config.problems import KeyPath, Problem, brief, dotted, refuse, shown
from sweeper.config.values import say
from sweeper.core.identity import canonical
from sweeper.errors import UsageError

Mark = tuple[int, int]

MOST_BYTES = 1_000_000
MOST_VALUES = 20_000
"""Keys and values of a file, what an alias stands for counted each time."""
MOST_DEPTH = 40
MOST_DIGITS = 300
"""Of a whole number: what has more is no fraction either, and not every Python reads it."""

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_KINDS = {
    _TAG + "bool": "true or false",
    _TAG + "int": "a number",
    _TAG + "float": "a number",
    _TAG + "null": "null",
    _TAG + "value": "a sign of its own",
}
"""What YAML 1.1 reads words as that are written without quotes: `off`, `1`, `.5`, `~`, `=`."""
_PLAIN = {_TAG + kind for kind in ("str", "bool", "int", "float", "null", "map", "seq")}

_HALF = re.compile("[\ud800-\udfff]")

_CLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_CLoader):  # type: ignore[misc]
    """YAML as OmegaConf means it: 1e-4 is a number, a date is text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TAG + "timestamp"]
    for first, resolvers in _CLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    _TAG + "float",
    re.compile(
        r"""^(?:
         [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
        |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
        |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
        re.VERBOSE,
    ),
    list("-+0123456789."),
)


@dataclass(frozen=True)
class Word:
    """A number or a truth value that would be printed otherwise than it is written, without quotes."""

    path: KeyPath
    mark: Mark
    written: str
    value: Any


@dataclass(frozen=True)
class Document:
    """What a file holds, and where."""

    content: Any
    marks: Mapping[KeyPath, Mark]
    """Line and column, from 1, of every key and every list item."""
    words: Sequence[Word] = ()


class _WrongError(Exception):
    """Something in a text that no configuration holds."""

    def __init__(self, problems: list[tuple[Mark, KeyPath, str]]) -> None:
        self.problems = problems


GIVEN = Path("Sweep.from_dict")
"""Stands for the file of an experiment that has none: somebody has given its text."""
_given: ContextVar[str | None] = ContextVar("given", default=None)


@contextmanager
def giving(written: str) -> Iterator[None]:
    """While it lasts this is what stands in `GIVEN`."""
    token = _given.set(written)
    try:
        yield
    finally:
        _given.reset(token)


def is_given() -> bool:
    """Is there such a text now?"""
    return _given.get() is not None


def load(file: Path) -> DictConfig:
    """One YAML file as a mapping. Raises UsageError with the place of what is wrong."""
    config = copy.deepcopy(document(file).content)
    if not isinstance(config, DictConfig):
        raise UsageError(f"{shown(file)}:1:1: not a mapping: write `key: value` lines")
    return config


def marks(file: Path) -> Mapping[KeyPath, Mark]:
    """Where each key of a file stands; none when it cannot be read, which another line tells."""
    try:
        return document(file).marks
    except UsageError:
        return {}


def document(file: Path) -> Document:
    """What a file holds, and where. Raises UsageError with the place of what is wrong."""
    try:
        return _parsed(text(file))
    except _WrongError as error:
        places = ((f"{shown(file)}:{line}:{column}", dotted(p), what) for (line, column), p, what in error.problems)
        refuse([Problem(*problem) for problem in places])
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{shown(file)}:{mark.line + 1}:{mark.column + 1}" if mark else f"{shown(file)}:1:1"
        what = " ".join(part for part in (error.context, error.problem) if part).replace("\n", " ")
        raise UsageError(f"{place}: not valid YAML: {what}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{shown(file)}:1:1: not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise UsageError(f"{shown(file)}:1:1: {_TOO_DEEP}") from None


def text(file: Path) -> str:
    """The text of a file. Raises UsageError for what is no file of ours: a pipe, another encoding, too long a one."""
    if file == GIVEN and (given := _given.get()) is not None:
        return given
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1) if stat.S_ISREG(file.stat().st_mode) else None
    except OSError as error:
        raise UsageError(f"{shown(file)}:1:1: cannot be read: {error.strerror}") from None
    if content is None:
        raise UsageError(f"{shown(file)}:1:1: is not a regular file")
    if len(content) > MOST_BYTES:
        raise UsageError(f"{shown(file)}:1:1: is too long: a configuration file has at most {MOST_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise UsageError(f"{shown(file)}:{line}:{column}: is not UTF-8: {error.reason}") from None


@lru_cache(maxsize=16)
def _parsed(written: str) -> Document:
    """A file is asked for more than once: as a whole, for its own name, for a place."""
    loader = Loader(written)
    try:
        root = loader.get_single_node()
        found = _Walk(loader)
        if root is not None:
            found.size(root, ())
            found.defaults(root)
        if found.problems:
            raise _WrongError(found.problems)
        content = loader.construct_document(root) if root is not None else {}
        return Document(
            OmegaConf.create(content) if isinstance(content, (dict, list)) else content, found.marks, found.words
        )
    except OmegaConfBaseException as error:
        key = re.sub(r"\[(\d+)\]", r".\1", str(error.full_key or ""))
        at = next((path for path in found.marks if dotted(path) == key), ())
        raise _WrongError([(found.marks.get(at, (1, 1)), at, say(error))]) from None
    finally:
        loader.dispose()


_TOO_DEEP = f"is nested too deep: at most {MOST_DEPTH} levels"


@dataclass
class _Walk:
    """One walk over the nodes of a file, each of them visited once however often an alias names it."""

    loader: Any
    marks: dict[KeyPath, Mark] = field(default_factory=dict)
    problems: list[tuple[Mark, KeyPath, str]] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    _sizes: dict[int, int] = field(default_factory=dict)

    def size(self, node: yaml.Node, path: KeyPath) -> int:
        """How many values stand at and below this node. Raises _WrongError where going on would not end."""
        known = self._sizes.get(id(node))
        if known is not None:
            if not known:
                self._stop(node, path, "is an alias that leads back to itself")
            return known
        if len(path) > MOST_DEPTH:
            self._stop(node, path, _TOO_DEEP)
        self._sizes[id(node)] = 0  # being looked at
        found = 1 + sum(self.size(part, there) for part, there in self._parts(node, path))
        if found > MOST_VALUES:
            self._stop(node, path, f"is too much: a file has at most {MOST_VALUES} values, aliases followed")
        self._sizes[id(node)] = found
        return found

    def defaults(self, root: yaml.Node) -> None:
        """The list of what a file starts from, which Hydra reads before anybody else can say what is wrong with it."""
        pairs = root.value if isinstance(root, yaml.MappingNode) else []
        for key, value in pairs:
            if key.value != "defaults":
                continue
            if not isinstance(value, yaml.SequenceNode):
                self._wrong(key, ("defaults",), f"must be a list, such as {_DEFAULTS}")
                continue
            for entry in value.value:
                if not _may_be_entry(entry):
                    self._wrong(entry, ("defaults",), f"holds what is no entry of it: write {_DEFAULTS}")

    def _parts(self, node: yaml.Node, path: KeyPath) -> Iterator[tuple[yaml.Node, KeyPath]]:
        if isinstance(node, yaml.MappingNode):
            yield from self._pairs(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                here = (*path, position)
                self.marks[here] = _mark(item)
                yield item, here
        if node.tag == _TAG + "value":
            self._wrong(node, path, f"{node.value!r} is a sign of its own in YAML: quote it")
        elif node.tag not in _PLAIN:
            what = node.tag.replace(_TAG, "!!")
            self._wrong(node, path, f"{what} is not read: write text, a number, true, false, null, a list or a mapping")
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(node, path)

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[yaml.Node, KeyPath]]:
        before: set[str] = set()
        for key, value in node.value:
            if key.tag != _MERGE:
                self._key(key, path)
            if not isinstance(key, yaml.ScalarNode):
                continue
            here = (*path, key.value)
            if key.value in before:
                self._wrong(key, here, "stands twice: take one of them out")
            before.add(key.value)
            self.marks[here] = _mark(key)
            yield value, here

    def _key(self, key: yaml.Node, path: KeyPath) -> None:
        if not isinstance(key, yaml.ScalarNode):
            self._wrong(key, path, "has a list or a mapping for a key: a key is text")
        elif key.tag in _KINDS:
            self._wrong(key, (*path, key.value), f"{brief(key.value)} is {_KINDS[key.tag]} in YAML: quote it")
        elif key.tag != _TAG + "str":
            self._wrong(key, path, f"{key.tag.replace(_TAG, '!!')} is no key: a key is text")
        else:
            self._text(key, (*path, key.value))

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> None:
        if node.tag == _TAG + "str":
            self._text(node, path)
            return
        try:
            value = self.loader.construct_object(node)
        except (ValueError, LookupError, OverflowError, yaml.YAMLError):
            self._wrong(node, path, f"{brief(node.value)} is not {_KINDS.get(node.tag, 'a value')}")
            return
        if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
            self._wrong(node, path, f"is too large a number: quote it, or write at most {MOST_DIGITS} digits")
        elif value is not None and not node.style and canonical(value) != node.value:
            self.words.append(Word(path, _mark(node), node.value, value))

    def _text(self, node: yaml.Node, path: KeyPath) -> None:
        if "\0" in node.value or (not node.value.isascii() and _HALF.search(node.value)):
            self._wrong(node, path, "holds a character that no text has (NUL, or half of a pair)")

    def _wrong(self, node: yaml.Node, path: KeyPath, what: str) -> None:
        self.problems.append((_mark(node), path, what))

    def _stop(self, node: yaml.Node, path: KeyPath, what: str) -> None:
        self._wrong(node, path[:4], what)
        raise _WrongError(self.problems)


_DEFAULTS = "[base, {override /backend: spot}, _self_]"


def _may_be_entry(node: yaml.Node) -> bool:
    """True for a name, and for a config group with the name of an option, several of them, or none."""
    if isinstance(node, yaml.ScalarNode):
        return node.tag == _TAG + "str" and bool(node.value.strip())
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        return False
    ((key, value),) = node.value
    options = value.value if isinstance(value, yaml.SequenceNode) else [value]
    if isinstance(value, yaml.SequenceNode) and "override" in key.value:
        return False  # one option takes the place of one
    named = all(isinstance(one, yaml.ScalarNode) and one.tag == _TAG + "str" and one.value for one in options)
    none = isinstance(value, yaml.ScalarNode) and value.tag == _TAG + "null"
    return bool(isinstance(key, yaml.ScalarNode) and key.value.strip() and (named or none))


def _mark(node: yaml.Node) -> Mark:
    return node.start_mark.line + 1, node.start_mark.column + 1
