"""The table of metrics, and one file per metric. A metric scores given maps; it never computes one."""
