"""Doubles that behave and contract suites, shipped for everyone who builds on sweeper."""
