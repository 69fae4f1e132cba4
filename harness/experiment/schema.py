"""The tables of an experiment file as they are written, and what is said of mistakes in them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from harness.datasets.dataset import MOST_CLASSES
from harness.datasets.reading import colour_of
from harness.devices.device import DEFAULT_KIND
from harness.errors import nearest, printable
from harness.experiment.durations import sustained_seconds
from harness.models.catalogue import CATALOGUE
from harness.models.declared import MOST_CHANNELS
from harness.outputs import KINDS
from harness.parameters import MOST_SEED, MOST_SIDE
from harness.quality.agreement_metrics import AGREEMENTS

# Numbers have an end: a slip such as 10**12 is told at once, not by a run that fills the memory or never ends.
Count = Annotated[int, Field(ge=1, le=1_000_000)]  # of what is done one after the other
Images = Annotated[int, Field(ge=1, le=100_000)]  # held as one array: twice the validation set of ImageNet
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
    if not name.strip() or len(name) > 100 or "/" in name or "\\" in name or printable(name) != name:
        raise ValueError("1 to 100 characters without slashes and control characters, since files are named so")
    return name


def _is_a_kind_of_outputs(output: str) -> str:
    if output not in KINDS:
        raise ValueError(f"one of {', '.join(KINDS)}")
    return output


Output = Annotated[str, AfterValidator(_is_a_kind_of_outputs)]
Name = Annotated[str, AfterValidator(fits_file_names)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PreprocessingTable(_Table):
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


class ModelTable(_Table):
    """[[model]]: a model of the catalogue with other weights, or the user's own file, of which the path alone will do.

    name     the stem of the path where it is left out.
    output   what the outputs of an own file are; by default what their values say.
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
    preprocessing: PreprocessingTable = PreprocessingTable()

    @model_validator(mode="after")
    def _known_or_a_file(self) -> ModelTable:
        if self.path is None and self.name not in CATALOGUE:
            near = nearest(self.name or "", CATALOGUE)
            raise ValueError(f"a `path`, or a name from the catalogue such as {near}")
        of_a_file = (self.family, self.classes, self.output, self.module, self.preprocessing.model_fields_set)
        if self.path is None and any(of_a_file):
            raise ValueError("a `path` beside what is said of a file: the models of the catalogue are known")
        if self.module is not None and not self.trusted:
            raise ValueError("trusted = true beside `module`, which is code that runs with your rights")
        return self


class DatasetTable(_Table):
    """[dataset]: where images come from. `seed` is for generated images.

    kind        as the path says where it is left out: a folder of images, an .npz, a .zip of CIFAR-10.
    models      which models see these images; of several [[dataset]] tables, one may leave it out for the rest.
    classes     a file with the names of the classes in the order of the model's outputs, one a line.
    alpha_over  the colour under transparent pixels, or "nothing" to drop transparency; white by default.
    exif        whether pictures are turned upright as their Exif data says; they are by default.
    """

    kind: str = ""
    path: str | None = None
    seed: Seed = 0
    models: list[str] | None = None
    classes: str | None = None
    alpha_over: str | None = None
    exif: Literal["apply", "ignore"] | None = None

    @field_validator("alpha_over")
    @classmethod
    def _a_colour(cls, text: str | None) -> str | None:
        if text is not None:
            colour_of(text)
        return text

    def options(self) -> dict[str, str]:
        """What is said beyond the kind's own defaults, as `open_dataset` takes it."""
        return self.model_dump(include={"classes", "alpha_over", "exif"}, exclude_none=True)


class ConversionTable(_Table):
    """[conversion]: how many images of the train split calibrate the int8 formats; baselines take their mean colour."""

    calibration_images: Images = 200


class AccuracyTable(_Table):
    """[accuracy]: how many images of the test split judge every artifact."""

    images: Images = 500


class LatencyTable(_Table):
    """[latency]: the measuring protocol.

    cpus       the CPUs that a process is pinned to; the kernel decides by default.
    energy     whether to estimate the energy of an inference after each round, on a device with a sensor.
    sustained  how long every artifact runs on, once more after the rounds: "90s", "30min", "1h". Not by default.
    """

    threads: Annotated[list[Threads], Field(min_length=1)] = [1]
    min_runs: Count = 50
    min_seconds: Annotated[float, Field(ge=0, le=86_400)] = 1.0
    rounds: Rounds = 3
    cpus: list[Cpu] | None = None
    energy: bool = False
    sustained: str | None = None

    @field_validator("cpus")
    @classmethod
    def _a_cpu_for_every_thread(cls, cpus: list[int] | None, info: ValidationInfo) -> list[int] | None:
        most = max(info.data.get("threads", [1]))
        if cpus is not None and not most <= len(cpus) == len(set(cpus)):
            raise ValueError(f"different CPUs, as many as there are threads ({most}) or more")
        return cpus

    @field_validator("sustained")
    @classmethod
    def _a_duration(cls, text: str | None) -> str | None:
        if text is not None:
            sustained_seconds(text)
        return text

    @property
    def sustained_s(self) -> float | None:
        return None if self.sustained is None else sustained_seconds(self.sustained)


