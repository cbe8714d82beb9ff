"""Keeping secrets out of everything that is written: their texts are replaced wherever they appear (R18). Pure.

What decides (values, patches, names, metrics) is never masked; what users, scripts and services wrote is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

MASK = "***"
SHORTEST = 5
"""Characters: a shorter text is masked only where it stands alone, and only under a key that looks secret."""
SHORTEST_CREDENTIAL = 8
LEAST_PART = 4
"""So many letters and digits of a secret are a part of it that is masked where a text was cut."""
PIECE = 4096
"""Characters of a log's line from which on it may have been cut: logs keep long lines in pieces."""
WINDOW = 16
"""Characters by which a piece of a secret is found."""
LEAST_PIECE = 2 * WINDOW - 1
"""Characters of a secret that was broken into lines from which on a piece of it is masked: fewer may be chance."""
ORDINARY = frozenset(
    (
        *("true", "false", "none", "null", "yes", "no", "on", "off", "auto", "default", "enabled", "disabled"),
        *("online", "offline", "debug", "info", "warn", "warning", "error", "critical", "fatal", "trace"),
    )
)
"""Words that are no secret whatever their key: masked in configurations, never in texts."""

_NAMES = re.compile(
    r"(?i)(^|[_.-])(password|passwd|passphrase|pwd|secret|token|credentials?"
    r"|(api|access|account|auth|private|secret|signing|ssh)[_-]?key)($|[_.-])"
)
_KEY = re.compile(r"(?i)(^|_)key\d*$")
_USER_INFO = re.compile(r"\b((?:\w{1,9}\+)?https?://)([^/\s@$'\"]{1,2000})@")
_BREAK = re.compile(r"""['"]?[bu]?[ \t\r]*\n[ \t]*[bu]?['"]?""")
"""The end of a line within a text, as it is and as Python prints it, read from either side."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"[-+]?(\d+\.\d*|\.?\d+)([eE][-+]?\d+)?")
_BYTES = "surrogatepass"
"""A variable of the outside may hold bytes that are no text."""
_READ_AGAIN = (
    *("name", "owner", "tags", "locked", "sweep", "objective", "stop", "prune", "on_failure"),
    *("prices", "pool", "backend", "engine"),
)
"""What sweeper reads again from a stored configuration: it decides, and nobody's secret stands there."""
_GIVEN = ("job", "hyperparameters", "dependencies", "trackers")
"""What a job or a tracker is given decides, too."""


def looks_secret(key: str) -> bool:
    """Does the name of a key say that its value is a secret?"""
    return _NAMES.search(key) is not None


def user_info(text: str) -> list[str]:
    """What stands before the @ of the URLs in a text: a user, a password, a token."""
    return [found[2] for found in _USER_INFO.finditer(text)]


