"""A first experiment file for pictures and models: what is found in them, written with a comment on each key.

It knows no terminal and runs nothing; `bitlens init` calls it.
"""
