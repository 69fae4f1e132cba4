"""A run as reports read it, and the statistics of its numbers. Nothing is shown here."""
