"""What differentiates a Keras model: the graph, its compiled passes, and the layers where maps can be taken.

It knows no method.
"""
