"""C++ of the host: how it is built, and the convolutions that the engine calls. Numbers in, numbers out."""
