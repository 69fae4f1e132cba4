"""Where images and labels come from: one module per kind, and the table that names them.

It knows nothing about models or preprocessing. The catalogue of experiments and the training of the twins call it.
"""
