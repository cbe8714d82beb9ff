"""The result files: results.csv, results.jsonl, best.yaml, config.yaml; each is written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from sweeper.core.as_json import strict
from sweeper.core.chain import Chain
from sweeper.core.declared import find
from sweeper.core.grouped import grouped_results
from sweeper.core.model import Objective, Sweep
from sweeper.core.remedies import config_of
from sweeper.core.results import Results, Row, best, filling, results
from sweeper.core.secrets import Redactor, masked
from sweeper.core.words import cell
from sweeper.errors import SweeperError
from sweeper.record.atomic import write_atomically
from sweeper.show.best_file import Best, to_best

GROUPED = "results_grouped.csv"


def to_csv(table: Results) -> str:
    """The table as CSV, its columns in order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([cell(row.get(column)) for column in table.columns] for row in table.rows)
    return text.getvalue()


def to_jsonl(table: Results) -> str:
    """The table as one JSON object a line. What is not known is null; NaN is the text "NaN" (sweeper.core.as_json)."""
    return "".join(json.dumps(as_json(table, row), ensure_ascii=False) + "\n" for row in table.rows)


def as_json(table: Results, row: Row) -> Row:
    """A row as strict JSON can hold it."""
    cells: Row = strict({column: row.get(column) for column in table.columns})
    return cells


def write_results(sweep: Sweep, chain: Chain, folder: Path, redact: Redactor) -> tuple[Results, Row | None]:
    """Write the result files of a sweep as it stands; returns the table and its best row. Raises OSError."""
    table = results(sweep, chain, filling(sweep, redact), sweep.rate)
    chosen = best(table, sweep.objective)
    details = _best(sweep, chain, table, chosen, redact) if chosen else None
    write_all(folder, sweep.name, table, details, sweep.objective)
    return table, chosen


def _best(sweep: Sweep, chain: Chain, table: Results, row: Row, redact: Redactor) -> Best | None:
    intent = chain.trials[row["trial"]].result.intent
    trial = find(sweep, chain, intent.trial, intent.index)
    if trial is None:
        return None
    decides = {**trial.values, **intent.patches}
    try:
        config = masked(config_of(sweep, trial, intent.patches, intent.taken), redact, decides)
        return Best(row, config, sweep.composed, table)
    except SweeperError:
        return Best(row, {}, table=table)  # what it ran with is not known any more


def write_all(folder: Path, sweep: str, table: Results, found: Best | None, objective: Objective | None) -> None:
    """Write results.csv, results.jsonl and, where there is something to say, results_grouped.csv and best.yaml."""
    write_atomically(folder / "results.csv", to_csv(table))
    write_atomically(folder / "results.jsonl", to_jsonl(table))
    if table.seed:
        write_atomically(folder / GROUPED, to_csv(grouped_results(table, objective)))
    else:
        (folder / GROUPED).unlink(missing_ok=True)
    if found and objective:
        write_atomically(folder / "best.yaml", to_best(sweep, folder.name, found, objective))
    else:
        (folder / "best.yaml").unlink(missing_ok=True)
