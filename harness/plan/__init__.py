"""From an experiment to its units of work, and what they may cost. Pure: nothing is done or measured here."""
