"""The stages of a run: one module per kind of unit, which says how a unit is specified and how it is done.

A stage does not know when it is called, what is stored already, or how progress is shown: `harness.execution` does.
"""
