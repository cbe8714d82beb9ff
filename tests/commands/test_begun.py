"""Commands that look at a sweep in the moment between its folder and its first event."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.commands import listing, status
from sweeper.record.journal import SqliteJournal


def test_a_sweep_without_an_event_has_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither 1970 nor billions of seconds ago: what is not known yet is left out."""
    for name in ("experiments", "runs/new"):
        (tmp_path / name).mkdir(parents=True)
    SqliteJournal(tmp_path / "runs/new/journal.db", lambda: 0.0).close()
    monkeypatch.setenv("SWEEPER_PROJECT", str(tmp_path))
    assert listing.main([]) == listing.main(["--json"]) == status.main(["new"]) == 0
    told = capsys.readouterr().out
    assert "1970" not in told and '"changed_at": null' in told and told.rstrip().endswith("no event yet")
