"""Packages that the caller may use too, and that sweeper tells how to behave."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sweeper.tracking.mlflow import QUIET

LOUD = ("mlflow", "optuna")
"""Those that are told to be quiet."""


@contextmanager
def as_before() -> Iterator[None]:
    """What is told to packages of others, how loud they are and how MLflow behaves, is afterwards as it was."""
    loggers = [logging.getLogger(name) for name in LOUD if name in sys.modules]
    levels, said = [logger.level for logger in loggers], {name: os.environ.get(name) for name in QUIET}
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for name in [name for name, value in said.items() if value is None]:
            os.environ.pop(name, None)
