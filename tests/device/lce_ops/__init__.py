"""Tests of the LCE operators: golden cases, their definition in NumPy, graphs, refusals, life cycle, sanitizers."""
