"""report.html as a person has it: opened from disk in a real browser, clicked, typed at, printed."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.core.measured import POINTS
from sweeper.record.stored import StoredSweep
from sweeper.show import report
from sweeper.show.compared import Compared, page_data, side_of
from sweeper.show.files import to_csv
from sweeper.show.report.page import COMPARED, MOST_PLAIN, to_html
from tests.show.served import serving
from tests.show.simulated import HOSTILE, LR, run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    not CHROMIUM or not all(map(importlib.util.find_spec, ("playwright", "plotly"))),
    reason="a browser, playwright and plotly are needed",
)
COMPLAINS_OF_DRIVER = "GL Driver Message"
"""What Chromium says of a machine without a graphics card."""


@dataclass
class Browsed:
    """A page, everything that it complained of, and everything that it asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        """From disk, as a person opens it; every plot is drawn."""
        self.page.goto(path.as_uri())
        self.page.evaluate("sweeper.ready")
        self.page.evaluate("sweeper.figures.forEach((figure) => figure.draw())")

    def plots(self) -> dict[str, list[dict[str, Any]]]:
        """The traces of each plot as plotly holds them."""
        kept = "{ name, meta, x, y, z, customdata }"
        traces = f"one.box.data.map(({kept}) => ({kept}))"
        spelled = "(key, value) => typeof value === 'number' && !Number.isFinite(value) ? String(value) : value"
        told = f"JSON.stringify(Object.fromEntries(sweeper.figures.map((one) => [one.id, {traces}])), {spelled})"
        found: dict[str, list[dict[str, Any]]] = json.loads(self.page.evaluate(told))
        return found

    def column(self, number: int) -> list[str]:
        """What a column of the table shows."""
        texts: list[str] = self.page.locator(f"#table tbody td:nth-child({number})").all_inner_texts()
        return texts

    def focused(self) -> str:
        """Where the keyboard is."""
        return str(self.page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))


@pytest.fixture
def browsed() -> Iterator[Browsed]:
    """One page of one browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        seen = Browsed(page)
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        yield seen
        browser.close()


def test_the_page_shows_what_results_csv_says_and_can_be_worked_with(browsed: Browsed, tmp_path: Path) -> None:
    """To the last digit; sorted, filtered, opened, tabbed through, in the dark, on a phone, on paper, and offline."""
    sweep = run(tmp_path)
    report.write(sweep, sweep.table, sweep.best, sweep.changed_at + 60)
    path = sweep.folder / report.NAME
    assert path.stat().st_size < 2_500_000
    browsed.open(path)
    assert browsed.page.title() == "sweep", "no name becomes a script"
    the_keyboard_is_enough(browsed)
    the_plots_are_the_csv(browsed, sweep)
    the_curves_are_the_points(browsed, sweep)
    a_heading_sorts(browsed)
    words_and_comparisons_filter(browsed)
    a_trial_opens(browsed)
    a_mark_tells_its_trial(browsed)
    dark_is_dark(browsed)
    a_phone_has_room(browsed)
    paper_has_every_plot(browsed)
    newer_data_are_drawn_into_the_same_page(browsed)
    what_a_person_has_set_stays(browsed)
    assert [line for line in browsed.complaints if COMPLAINS_OF_DRIVER not in line] == []
    assert set(browsed.requests) == {path.as_uri()}
    without_plotly_there_are_tables(browsed, sweep)
    several_sweeps_are_on_one_page(browsed, sweep)
    a_served_page_follows_its_sweep(browsed, sweep)
    large_data_are_packed(browsed, sweep)
    before_plotly_is_there_paper_has_tables(browsed, sweep)
    a_browser_that_unpacks_nothing_says_so(browsed, sweep)


def the_plots_are_the_csv(browsed: Browsed, sweep: StoredSweep) -> None:
    """Every value that is drawn is the float that results.csv has for its trial."""
    rows = list(csv.DictReader(io.StringIO(to_csv(sweep.table))))
    plots = browsed.plots()
    marks = [trace for trace in plots["best-so-far"] if trace["name"] in ("completed", "best")]
    drawn = {row: y for trace in marks for row, y in zip(trace["customdata"], trace["y"], strict=True)}
    assert drawn == {n: float(row["metric.m"]) for n, row in enumerate(rows) if row["status"] == "completed"}
    sliced = [t for t in plots["slices"] if t["meta"][0] == LR and t["name"] == "completed"]
    assert {row: x for t in sliced for row, x in zip(t["customdata"], t["x"], strict=True)} == {
        n: float(rows[n][LR]) for t in sliced for n in t["customdata"]
    }
    assert {t["name"] for t in plots["best-so-far"]} == {"best so far", "completed", "best", "failed", "pruned"}
    means = next(t for t in plots["seeds"] if t["name"] == "means")
    values = [float(rows[n]["metric.m"]) for n in (12, 13)]
    assert max(means["x"]) == sum(values) / 2
    cells = plots["heat"][0]["z"]
    assert max(value for line in cells for value in line if value is not None) == sum(values) / 2
    assert None in [value for line in cells for value in line], "what only failed has no colour"
    told = browsed.page.evaluate("Array.from(sweeper.sweep.rows.cost_usd)")
    assert told == [float(row["cost_usd"]) for row in rows]


def the_curves_are_the_points(browsed: Browsed, sweep: StoredSweep) -> None:
    """Each curve has the values of its trial's metrics.csv, over the epochs that were printed before them."""
    for trace in browsed.plots()["curves"]:
        trial = sweep.table.rows[trace["meta"]]["trial"]
        with (sweep.folder / "trials" / trial / POINTS).open(newline="") as file:
            points = list(csv.DictReader(file))
        assert [repr(float(y)) for y in trace["y"]] == [repr(float(p["value"])) for p in points if p["metric"] == "m"]
        assert trace["x"] == [float(p["value"]) for p in points if p["metric"] == "epoch"]


