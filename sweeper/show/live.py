"""Progress as a table that stays in place on a terminal: what runs, since when, what came of the rest, how long still.

It rewrites its own lines and clears nothing else. The terminal is written to without ever waiting for it: one that does
not read (Ctrl-S) loses frames, never time. Whatever fails here silences it; it never decides anything and never raises.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.declared import added, best_job, ended, find
from sweeper.core.events import PoolStatus, TrialStatus
from sweeper.core.model import Sweep, Trial
from sweeper.core.text import harmless
from sweeper.core.words import span
from sweeper.show.progress import event_line, timestamped
from sweeper.show.table import short_names, shown

if TYPE_CHECKING:
    from rich.text import Text

FRAME_S = 0.2
"""Seconds between two frames at least."""
AROUND = 6
"""Lines of the terminal that are not rows: the head, the foot, the cursor's, and a few of what happened."""
MIN_WIDTH = 8
MOST_ABOVE = 1000
"""Lines that wait for a terminal that does not read."""
MOST_METRICS = 3
_STYLES = {
    "completed": "green",
    "failed": "red",
    "metric_missing": "red",
    "planned": "dim",
    "skipped": "dim",
    "interrupted": "yellow",
}


class Terminal:
    """A terminal that is written to without blocking, and whose lines at the cursor can be written again."""

    def __init__(self, fd: int) -> None:
        self._fd = _own_descriptor(fd)
        self._waiting = b""
        self._lines: list[str] = []
        self._columns = 0

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows); 80 x 24 where the terminal does not say."""
        size = os.get_terminal_size(self._fd)
        return size.columns or 80, size.lines or 24

    @property
    def busy(self) -> bool:
        """True while the terminal has not taken what was written before, or belongs to another program (`&`)."""
        if os.tcgetpgrp(self._fd) != os.getpgrp():
            return True
        self._flush()
        return bool(self._waiting)

    def draw(self, above: Sequence[str], lines: Sequence[str], width_of: Callable[[str], int]) -> None:
        """Replace the lines of the last frame by these; `above` is left standing over them."""
        columns, _ = self.size
        old = sum(max(1, -(-width_of(line) // columns)) for line in self._lines)
        same = not above and columns == self._columns
        out = ["\r", f"\x1b[{old}A" if old else ""]
        out += [f"{line}\x1b[K\r\n" for line in above]
        for position, line in enumerate(lines):
            unchanged = same and position < len(self._lines) and self._lines[position] == line
            out.append("\r\n" if unchanged else f"{line}\x1b[K\r\n")
        left = old - len(above) - len(lines)
        out.append("\x1b[K\r\n" * left + f"\x1b[{left}A" if left > 0 else "")
        out.append("\x1b[K")
        self._lines, self._columns = list(lines), columns
        self._waiting += "".join(out).encode("utf-8", "replace")
        self._flush()

    def close(self) -> None:
        """Write what is left, as far as the terminal takes it at once."""
        self._flush()
        os.close(self._fd)

    def _flush(self) -> None:
        while self._waiting:
            try:
                written = os.write(self._fd, self._waiting)
            except BlockingIOError:
                return
            self._waiting = self._waiting[written:]


def _own_descriptor(fd: int) -> int:
    """The same terminal once more, so that not blocking is our own affair and not that of every program on it."""
    own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    os.set_inheritable(own, False)
    return own


@dataclass
class Phase:
    """What a running job is doing, and since when (monotonic seconds)."""

    word: str
    since: float


class LiveTable:
    """The Progress port on a terminal. `tick` is called while the runner sleeps."""

    def __init__(
        self,
        terminal: Terminal,
        sweep: Sweep,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        redact: Callable[[str], str],
        *,
        colour: bool = True,
    ) -> None:
        self._terminal: Terminal | None = terminal
        self._view = View(sweep, monotonic)
        self._now, self._monotonic, self._redact, self._colour = now, monotonic, redact, colour
        self._above: list[str] = []
        self._next_frame = 0.0

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Something was journaled: what a person must not miss stays above the table."""
        with _Silenced(self):
            self._view.event(event, chain)
            line = event_line(event, chain, self._view.trials)
            if line and _stays(event):
                self._above_table(line)
            self.tick()

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """A job was looked at."""
        with _Silenced(self):
            self._view.looked(name, str(description.get("SecondaryStatus") or ""))
            self.tick()

    def metric(self, name: str, metric: str, value: float) -> None:
        """A running job has printed a metric."""
        self._view.metrics[name, metric] = value

    def say(self, line: str) -> None:
        """A line that is not an event: a service's words may be in it."""
        with _Silenced(self):
            self._above_table(self._redact(line))
            self.tick()

    def tick(self) -> None:
        """Draw the next frame when it is time for one."""
        if self._monotonic() >= self._next_frame:
            self._frame()

    def close(self, *, keep: bool) -> None:
        """The last frame: with `keep` the table is left standing, else its lines are given back."""
        with _Silenced(self):
            self._frame(last=not keep)
        terminal, self._terminal = self._terminal, None
        if terminal:
            with _Silenced(self):
                terminal.close()

    def silence(self) -> None:
        """Nothing is shown from now on."""
        self._terminal = None

    def _above_table(self, line: str) -> None:
        self._above = [*self._above[-MOST_ABOVE:], timestamped(self._now(), line)]

    def _frame(self, *, last: bool = False) -> None:
        with _Silenced(self):
            terminal = self._terminal
            if terminal is None or (terminal.busy and not last):
                return
            columns, rows = terminal.size
            lines = [] if last else self._view.lines(columns - 1, rows, colour=self._colour)
            above, self._above = self._above, []
            terminal.draw(above, lines, _cells)
            self._next_frame = self._monotonic() + FRAME_S


