"""One file per verb of the `bitlens` command: it parses, calls what does the work, and prints.

The only folder of the harness that knows typer, rich tables and reports. Nothing imports it.
"""
