"""Two or more runs beside each other: what changed, and whether a gate holds."""
