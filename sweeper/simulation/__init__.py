"""Whole sweeps by seed under faults, people and rivals, with every invariant checked."""
