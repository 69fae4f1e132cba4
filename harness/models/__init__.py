"""Our own models: the twin architecture, its training and the committed weights.

It knows nothing about formats or devices. The catalogue calls it.
"""
