"""report.html: a frame, a style, a script and the data in one file that asks no network for anything.

What others wrote is in the data alone, as JSON in which no tag can begin, and the script shows it as text. The page's
own policy lets these very scripts run and no other, and lets nothing be fetched.

plotly is packed, and so are large data: gzip in base64, which the browser unpacks (static/unpack.js).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
SCRIPTS = (
    *("dom", "unpack", "keep", "theme", "rows", "table"),
    *(f"plots/{name}" for name in ("figure", "marks", "colours", "results", "parameters", "parallel", "heat", "chain")),
    *(f"sections/{name}" for name in ("overview", "results", "parameters", "trials", "time", "about")),
    *("page", "start", "follow"),
)
"""The parts of the one script, in order."""
COMPARED = ("dom", "unpack", "keep", "theme", "rows", "plots/figure", "plots/marks", "compared", "start")
"""The same of the page of several sweeps."""
MOST_PLAIN = 3_000_000
"""Characters of JSON that stand in the page as they are; what is longer is packed."""
LEVEL = 5
"""Of gzip: 9 takes twice the time for a hundredth of the bytes."""
MOST_WHOLE = 2**53
"""Larger whole numbers are texts: a script would round them."""
PLOTLY = "package_data/plotly.min.js"
PACKED = "application/gzip"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src 'unsafe-eval'"
"""plotly draws with WebGL by code that it makes itself, and brings styles of its own."""


def to_html(
    data: Mapping[str, Any],
    plotly: str | None = None,
    follow: tuple[str, str] | None = None,
    scripts: tuple[str, ...] = SCRIPTS,
) -> str:
    """The page of these data. With plotly (the extra `report`) it has plots; without it the same numbers as tables.

    `plotly`: its script, empty for none; None is what is installed. `follow`: where newer data are to be had, and the
    tag of these; a page that follows nothing asks nobody for anything.
    """
    plotly, script, told = _plotly() if plotly is None else plotly, _script(scripts), to_json(data)
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in (plotly, script) if text)
    large = len(told) > MOST_PLAIN
    parts = {
        "title": escape(str(data.get("name", ""))),
        "of": escape(str(data.get("of", ""))),
        "policy": f"{POLICY} {allowed}" + ("; connect-src 'self'" if follow else ""),
        "follow": f' data-follow="{escape(follow[0])}" data-tag="{escape(follow[1])}"' if follow else "",
        "style": _static("page.css"),
        "data": _island("data", _packed(told), PACKED) if large else _island("data", told, "application/json"),
        "plotly": _island("plotly", _packed_plotly(plotly), PACKED) if plotly else "",
        "script": f"<script>{script}</script>",
        "summary": escape(" ".join(data.get("summary", ()))),
    }
    return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], _static("page.html"))


def _island(name: str, text: str, kind: str) -> str:
    """Text in the page that is no script by itself."""
    return f'<script type="{kind}" id="{name}">{text}</script>'


def _packed(text: str) -> str:
    """gzip in base64."""
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode("ascii")


_packed_plotly = cache(_packed)


def to_json(data: Any) -> str:
    """JSON in which no tag, comment or entity can begin. NaN and the infinities are texts: JSON has none."""
    text = json.dumps(_strict(data), ensure_ascii=False, separators=(",", ":"), default=str)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _strict(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(one) for one in value]
    return value


@cache
def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


@cache
def _script(scripts: tuple[str, ...]) -> str:
    return "(() => {\n'use strict';\n" + "\n".join(_static(f"{name}.js") for name in scripts) + "})();\n"


@cache
def _plotly() -> str:
    """plotly's own bundle, found without importing the package; empty where it is not installed."""
    spec = importlib.util.find_spec("plotly")
    try:
        return (Path(spec.origin).parent / PLOTLY).read_text(encoding="utf-8") if spec and spec.origin else ""
    except OSError:
        return ""


@cache
def _digest(text: str) -> str:
    """As a Content-Security-Policy names a script."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
