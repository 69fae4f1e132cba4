"""Scripts that feed hostile files to what reads files: `python -m tests.fuzz.NAME --count N`."""