class NamedTable(BaseModel):
    """A method or metric; its parameters are checked against its own row of its table. A list of values is a sweep."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        """A text is the method or metric of that name with its defaults."""
        return {"name": value} if isinstance(value, str) else value


class MetricTable(NamedTable):
    """A metric of [quality]. `methods` names those whose maps it scores, where not all: some metrics cost a lot."""

    methods: list[str] | None = None


class OnDeviceTable(_Table):
    """[[saliency.on_device]]: maps computed on boards from the artifacts alone, by methods of forward passes only.

    formats, devices  all those of the experiment where left out.
    """

    methods: list[NamedTable]
    formats: list[str] | None = None
    devices: list[str] | None = None


class SaliencyTable(_Table):
    """[saliency]: which maps are computed, for how many images, and for which class.

    batch     images of a unit of work: what is computed, stored and resumed at once. It changes no result.
    controls  also score maps that know nothing, and where masks exist the one that knows all.
    """

    images: Images = 32
    batch: Batch = 32
    target: Literal["predicted", "label"] = "predicted"
    methods: list[NamedTable] = []
    controls: bool = False
    on_device: list[OnDeviceTable] = []


class JudgeTable(_Table):
    """[[quality.judge]]: deployed artifacts that judge the maps on their devices, besides the float model.

    methods, metrics  of those of the experiment; all of them, and all metrics that ask a judge, where left out.
    """

    methods: list[NamedTable] | None = None
    metrics: list[NamedTable] | None = None
    formats: list[str] | None = None
    devices: list[str] | None = None


class QualityTable(_Table):
    """[quality]: which metrics judge the maps, and who answers where a metric asks for class scores."""

    metrics: list[MetricTable] = []
    judge: list[JudgeTable] = []


class AgreementTable(_Table):
    """[agreement]: how alike two maps of one image are.

    reference  every method's map is compared with this one's of the same model.
    twins      the same method's maps of a model and of its twin are compared.
    """

    metrics: list[str] = list(AGREEMENTS)
    reference: NamedTable | None = None
    twins: bool = False


class SanityTable(_Table):
    """[sanity]: does a method depend on what the model has learned?

    data_randomisation is checked for models of which the catalogue has a label-shuffled counterpart.
    """

    checks: list[Literal["parameter_randomisation", "emprt", "data_randomisation"]] = [
        "parameter_randomisation",
        "emprt",
        "data_randomisation",
    ]
    methods: list[NamedTable] | None = None
    images: Images = 16


class AmplificationTable(_Table):
    """[amplification]: how a model's layers amplify noise on its input; levels are fractions of each image's range."""

    noise_levels: list[Annotated[float, Field(gt=0, le=10)]]
    images: Images = 32


class DeviceTable(BaseModel):
    """[[device]]: a place where artifacts run; keys beyond these belong to the kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Name
    kind: str = DEFAULT_KIND
    runtime: str = "auto"

    def address(self) -> dict[str, Any]:
        """What `harness.devices.make_device` needs: everything but how the device is used."""
        return self.model_dump(exclude={"runtime"})

    def spec(self) -> dict[str, Any]:
        """The device as units of work record it."""
        return {**self.address(), "runtime": self.runtime}


class ExperimentFile(_Table):
    """The file as it is written."""

    seed: Seed = 0
    models: list[str] = []
    model: list[ModelTable] = []
    formats: list[str] = ["fp32"]
    dataset: list[DatasetTable]
    conversion: ConversionTable = ConversionTable()
    accuracy: AccuracyTable = AccuracyTable()
    latency: LatencyTable | None = None
    saliency: SaliencyTable | None = None
    quality: QualityTable | None = None
    agreement: AgreementTable | None = None
    sanity: SanityTable | None = None
    amplification: AmplificationTable | None = None
    devices: list[str] = []
    device: list[DeviceTable] = []

    @field_validator("dataset", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]
