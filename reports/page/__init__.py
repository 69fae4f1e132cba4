"""The HTML page, written to a file or served."""
