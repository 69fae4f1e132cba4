"""[[model]] and [model.preprocessing] of an experiment file, as they are written."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from harness.errors import nearest
from harness.experiment.values import Byte, Classes, ClassMap, Finite, Name, Numbers, Output, Side, Table
from harness.models.catalogue import CATALOGUE


class PreprocessingTable(Table):
    """[model.preprocessing]: what happens to an image before a model of the user's own sees it, as far as said."""

    height: Side | None = None
    width: Side | None = None
    fit: Literal["crop", "squash", "pad"] | None = None
    resize: Side | None = None
    pad_colour: Numbers[Byte] | None = None
    interpolation: Literal["bilinear", "nearest", "bicubic", "area", "lanczos"] | None = None
    channel_order: Literal["rgb", "bgr"] | None = None
    mean: Numbers[Finite] | None = None
    scale: Numbers[Finite] | None = None
    normalization: Literal["caffe", "torch", "tf", "unit", "none"] | None = None
    on_top: bool = False

    def declared(self) -> dict[str, Any]:
        """As parts of a `Declared`."""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in self.model_dump().items()}


class ModelTable(Table):
    """[[model]]: a model of the catalogue with other weights, or the user's own file, of which the path alone will do.

    name     the stem of the path where it is left out.
    output   what the outputs of an own file are; by default what their values say.
    keras, reference  what a flatbuffer is compared with: a Keras file of the same network, or another [[model]].
    background_class  class 0 of its outputs is "background".
    class_map  the class of its outputs for each label, or a file of them, one a line.
    module   a Python file with the layers of a trusted model that are not of Keras.
    """

    name: Name | None = None
    weights: str | None = None
    path: str | None = None
    family: Literal["full-precision", "binarized"] | None = None
    classes: Classes | None = None
    twin: str | None = None
    output: Output | None = None
    trusted: bool = False
    module: str | None = None
    quantization_aware: bool = False
    keras: str | None = None
    reference: str | None = None
    background_class: bool | None = None
    class_map: ClassMap = None
    preprocessing: PreprocessingTable = PreprocessingTable()

    @model_validator(mode="after")
    def _known_or_a_file(self) -> ModelTable:
        if self.path is None and self.name not in CATALOGUE:
            near = nearest(self.name or "", CATALOGUE)
            raise ValueError(f"a `path`, or a name from the catalogue such as {near}")
        of_a_file = (self.family, self.classes, self.output, self.module, self.preprocessing.model_fields_set)
        of_a_flatbuffer = (self.keras, self.reference, self.background_class is not None, self.class_map is not None)
        if self.path is None and any((*of_a_file, *of_a_flatbuffer)):
            raise ValueError("a `path` beside what is said of a file: the models of the catalogue are known")
        if self.module is not None and not self.trusted:
            raise ValueError("trusted = true beside `module`, which is code that runs with your rights")
        return self
