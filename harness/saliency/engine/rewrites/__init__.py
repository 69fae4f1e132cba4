"""Exact rewrites of a model's graph that make its passes faster: one file per rewrite, and what applies them."""
