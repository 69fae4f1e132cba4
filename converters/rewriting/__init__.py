"""The stock fp32 flatbuffer of a binarized model in, the same model with LCE's operators out.

It knows flatbuffers only: no Keras, no TensorFlow, no Larq. `converters/lce.py` calls it.
"""
