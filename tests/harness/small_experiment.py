"""The smallest experiments that convert a model, or both twins, and measure the accuracy."""

EXPERIMENT = """
models = ["planted-float"]
formats = ["fp32"]
[dataset]
kind = "planted"
[accuracy]
images = 8
"""

TWINS_EXPERIMENT = """
models = ["planted-float", "planted-binary"]
formats = ["fp32", "lce"]
[dataset]
kind = "planted"
[accuracy]
images = 8
"""
