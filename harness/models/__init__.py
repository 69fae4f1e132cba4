"""Models: the catalogue, loading them and their weights safely, and our own twins with their training.

It knows nothing about formats or devices. The stages of a run and the command line call it.
"""
