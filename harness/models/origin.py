"""What a model file is and which Keras wrote it, as its examination says: a suffix says what somebody called it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.keras_packages import KERAS_2, KERAS_3

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")  # of files that somebody calls a model of Keras
SUFFIXES = (*KERAS_SUFFIXES, ".tflite", ".lite")
LARQ_LAYERS = ("QuantConv", "QuantDense", "QuantDepthwise", "QuantLocally", "QuantSeparable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a model file comes from.

    container          "zip" (packed, or the same as a folder), "HDF5", "SavedModel" or "TFLite".
    version            of the Keras that wrote it; "" where the file does not say.
    has_layers         whether it describes layers; else it holds a graph alone, or weights alone.
    names_larq_layers  whether classes in it are called as Larq's are: they go by their bare names in HDF5 files.
    """

    container: str
    version: str
    has_layers: bool
    names_larq_layers: bool

    @property
    def package(self) -> str:
        return package_of(self.version)

    @property
    def has_larq_layers(self) -> bool:
        return self.package == KERAS_2 and self.names_larq_layers


def package_of(version: str) -> str:
    """The package that reads it. Before version 3 Keras came with TensorFlow, and tf_keras reads what it wrote."""
    return KERAS_2 if version.partition(".")[0] in ("", "0", "1", "2") else KERAS_3
