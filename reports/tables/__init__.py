"""Rows and columns of the CSV files, and their documentation."""
