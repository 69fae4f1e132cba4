"""The tables of an experiment file as they are written, and what is said of mistakes in them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from harness.datasets.reading import colour_of
from harness.devices.device import DEFAULT_KIND
from harness.devices.runtime_choice import AUTO, RUNTIME_OPTIONS, RuntimeChoice
from harness.experiment.durations import sustained_seconds
from harness.experiment.model_tables import ModelTable
from harness.experiment.values import Batch, Count, Cpu, Images, Name, Rounds, Seed, Table, Threads
from harness.quality.agreement_metrics import AGREEMENTS

Runtimes = Annotated[list[str], Field(min_length=1)]


class _Table(BaseModel):
    model_config = Table.model_config


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
    """[accuracy]: how many images of the test split judge every artifact; None, written "all", for all there are."""

    images: Images | None = 500

    @field_validator("images", mode="before")
    @classmethod
    def _all_of_them(cls, value: Any) -> Any:
        return None if value == "all" else value


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


NOT_RECORDED = ("wait_s",)  # keys of a device that its units of work do not depend on


def _one_value(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        raise ValueError("a text, a number, true or false")
    return value


class RuntimeTable(_Table):
    """[[runtime]]: a runtime with options, by a name of its own; harness.devices.runtime_choice says what they are.

    options  of the delegate: texts, numbers and truths by name.
    """

    name: Name
    base: str = AUTO
    delegate: str | None = None
    options: dict[str, Annotated[Any, AfterValidator(_one_value)]] = {}
    xnnpack: bool | None = None
    accelerator: str | None = None
    weight_cache: bool = False


class DeviceTable(BaseModel):
    """[[device]]: a place where artifacts run; keys beyond these belong to the kind.

    runtime  what executes artifacts there, one or several, each of which gives rows; by default those of `runtimes`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Name
    kind: str = DEFAULT_KIND
    runtime: Runtimes = [AUTO]
    _chosen: RuntimeChoice | None = PrivateAttr(None)

    @field_validator("runtime", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def with_runtime(self, name: str, chosen: RuntimeChoice | None) -> DeviceTable:
        """The same device with one of its runtimes; `chosen` for one that a [[runtime]] table names."""
        table = self.model_copy(update={"runtime": [name]})
        table._chosen = chosen
        return table

    def address(self) -> dict[str, Any]:
        """What `harness.devices.make_device` needs: everything but how the device is used."""
        return self.model_dump(exclude={"runtime"})

    def spec(self) -> dict[str, Any]:
        """The device as units of work record it: how long a run waits for it changes no result."""
        options = {RUNTIME_OPTIONS: self._chosen.record()} if self._chosen is not None else {}
        address = self.model_dump(exclude={"runtime", *NOT_RECORDED})
        return {**address, "runtime": self.runtime[0], **options}


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
    runtimes: Runtimes = [AUTO]
    runtime: list[RuntimeTable] = []

    @field_validator("dataset", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]
