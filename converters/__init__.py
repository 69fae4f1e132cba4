"""Keras or Larq model in, flatbuffer bytes out: one function per format, and the check that nothing was lost.

It knows nothing of devices, data sets or the store, and nothing of the harness, which calls it.
"""

from __future__ import annotations

from dataclasses import dataclass


class ConversionError(Exception):
    """A model that could not become an artifact of the wanted format: one sentence, and what to try."""

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSpec:
    """One way to deploy a model. `convert` names a function (keras_model, calibration) -> bytes; "" for files that are
    flatbuffers already.

    finish         names a function bytes -> bytes for what is left to do on the artifact; "" for nothing.
    families       which Keras models are converted to it.
    calibrated     whether it needs representative images to find the ranges of activations.
    operators      "builtin", or "lce" when the artifact needs Larq Compute Engine's operators.
    note           names a function bytes -> str: what is to be said of an artifact, "" for nothing; "" for none.
    recipe         part of every artifact's key: raise it whenever the converters here make other bytes of one model.
    packages       what the artifact depends on beside TensorFlow, Keras and Larq: their versions are part of its key.
    restriction    "" or why some results of the artifact mean nothing.
    unrestricted_if  names a function keras_model -> bool: whether this model is free of the restriction; "" for never.
    suspect_below  top-1 agreement with the Keras model under which an artifact is suspect.
    suspect_above  mean difference of the logits, as a fraction of their spread, over which an artifact is suspect.
    """

    convert: str
    summary: str
    families: tuple[str, ...]
    finish: str = ""
    calibrated: bool = False
    operators: str = "builtin"
    recipe: int = 2
    note: str = ""
    packages: tuple[str, ...] = ()
    restriction: str = ""
    unrestricted_if: str = ""
    suspect_below: float = 0.99
    suspect_above: float = 0.01


FULL_PRECISION, BINARIZED = "full-precision", "binarized"
TFLITE = "tflite"

FORMATS: dict[str, FormatSpec] = {
    "fp32": FormatSpec(
        convert="converters.tflite:fp32",
        summary="float32 weights and arithmetic; binarized layers are emulated in float32",
        families=(FULL_PRECISION, BINARIZED),
    ),
    "fp16": FormatSpec(
        convert="converters.tflite:fp16",
        summary="float16 weights, float32 arithmetic",
        families=(FULL_PRECISION,),
        suspect_above=0.05,
    ),
    "dynamic": FormatSpec(
        convert="converters.tflite:dynamic",
        summary="int8 weights, activations quantized at run time",
        families=(FULL_PRECISION,),
        suspect_below=0.95,
        suspect_above=0.2,
    ),
    "int8": FormatSpec(
        convert="converters.tflite:int8",
        summary="int8 weights and activations, calibrated on training images; float input and output",
        families=(FULL_PRECISION,),
        calibrated=True,
        recipe=3,
        suspect_below=0.9,
        suspect_above=0.3,
    ),
    "int8-io": FormatSpec(
        convert="converters.tflite:int8",
        finish="converters.tflite:with_int8_ends",
        summary="int8, with int8 input and output as well: as integer-only accelerators require",
        families=(FULL_PRECISION,),
        calibrated=True,
        recipe=3,
        suspect_below=0.9,
        suspect_above=0.3,
    ),
    "lce": FormatSpec(
        convert="converters.lce:lce",
        summary="binary operators of Larq Compute Engine, the rest float32",
        families=(BINARIZED,),
        operators="lce",
        note="converters.lce:note",
    ),
    "lce-original": FormatSpec(
        convert="converters.lce_original:lce",
        summary="like lce, but by Larq Compute Engine's own converter, where installed; for comparison",
        families=(BINARIZED,),
        operators="lce",
        note="converters.lce:note",
        packages=("larq-compute-engine",),
    ),
    "lce-int8": FormatSpec(
        convert="converters.lce:lce_int8",
        summary="binary operators, the rest int8; for latency only, unless trained with fake quantization",
        families=(BINARIZED,),
        operators="lce",
        note="converters.lce:note",
        restriction="latency only: int8 ranges are defaults, not trained",
        unrestricted_if="converters.trained_ranges:has_trained_ranges",
        suspect_below=0.9,
        suspect_above=0.3,
    ),
    TFLITE: FormatSpec(
        convert="",
        summary="a flatbuffer of your own, unchanged; nothing is converted to this format",
        families=(),
    ),
}
