"""The experiment file: TOML in, a checked and frozen `Experiment` out.

It loads no model and opens no data set.
"""
