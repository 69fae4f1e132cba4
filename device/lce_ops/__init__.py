"""The four operators of Larq Compute Engine as a delegate for stock TFLite runtimes: C++ sources and their build.

They deliberately know no TFLite, FlatBuffers or LCE header, and nothing of bitlens.
`harness/native/build.py` compiles them on the host; a board may run `build.py` itself; `runtimes.py` loads the library.
"""
