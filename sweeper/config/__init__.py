"""Composing an experiment with Hydra, checking it, and freezing it into a Sweep."""

from sweeper.config.app import run

__all__ = ["run"]