def a_heading_sorts(browsed: Browsed) -> None:
    """Up, then down; what has no value stands last either way."""
    heading = browsed.page.locator('#table th[data-key="metric.m"]')
    place = 1 + int(heading.evaluate("(th) => [...th.parentNode.children].indexOf(th)"))
    for order, down in (("ascending", False), ("descending", True)):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == order
        shown = browsed.column(place)
        known = [float(text) for text in shown if text not in ("", "nan")]
        assert len(shown) == 24
        assert known == sorted(known, reverse=down)
        assert set(shown[len(known) :]) == {"", "nan"}


def words_and_comparisons_filter(browsed: Browsed) -> None:
    """Words, comparisons of any column, and the status as a button; all of them have to hold."""
    search, rows = browsed.page.locator("#filter"), browsed.page.locator("#table tbody tr")
    found = {"lr>0.01 kind=adam": 4, "out_of_memory": 2, "status=pruned": 1, "</script>": 8, "": 24}
    for words, left in found.items():
        search.fill(words)
        assert rows.count() == left, words
    chip = browsed.page.locator(".chips button", has_text="failed")
    chip.click()
    assert (rows.count(), chip.get_attribute("aria-pressed")) == (2, "true")
    chip.click()


def a_trial_opens(browsed: Browsed) -> None:
    """With everything that is known of it, as text; Escape closes it."""
    browsed.page.locator("#filter").fill("out_of_memory")
    browsed.page.locator("#table tbody button.open").first.click()
    dialog = browsed.page.locator("dialog#trial")
    assert dialog.is_visible()
    assert "RuntimeError: CUDA out of memory." in dialog.inner_text()
    assert "sweeper rerun sweep " in dialog.inner_text()
    assert "null" not in dialog.inner_text()
    browsed.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    browsed.page.locator("#filter").fill("")
    link = browsed.page.locator("#table tbody a").first
    assert link.get_attribute("href").endswith("/log.txt")


def the_keyboard_is_enough(browsed: Browsed) -> None:
    """The first Tab skips to the content; a heading sorts by Enter and keeps the focus."""
    browsed.page.keyboard.press("Tab")
    assert 'class="skip"' in browsed.focused()
    heading = browsed.page.locator('#table th[data-key="index"] button')
    heading.focus()
    browsed.page.keyboard.press("Enter")
    assert browsed.page.locator('#table th[data-key="index"]').get_attribute("aria-sort") == "descending"
    browsed.page.keyboard.press("Tab")
    assert "button" in browsed.focused()


def a_mark_tells_its_trial(browsed: Browsed) -> None:
    """A name that is markup is shown as the text that it is, and a click opens the trial."""
    plot = browsed.page.locator("#plot-best-so-far")
    plot.scroll_into_view_if_needed()
    where = """(box) => {
      const trace = box._fullData.find((one) => one.name === 'completed'), at = trace.customdata.indexOf(4);
      const { xaxis, yaxis } = box._fullLayout, frame = box.getBoundingClientRect();
      return [frame.x + xaxis._offset + xaxis.l2p(trace.x[at]), frame.y + yaxis._offset + yaxis.l2p(trace.y[at])];
    }"""
    x, y = plot.evaluate(where)
    browsed.page.mouse.move(x - 3, y)
    browsed.page.mouse.move(x, y)
    hover = plot.locator(".hoverlayer")
    hover.locator("text").first.wait_for()
    assert HOSTILE[:25] in (hover.text_content() or "")
    browsed.page.mouse.click(x, y)
    dialog = browsed.page.locator("dialog#trial")
    dialog.wait_for()
    assert HOSTILE in dialog.inner_text()
    browsed.page.keyboard.press("Escape")


