"""The smallest experiment that converts a model and measures its accuracy."""

EXPERIMENT = """
models = ["planted-float"]
formats = ["fp32"]
[dataset]
kind = "planted"
[accuracy]
images = 8
"""
