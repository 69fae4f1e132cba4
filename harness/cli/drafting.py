"""`bitlens schema`: what editors are told of experiment files."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON schema of experiment files, by which editors complete, explain and check them.

        bitlens schema > bitlens.schema.json

    The first line of an experiment file beside it: #:schema ./bitlens.schema.json
    """
    from harness.experiment.json_schema import as_text

    print(as_text(), end="")