def dark_is_dark(browsed: Browsed) -> None:
    """By the system, and by the button, for the page and the plots."""
    light = browsed.page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = "document.getElementById('plot-best-so-far').layout.font.color"
    before = browsed.page.evaluate(ink)
    browsed.page.emulate_media(color_scheme="dark")
    browsed.page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert browsed.page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert browsed.page.evaluate(ink) != before
    browsed.page.locator("#theme").click()
    assert browsed.page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    browsed.page.emulate_media(color_scheme="light")


def a_phone_has_room(browsed: Browsed) -> None:
    """Nothing is wider than the screen but what scrolls in its own box."""
    browsed.page.set_viewport_size({"width": 390, "height": 844})
    browsed.page.wait_for_function("document.documentElement.scrollWidth <= 390")
    browsed.page.set_viewport_size({"width": 1280, "height": 900})


def paper_has_every_plot(browsed: Browsed) -> None:
    """A page that was never scrolled prints whole."""
    browsed.page.reload()
    browsed.page.evaluate("sweeper.ready")
    pdf = browsed.page.pdf()
    assert pdf.startswith(b"%PDF")
    assert browsed.page.evaluate("sweeper.figures.every((figure) => figure.drawn)")


def newer_data_are_drawn_into_the_same_page(browsed: Browsed) -> None:
    """As whoever watches a running sweep does. What was gone on with a week later has its long pause cut out."""
    newer = """() => {
      const data = JSON.parse(document.getElementById('data').textContent);
      data.jobs.forEach((job, n) => { job.begun += n > 11 ? 604800 : 0; });
      const { figures } = sweeper.draw({ ...data, name: 'newer', running: true });
      const timeline = figures.find(({ id }) => id === 'timeline');
      timeline.draw();
      return Math.max(...timeline.box.data.find(({ name }) => name === 'closed').x);
    }"""
    minutes = browsed.page.evaluate(newer)
    assert browsed.page.locator("h1").inner_text() == "newer"
    assert browsed.page.locator("main").count() == 1
    assert 96 < minutes < 100
    assert "7 days later" in (browsed.page.locator("#plot-timeline").text_content() or "")


def without_plotly_there_are_tables(browsed: Browsed, sweep: StoredSweep) -> None:
    """Every figure is a table of the same numbers."""
    browsed.complaints.clear()
    path = plain(sweep)
    browsed.open(path)
    assert path.stat().st_size < 500_000
    figures = browsed.page.locator("[id^=figure-]")
    assert figures.count() == 8
    assert all(figures.nth(n).locator("table tbody tr").count() for n in range(8))
    best = max(value for row in sweep.table.rows if not math.isnan(value := row["metric.m"] or math.nan))
    assert f"{best:.6g}" in browsed.page.locator("#figure-curves table").inner_text()
    assert browsed.complaints == []


def several_sweeps_are_on_one_page(browsed: Browsed, sweep: StoredSweep) -> None:
    """A mark of each sweep for each trial that they share, with the value of results.csv; text of others is text."""
    side = side_of(sweep)
    both = Compared([side, replace(side, name=HOSTILE)])
    path = sweep.folder / "compared.html"
    path.write_text(to_html(page_data(both, ["report.html", ""]), scripts=COMPARED))
    browsed.open(path)
    drawn = [sorted(y for y in trace["y"] if y is not None) for trace in browsed.plots()["matched-trials"]]
    done = [row for row in sweep.table.rows if row["status"] == "completed" and not math.isnan(row["metric.m"])]
    assert drawn == [sorted(row["metric.m"] for row in done)] * 2
    assert browsed.page.locator("#figure-matched-trials").get_by_text(HOSTILE, exact=True).count() > 0
    assert browsed.complaints == []


