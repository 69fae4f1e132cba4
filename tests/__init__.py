"""Tests mirror the source folders; this file keeps `tests.oracles` ours, since a peer library installs a `tests` too."""
