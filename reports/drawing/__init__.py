"""Figures, charts and maps as images."""
