"""Where images and labels come from: one module per kind of data set.

It knows nothing about models. The stages of a run and the training of the twins call it.
"""
