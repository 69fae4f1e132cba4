"""Scores for saliency maps: metrics, controls, agreement of two maps, judges and sanity checks.

It never computes a map and never shows one. The stages of a run call it.
"""
