"""[[model]] and [model.preprocessing] of an experiment file, as they are written."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, model_validator

from converters import BINARIZED, FULL_PRECISION
from harness.errors import nearest
from harness.experiment.keys import OneOf, key
from harness.experiment.values import Byte, Classes, ClassMap, Finite, Name, Numbers, Output, Side, Table
from harness.models.catalogue import CATALOGUE
from harness.models.declared import FITS, INTERPOLATIONS, NORMALIZATIONS, ORDERS

FROM_FILE = "read from the file"


class PreprocessingTable(Table):
    """How a picture becomes the input of a model file of your own."""

    height: Side | None = key(None, says="Height of the input.", unit="pixels", example=224, without=FROM_FILE)
    width: Side | None = key(None, says="Width of the input.", unit="pixels", example=224, without=FROM_FILE)
    fit: Annotated[str, OneOf(FITS)] | None = key(
        None,
        says="How a picture gets the size of the input: its centre is cut out, its sides are scaled separately, or "
        "it is laid on a plain colour.",
        example="squash",
        without='"crop"',
    )
    resize: Side | None = key(
        None,
        says='The shorter side of a picture before it is cropped; with fit = "crop" only.',
        unit="pixels",
        example=256,
        without="the picture just covers the input",
    )
    pad_colour: Numbers[Byte] | None = key(
        None,
        says='What fit = "pad" fills the rest with: one number for all channels, or one for each.',
        unit="0 to 255",
        example=[114, 114, 114],
        without="black",
    )
    interpolation: Annotated[str, OneOf(INTERPOLATIONS)] | None = key(
        None, says="How pixels are made when a picture is scaled.", example="bicubic", without='"bilinear"'
    )
    channel_order: Annotated[str, OneOf(ORDERS)] | None = key(
        None,
        says="The order in which the model takes colours.",
        example="bgr",
        without='"rgb"; "bgr" for the normalization "caffe"',
    )
    mean: Numbers[Finite] | None = key(
        None,
        says="input = (pixels - mean) * scale: one number for all channels, or one for each in the model's order.",
        unit="pixel values, 0 to 255",
        example=[127.5],
        without="that of `normalization`",
    )
    scale: Numbers[Finite] | None = key(
        None,
        says="The factor beside `mean`: one number for all channels, or one for each.",
        example=[0.00784],
        without="that of `normalization`",
    )
    normalization: Annotated[str, OneOf(tuple(NORMALIZATIONS))] | None = key(
        None,
        says="A preset of `mean` and `scale`, by the name that keras.applications uses.",
        example="torch",
        without='"none" where the model prepares pixels itself, else "tf", which is said',
    )
    on_top: bool = key(False, says="Normalize although the model already does so itself.", example=True)

    def declared(self) -> dict[str, Any]:
        """As parts of a `Declared`."""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in self.model_dump().items()}


_OF_FILES = (
    "family", "classes", "twin", "seed_of", "output", "trusted", "module", "quantization_aware", "keras", "reference",
    "background_class", "class_map", "preprocessing",
)  # fmt: skip


class ModelTable(Table):
    """A model file of your own; or, without a path, a model of the catalogue with other weights."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["path"]}, {"required": ["name"], "properties": {"name": {"enum": list(CATALOGUE)}}}]
        }
    )

    name: Name | None = key(
        None,
        says="Its name in results; without `path`, a model of the catalogue.",
        example="mine",
        without="the file's",
    )
    path: str | None = key(
        None,
        says="A Keras file (.h5, .keras), a SavedModel folder or a .tflite file, relative to the experiment file.",
        example="mine.keras",
        without="a model of the catalogue",
    )
    weights: str | None = key(
        None,
        says='The weights of a catalogue model: "trained", "imagenet", "random", or a file of weights.',
        example="random",
        without="as `bitlens list models` says",
    )
    family: Annotated[str, OneOf((FULL_PRECISION, BINARIZED))] | None = key(
        None, says="Which formats fit it.", example="binarized", without=FROM_FILE
    )
    classes: Classes | None = key(None, says="The number of classes.", example=10, without=FROM_FILE)
    twin: str | None = key(
        None,
        says="The other model of the same architecture, for `twins` of [agreement].",
        example="mine-float",
        without="none",
    )
    seed_of: str | None = key(
        None,
        says="The model of which this is another training run: the paper's claims take its seeds together.",
        example="mine",
        without="it stands for itself",
    )
    output: Output | None = key(
        None, says="What its outputs are.", example="logits", without="found by their values on a few pictures"
    )
    trusted: bool = key(False, says="Load a Keras file although it holds code, which gets your rights.", example=True)
    module: str | None = key(
        None,
        says="A Python file with the layers of a Keras file that are not of Keras; it needs trusted = true.",
        example="my_layers.py",
        without="none",
    )
    quantization_aware: bool = key(
        False,
        says="The Keras model was trained with fake quantization, so that its int8 ranges are its own.",
        example=True,
    )
    keras: str | None = key(
        None,
        says="For a .tflite file: a Keras file of the same model, which gives gradients.",
        example="mine.keras",
        without="none",
    )
    reference: str | None = key(
        None,
        says="For a .tflite file: the name of the model of this experiment that it is compared with.",
        example="mine",
        without="the `keras` file, if there is one",
    )
    background_class: bool | None = key(
        None,
        says='Class 0 of its outputs is "background", and each label is one class further.',
        example=True,
        without="read from the file, or found with a few pictures",
    )
    class_map: ClassMap = key(
        None,
        says="The class of its outputs for each label: a list, or a file with one on each line.",
        example=[1, 0, 2],
        without="labels are classes",
    )
    preprocessing: PreprocessingTable = PreprocessingTable()

    @model_validator(mode="after")
    def _known_or_a_file(self) -> ModelTable:
        if self.path is None and self.name not in CATALOGUE:
            near = nearest(self.name or "", CATALOGUE)
            raise ValueError(f"a `path`, or a name from the catalogue such as {near}")
        said = next((name for name in _OF_FILES if name in self.model_fields_set), None)
        if self.path is None and said is not None:
            raise ValueError(
                f"a `path` beside `{said}`, which is said of a file: the models of the catalogue are known"
            )
        if self.path is not None and self.weights is not None:
            raise ValueError("no `weights` beside `path`: a file holds its own")
        if self.module is not None and not self.trusted:
            raise ValueError("trusted = true beside `module`, which is code that runs with your rights")
        return self