class Redactor:
    """Replaces the secrets that it has learnt in any text, in the forms in which programs print them."""

    def __init__(self, environment: Mapping[str, Any] | None = None) -> None:
        self._all, self._certain = _Masks(), _Masks()
        self._learnt: set[tuple[str, str]] = set()
        self.learn(environment or {})

    def learn(self, environment: Mapping[str, Any]) -> None:
        """The values of a job's environment are secrets, as far as a text can be told from an ordinary word."""
        for key, value in environment.items():
            text = value if isinstance(value, str) else json.dumps(value)
            if (key, text) in self._learnt:
                continue  # a job is looked at again and again
            self._learnt.add((key, text))
            if not text.replace(MASK[0], "").strip() or text.lower() in ORDINARY:
                continue  # what looks like a mask hides nothing, and would be masked again and again
            sure = looks_secret(key) or _KEY.search(key) is not None
            long = len(text) >= SHORTEST
            for masks in (self._all, self._certain) if sure else (self._all,):
                if long and (sure or not _NUMBER.fullmatch(text)):
                    masks.learn(text, in_pieces=sure or "/" not in text)
                elif sure or (long and text.isdigit()):
                    masks.learn_alone(text)

    def learn_texts(self, texts: Iterable[str | None]) -> None:
        """These are secrets, whatever they look like."""
        for text in texts:
            if text and len(text.strip()) >= SHORTEST:
                self._all.learn(text)
                self._certain.learn(text)

    def learn_credentials(self, texts: Iterable[str | None]) -> None:
        """These sign requests. A word like `local` or `test` in their place hides nothing."""
        self.learn_texts(text for text in texts if text and len(text) >= SHORTEST_CREDENTIAL)

    def __call__(self, text: str) -> str:
        """The text with every secret masked."""
        return self._all(text)

    def certain(self, text: str) -> str:
        """The text without those that are surely secrets: credentials, and what stands under a key that says so."""
        return self._certain(text)

    def log(self, text: str) -> str:
        """As a call, for lines of a log, of which a long one may be a piece of a longer one."""
        lines = text.split("\n")
        if all(len(line) < PIECE for line in lines):
            return self(text)
        return "\n".join(self.cut(line) if len(line) >= PIECE else self(line) for line in lines)

    def cut(self, text: str) -> str:
        """As a call, for a text that somebody may have cut: a part of a secret at the end of a line counts as well."""
        return "\n".join(self._all.ends(line) for line in self(text).split("\n"))


class _Masks:
    """Texts to be masked, and how."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._forms: list[str] = []
        self._alone: list[tuple[str, re.Pattern[str]]] = []
        self._pieces = _Pieces()

    def learn(self, text: str, *, in_pieces: bool = True) -> None:
        """Masked wherever it stands. `in_pieces`: a part of it is a secret, too, where a path shares its beginning."""
        if text not in self._known:
            self._known.add(text)
            self._add(_forms(text))
            self._pieces.learn(_forms(text) if in_pieces else _encoded(text))

    def learn_alone(self, text: str) -> None:
        """A short text or a number: masked where it is no part of something longer."""
        if text not in self._known:
            self._known.add(text)
            self._alone.append((text, re.compile(rf"(?<![\w.]){re.escape(text)}(?!\w)")))
            self._add(_encoded(text))

    def _add(self, forms: Iterable[str]) -> None:
        # The longest first, so that a secret that contains another is replaced as a whole.
        self._forms = sorted({*self._forms, *forms}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        for short, alone in self._alone:
            if short in text:
                text = alone.sub(MASK, text)
        return self._pieces(text)

    def ends(self, line: str) -> str:
        """The line without the parts of secrets that stand at its ends."""
        for form in self._forms:
            line = _without_end(line, form)
            line = _without_end(line[::-1], form[::-1])[::-1]
        return line


class _Pieces:
    """Long texts in pieces: base64 is printed in lines of 76 characters, and `pprint` and consoles break lines, too."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, int]] = {}

    def learn(self, forms: Iterable[str]) -> None:
        """Pieces of these are masked."""
        for form in forms:
            if len(form) >= LEAST_PIECE:
                for at in range(len(form) - WINDOW + 1):
                    self._places.setdefault(form[at : at + WINDOW], (form, at))

    def __call__(self, text: str) -> str:
        """The text without them. One window of the text in `WINDOW` is looked at: each long piece holds one."""
        if not self._places:
            return text
        places, starts = self._places, range(0, len(text) - WINDOW + 1, WINDOW)
        shown, done = [], 0
        for at in [at for at in starts if text[at : at + WINDOW] in places]:
            if at >= done:
                begin, end = _piece(text, done, at, *places[text[at : at + WINDOW]])
                shown += [text[done:begin], MASK] if begin < end else []
                done = max(done, end)
        return "".join([*shown, text[done:]])


