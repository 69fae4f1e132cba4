"""Tests mirror the source folders; this file keeps `tests.oracles` ours: a peer library installs a `tests` too."""
