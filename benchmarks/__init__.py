"""Ratios of time and memory, each pair measured in one run on one machine: `make bench`."""
