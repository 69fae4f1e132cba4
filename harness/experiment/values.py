"""What the values of an experiment file may be, and what every table of it is made of."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from converters import FORMATS
from harness.datasets.dataset import MOST_CHANNELS, MOST_CLASSES
from harness.experiment.keys import InEditors, OneOf
from harness.outputs import KINDS
from harness.parameters import MOST_SEED, MOST_SIDE

# Numbers have an end: a slip such as 10**12 is told at once, not by a run that fills the memory or never ends.
Count = Annotated[int, Field(ge=1, le=1_000_000)]  # of what is done one after the other
MOST_IMAGES = 100_000  # held as one array: twice the validation set of ImageNet
Images = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
Batch = Annotated[int, Field(ge=1, le=10_000)]
Classes = Annotated[int, Field(ge=1, le=MOST_CLASSES)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Side = Annotated[int, Field(ge=1, le=MOST_SIDE)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Rounds = Annotated[int, Field(ge=1, le=1000)]
Cpu = Annotated[int, Field(ge=0, le=65_535)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Byte = Annotated[int, Field(ge=0, le=255)]
Number = TypeVar("Number")
Numbers = Annotated[list[Number], Field(min_length=1, max_length=MOST_CHANNELS)]  # one for all channels or for each


def fits_file_names(name: str) -> str:
    if not name.strip() or len(name) > 100 or "/" in name or "\\" in name or not name.isprintable():
        raise ValueError("1 to 100 characters without slashes and control characters, since files are named so")
    return name


def _is_a_class_map(written: Any) -> Any:
    classes = written if isinstance(written, list) else [0]
    are_classes = all(type(number) is int and 0 <= number < MOST_CLASSES for number in classes)
    if not isinstance(written, (str, list)) or not are_classes or not classes:
        raise ValueError("a list with the class of each label, or a file with one on each line")
    return written


_CLASS_NUMBER = {"type": "integer", "minimum": 0, "maximum": MOST_CLASSES - 1}
ClassMap = Annotated[
    Any,
    AfterValidator(_is_a_class_map),
    InEditors({"anyOf": [{"type": "string"}, {"type": "array", "items": _CLASS_NUMBER, "minItems": 1}]}),
]
Output = Annotated[str, OneOf(tuple(KINDS))]
Name = Annotated[
    str,
    AfterValidator(fits_file_names),
    InEditors({"type": "string", "minLength": 1, "maxLength": 100, "pattern": r"^[^/\\]*$"}),
]
Format = Annotated[str, InEditors({"enum": [name for name, spec in FORMATS.items() if spec.convert]})]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
