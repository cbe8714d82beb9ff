"""Sweeps from Python: what the command line does, as objects; `from sweeper import Sweep`."""