def what_a_person_has_set_stays(browsed: Browsed) -> None:
    """A zoom, a choice, a filter, a sorting, what is open and the focus, when newer data are drawn."""
    page = browsed.page
    page.reload()
    page.evaluate("sweeper.ready")
    curves = page.locator("#plot-curves")
    curves.scroll_into_view_if_needed()
    page.wait_for_function("document.getElementById('plot-curves').data")
    page.locator("#figure-curves select").nth(1).select_option("number")
    page.evaluate("Plotly.relayout('plot-curves', { 'xaxis.range': [3, 7] })")
    page.locator("#figure-curves summary").click()
    page.locator('#table th[data-key="metric.m"] button').click()
    page.locator(".chips button", has_text="failed").click()
    page.locator("#filter").fill("kind=sgd")
    top = "document.getElementById('filter').getBoundingClientRect().top"
    before = browsed.column(1), page.evaluate(top)
    newer = "sweeper.draw({ ...JSON.parse(document.getElementById('data').textContent), %s }) && 0"
    page.evaluate(newer % "name: 'newer'")
    assert page.locator("h1").inner_text() == "newer"
    assert page.evaluate("document.getElementById('plot-curves').layout.xaxis.range") == [3, 7]
    assert page.evaluate("document.getElementById('plot-curves').layout.xaxis.title.text") == "number of the value"
    assert page.locator("#figure-curves select").nth(1).input_value() == "number"
    assert page.locator("#figure-curves details").get_attribute("open") is not None
    assert page.locator('#table th[data-key="metric.m"]').get_attribute("aria-sort") == "ascending"
    assert page.locator("#filter").input_value() == "kind=sgd"
    assert 'id="filter"' in browsed.focused()
    assert (browsed.column(1), page.evaluate(top)) == before
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    page.evaluate(newer % "summary: Array(99).fill('It has more to tell. ')")
    assert page.evaluate("scrollY") == 0
    assert len(before[0]) == 2


def a_served_page_follows_its_sweep(browsed: Browsed, sweep: StoredSweep) -> None:
    """What happens is drawn into the page without a reload, and a server that has gone is told."""
    browsed.complaints.clear()
    with serving(sweep.folder) as address:
        browsed.page.goto(address)
        browsed.page.locator("#state", has_text="live").wait_for()
        (sweep.folder / "config.yaml").write_text((sweep.folder / "config.yaml").read_text() + "followed: 1\n")
        browsed.page.locator("#config", has_text="followed").wait_for(state="attached")
        assert [line for line in browsed.complaints if COMPLAINS_OF_DRIVER not in line] == []
    browsed.page.locator("#state", has_text="not followed").wait_for()


def large_data_are_packed(browsed: Browsed, sweep: StoredSweep) -> None:
    """The browser has every character of them again."""
    config = "é\u2028</script>" * (MOST_PLAIN // 11)
    path = plain(sweep, config=config)
    browsed.open(path)
    assert path.stat().st_size < 500_000
    assert browsed.page.evaluate("sweeper.sweep.config") == config
    assert len(browsed.column(1)) == 24


def before_plotly_is_there_paper_has_tables(browsed: Browsed, sweep: StoredSweep) -> None:
    """Here it never comes; after that the page waits on."""
    browsed.page.add_init_script(
        "window.DecompressionStream = class { constructor() {"
        "  return new TransformStream({ flush: () => new Promise(() => {}) });"
        "} }"
    )
    browsed.page.goto((sweep.folder / report.NAME).as_uri())
    told = """['beforeprint', 'afterprint'].map((name) => {
      dispatchEvent(new Event(name));
      return sweeper.figures.filter(({ details }) => details.open).length;
    })"""
    assert browsed.page.evaluate(told) == [6, 0]


def a_browser_that_unpacks_nothing_says_so(browsed: Browsed, sweep: StoredSweep) -> None:
    """It shows the tables; where the data are packed too, the summary and where the rows are."""
    browsed.complaints.clear()
    browsed.page.add_init_script("delete window.DecompressionStream")
    browsed.open(sweep.folder / report.NAME)
    assert "This browser does not unpack the plots" in browsed.page.locator("main").inner_text()
    assert browsed.page.locator("#figure-best-so-far table tbody tr").count() == 24
    browsed.open(plain(sweep, config="x" * MOST_PLAIN))
    assert "24 trials: 21 completed" in browsed.page.locator("main").inner_text()
    assert "results.csv" in browsed.page.locator("main").inner_text()
    assert browsed.complaints == []


def plain(sweep: StoredSweep, **more: Any) -> Path:
    """Its page without plotly."""
    path = sweep.folder / "plain.html"
    told = report.data(report.read(sweep, sweep.table, sweep.best, sweep.changed_at + 60))
    path.write_text(report.to_html({**told, **more}, plotly=""), encoding="utf-8")
    return path
