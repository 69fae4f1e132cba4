"""Devices: ways to start the agent (`device/`) somewhere, and what the host asks of it once it runs.

It does not know models, formats, the store or the plan of work; the stages of a run and the command line call it.
"""