class _Silenced:
    """A display that fails is no reason to fail: it says nothing more."""

    def __init__(self, live: LiveTable) -> None:
        self._live = live

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if kind is not None and issubclass(kind, Exception):
            self._live.silence()
            return True
        return False


def _text(value: Any) -> str:
    return harmless(shown(value))


def _stays(event: ev.Event) -> bool:
    """Events whose line is left standing: the table itself shows the others."""
    if isinstance(event, ev.Outcome):
        return event.trial_status != TrialStatus.COMPLETED.value
    if isinstance(event, ev.Observed):
        return event.secondary in ev.WAITS_LONG
    decided = (ev.Decided, ev.Judged, ev.Skipped, ev.Added, ev.Withdrawn, ev.Extended, ev.Stopping, ev.StopSent)
    return isinstance(event, (*decided, ev.PoolClosed, ev.Cold, ev.Adopted))


def _cells(line: str) -> int:
    """The width of a line in cells, its styles aside."""
    from rich.cells import cell_len

    return cell_len(re.sub(r"\x1b\[[0-9;]*m", "", line))


class View:
    """What the table shows, as lines for a given size."""

    def __init__(self, sweep: Sweep, monotonic: Callable[[], float]) -> None:
        self.trials = sweep.trials
        self._added: list[Trial] = []
        self.metrics: dict[tuple[str, str], float] = {}
        self._sweep, self._monotonic = sweep, monotonic
        self._chain: Chain | None = None
        self._phases: dict[str, Phase] = {}
        self._begun: float | None = None
        self._ended_here = 0
        self._pool_since = monotonic()
        self._pool = ""
        self._best: Job | None = None
        self._done: set[str] = set()
        self._left_out: set[str] = set()

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Take what was journaled."""
        if self._chain is None:
            self._chain = chain
            self._added = added(self.trials, chain)
            self._best = self._best_of(chain)
            for trial in chain.trials:
                self._count(trial, chain)
        if isinstance(event, (ev.Added, ev.Withdrawn)):
            self._added = added(self.trials, chain)
        elif isinstance(event, (ev.Skipped, ev.Reopened)):
            self._count(event.trial, chain)
        elif isinstance(event, ev.Intent):
            self._count(event.trial, chain)
            self._begun = self._monotonic() if self._begun is None else self._begun
            self.looked(event.name, "Submitting")
        elif isinstance(event, ev.Created):
            self.looked(event.name, "Starting")
        elif isinstance(event, ev.Outcome):
            self._ended_here += 1
            self._best = self._best_of(chain)
            self._count(chain.jobs[event.name].intent.trial, chain)
            self._phases.pop(event.name, None)
            for key in [key for key in self.metrics if key[0] == event.name]:
                del self.metrics[key]
        pool = self._pool_word(chain)
        if pool != self._pool:
            self._pool, self._pool_since = pool, self._monotonic()

    def _best_of(self, chain: Chain) -> Job | None:
        return best_job(ended(self._sweep, chain), self._sweep.objective)

    def _count(self, trial: str, chain: Chain) -> None:
        """Keep which declared trials are done."""
        history = chain.trials[trial]
        index = history.jobs[0].intent.index if history.jobs else 0
        for known, belongs in ((self._done, not history.left_out), (self._left_out, history.left_out)):
            if history.finished and belongs and find(self._sweep, chain, trial, index):
                known.add(trial)
            else:
                known.discard(trial)

    def looked(self, name: str, word: str) -> None:
        """A job was seen in this phase."""
        if word and (name not in self._phases or self._phases[name].word != word):
            self._phases[name] = Phase(word, self._monotonic())

    def lines(self, columns: int, rows: int, *, colour: bool) -> list[str]:
        """The frame, no line wider than `columns` cells and all of it less than `rows` high."""
        if self._chain is None:
            return []
        from rich.console import Console
        from rich.text import Text

        out = io.StringIO()
        system: Any = "auto" if colour else None
        console = Console(
            file=out, width=columns, height=rows, force_terminal=True, color_system=system, highlight=False, emoji=False
        )
        trials = self._window(self._chain, max(1, rows - AROUND))
        for line in (*self._rows(trials, self._chain, columns), Text(self._footer(self._chain))):
            line.truncate(columns, overflow="ellipsis")
            console.print(line, no_wrap=True, crop=True)
        return out.getvalue().splitlines()

    # -- the rows ---------------------------------------------------------------------------------------------

    def _window(self, chain: Chain, most: int) -> list[Trial]:
        """The trials around the one that runs, at most so many."""
        at = max((job.intent.index for job in (*chain.unfinished.values(), *chain.outcomes[-1:])), default=0)
        first = max(0, min(at - most * 2 // 3, self.total - most))
        return [self._trial(n) for n in range(first, min(first + most, self.total))]

    @property
    def total(self) -> int:
        """How many trials there are, those that someone queued included."""
        return len(self.trials) + len(self._added)

    def _trial(self, index: int) -> Trial:
        declared = len(self.trials)
        return self.trials[index] if index < declared else self._added[index - declared]

    def _rows(self, trials: Sequence[Trial], chain: Chain, columns: int) -> Iterator[Text]:
        """The parameters side by side where they fit, else the trials' names."""
        keys = tuple(dict.fromkeys((*self.trials.keys, *(key for trial in self._added for key in trial.values))))
        metrics = [metric.name for metric in self._sweep.metrics]
        if self._sweep.objective:
            metrics = [self._sweep.objective.metric, *(m for m in metrics if m != self._sweep.objective.metric)]
        metrics = metrics[:MOST_METRICS]
        names = short_names(keys)
        named = any(trial.id and "=" not in trial.name for trial in trials)  # a point: its values do not say its name
        begins = ([str(t.number), *([_text(t.name)] if named else [])] for t in trials)
        wide = [[*begin, *(_text(t.values.get(k)) for k in keys)] for begin, t in zip(begins, trials, strict=True)]
        narrow = [[str(t.number), _text(t.name)] for t in trials]
        ends = [self._end(trial, chain, metrics) for trial in trials]
        heads, tail = ["#", *(["trial"] if named else []), *(names[k] for k in keys)], ["", "s", *metrics, "pool"]
        rows = [begin + end for begin, end in zip(wide, ends, strict=True)]
        if not keys or sum(_widths([heads + tail, *rows])) + 2 * len(heads + tail) > columns:
            heads, metrics = ["#", "trial"], metrics[:1]
            ends = [self._end(trial, chain, metrics) for trial in trials]
            rows, tail = [begin + end for begin, end in zip(narrow, ends, strict=True)], ["", "s", *metrics, "pool"]
        return _grid(heads + tail, rows, status=len(heads), columns=columns)

    def _end(self, trial: Trial, chain: Chain, metrics: Sequence[str]) -> list[str]:
        """Status or phase, seconds, metrics and pool of a row."""
        history = chain.trials.get(trial.id)
        if history is None or not history.jobs:
            word = "skipped" if history and history.skipped else TrialStatus.PLANNED.value
            return [word, "", *("" for _ in metrics), ""]
        job = history.last
        phase = self._phases.get(job.name)
        word, seconds = history.status.value, job.outcome.train_seconds if job.outcome else None
        if not job.ended and phase:
            word, seconds = phase.word, self._monotonic() - phase.since
        values = (self.metrics.get((job.name, m)) if not job.ended else metric_of(job, m) for m in metrics)
        return [
            word,
            "" if seconds is None else f"{seconds:.0f}",
            *("" if value is None else shown(value) for value in values),
            job.pool_word if job.ended or job.reused_pool else "",
        ]

    # -- the lines below --------------------------------------------------------------------------------------

    def _footer(self, chain: Chain) -> str:
        finished = len(self._done)
        parts = [f"{finished} of {self.total} done"]
        if self._left_out:
            parts.append(f"{len(self._left_out)} skipped")
        if self._sweep.in_flight > 1 and chain.unfinished:
            parts.append(f"{len(chain.unfinished)} running")
        left = self._left(chain, finished + len(self._left_out))
        if chain.stopping or chain.decided:
            parts.append("ending")
        elif left is not None:
            early = any(rule.asks for rule in self._sweep.stop)
            parts.append(f"{'at most' if early else 'about'} {span(left)} left")
        if self._pool:
            parts.append(f"pool {self._pool} {self._monotonic() - self._pool_since:.0f} s")
        if self._best and self._sweep.objective:  # last: a narrow terminal cuts its name, not the time or the pool
            name = self._sweep.objective.metric
            value = shown(metric_of(self._best, name))
            parts.append(f"best {name}={value} {_text(self._best.intent.label)}")
        return f"{self._sweep.name}: {' · '.join(parts)}"

    def _left(self, chain: Chain, finished: int) -> float | None:
        """Seconds that the rest will take if it goes on as it has in this invocation; None while nothing is known."""
        if self._begun is None or not self._ended_here:
            return None
        by_rule = self._sweep.most_trials
        most = self.total if by_rule is None else min(self.total, by_rule)
        elapsed = self._monotonic() - self._begun
        alone = chain.unfinished if self._sweep.in_flight == 1 else ()
        running = [self._phases[name].since for name in alone if name in self._phases]
        # What the running job has used already is not counted twice.
        used = self._monotonic() - min(running) if running else 0.0
        each = max(0.0, elapsed - used) / self._ended_here
        return max(0.0, each * (most - finished) - min(used, each))

    def _pool_word(self, chain: Chain) -> str:
        if not self._sweep.backend.keeps_pool:
            return ""
        if chain.stopping and chain.debts:
            return "closing"
        if chain.unfinished:
            return "in use" if any(job.acknowledged for job in chain.unfinished.values()) else "starting"
        if any(job.pool is PoolStatus.AVAILABLE for job in chain.debts.values()):
            return "idle"
        return "settling" if chain.debts else "closed" if chain.jobs else ""


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """How many cells each column takes."""
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]], *, status: int, columns: int) -> Iterator[Text]:
    """The rows as lines. The second column gives way when there is not enough room."""
    from rich.text import Text

    widths = _widths([heads, *rows])
    widths[status] = max(widths[status], len("Downloading"))
    over = sum(widths) + 2 * (len(widths) - 1) - columns
    widths[1] = max(min(MIN_WIDTH, widths[1]), widths[1] - max(0, over))
    yield Text("  ".join(map(_fitted, heads, widths)), style="bold")
    for row in rows:
        line = Text()
        for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
            style = _STYLES.get(cell, "bold cyan") if position == status else ""
            line.append("  " if position else "").append(_fitted(cell, width), style=style)
        yield line


def _fitted(text: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