def _piece(text: str, since: int, at: int, form: str, position: int) -> tuple[int, int]:
    """From where to where the form stands in the text, of which a window was found; nowhere when that is too little."""
    before = text[max(since, at - 2 * position) : at][::-1]
    back, said_before = _along(before, 0, form[:position][::-1])
    end, said = _along(text, at, form[position:])
    return (at - back, end) if said_before + said >= LEAST_PIECE else (0, 0)


def _along(text: str, at: int, form: str) -> tuple[int, int]:
    """Where the form ends that begins here in the text, over ends of lines, and how many characters of it those are."""
    said = 0
    while said < len(form):
        if text[at : at + 1] == form[said]:
            at, said = at + 1, said + 1
            continue
        gap = _BREAK.match(text, at)
        after = said + form[said].isspace()  # a console leaves out the blank at which it breaks a line
        if gap is None or not form.startswith(text[gap.end() : gap.end() + 1] or "\n", after):
            break
        at, said = gap.end(), after
    return at, said


def _without_end(line: str, form: str) -> str:
    """The line with the beginning of this form at its end masked."""
    at = line.find(form[:LEAST_PART], max(0, len(line) - len(form) + 1))
    while at >= 0:
        part = line[at:]
        if form.startswith(part) and sum(map(str.isalnum, part)) >= LEAST_PART:
            return line[:at] + MASK
        at = line.find(form[:LEAST_PART], at + 1)
    return line


def _forms(text: str) -> Iterator[str]:
    """A secret as it is, line by line, without the user of a URL, as JSON, by repr, in a shell, a URL and as base64."""
    from urllib.parse import quote, quote_plus  # commands that hide nothing need not load it

    lines = [line.strip() for line in text.splitlines()] if "\n" in text.strip() else []
    passwords = [info.partition(":")[2] or info for info in user_info(text)]
    for part in dict.fromkeys(p for p in (text, text.strip(), *lines, *passwords) if len(p.strip()) >= SHORTEST):
        written = (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1])
        as_logged = _CONTROL.sub(lambda m: f"#{ord(m.group()):03o}", part)  # how the service's log shows a tab
        twice = (json.dumps(written[0])[1:-1], part.replace("'", "'\"'\"'"))  # JSON in JSON; quoted for a shell
        urls = (*(quote(part, safe=safe, errors=_BYTES) for safe in ("/", "")), quote_plus(part, errors=_BYTES))
        yield from (part, *written, *twice, repr(part.encode(errors=_BYTES))[2:-1], as_logged, *urls)
        yield from _encoded(part)


def _encoded(text: str) -> Iterator[str]:
    """A text as base64: alone, and what it adds to a longer text wherever it begins in it."""
    data = text.encode(errors=_BYTES)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(data).decode()
        yield whole
        for before in range(3):
            first, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            if end - first > SHORTEST:
                yield encode(b"\0" * before + data).decode()[first:end]


def masked(config: Mapping[str, Any], redact: Redactor, decide: Collection[str] = ()) -> dict[str, Any]:
    """A configuration as it may be written: the environment masked by key, other free text where it holds a secret.

    In what a job is given only what is surely one: it decides. `decide`: dotted keys that stay as they are.
    """
    found: dict[str, Any] = {}
    for section, value in config.items():
        if section == "environment":
            found[section] = {key: None if item is None else MASK for key, item in (value or {}).items()}
        elif section in _READ_AGAIN:
            found[section] = value
        else:
            hide = redact.certain if section in _GIVEN else redact
            found[section] = _free(value, hide, (section,), frozenset(decide))
    return found


def _free(value: Any, redact: Callable[[str], str], path: tuple[str, ...], decide: frozenset[str]) -> Any:
    if ".".join(path) in decide or path == ("job", "metrics"):
        return value
    if isinstance(value, Mapping):
        return {key: _free(item, redact, (*path, str(key)), decide) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_free(item, redact, path, decide) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return MASK if redact(str(value)) == MASK else value
    return redact(_USER_INFO.sub(rf"\1{MASK}@", value)) if isinstance(value, str) else value
