"""A world for each test of a fault."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.laws.outside import Outside, make_outside


@pytest.fixture
def outside(tmp_path: Path) -> Callable[..., Outside]:
    """Makes the outside: troubles, and by name the sweep, settings, faults and behaviour of the service."""
    return partial(make_outside, tmp_path)
