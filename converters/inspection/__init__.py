"""What a flatbuffer says of itself: its graphs, signatures and constants, and what its operators multiply.

It reads a file and runs nothing. It knows no runtime by more than a table of which operators each has. Who asks:
`converters/contents.py`, and through it `bitlens inspect` and every conversion.
"""
