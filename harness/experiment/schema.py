"""The experiment file as it is written: its top, and the tables on data, conversion, accuracy and latency."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from harness.datasets.dataset_kinds import DATASETS
from harness.datasets.reading import COLOURS, NOTHING, colour_of
from harness.devices.runtime_choice import AUTO
from harness.experiment.device_tables import DeviceTable, Runtimes, RuntimeTable
from harness.experiment.durations import sustained_seconds
from harness.experiment.explanation_tables import (
    AgreementTable,
    AmplificationTable,
    QualityTable,
    SaliencyTable,
    SanityTable,
)
from harness.experiment.keys import InEditors, OneOrSeveral, key
from harness.experiment.model_tables import ModelTable
from harness.experiment.values import MOST_IMAGES, Count, Cpu, Format, Images, Rounds, Seed, Table, Threads
from harness.models.catalogue import CATALOGUE

ALL_IMAGES = "all"


class DatasetTable(Table):
    """Where pictures come from; several [[dataset]] tables are for different models."""

    path: str | None = key(
        None,
        says="A folder of pictures, an .npz, or a .zip of CIFAR-10, relative to the experiment file.",
        example="pictures",
        without='none, for kind = "planted"',
    )
    kind: Annotated[str, InEditors({"enum": list(DATASETS)})] = key(
        "",
        says="What is at the path, or planted for generated pictures.",
        example="planted",
        without="what the path is",
    )
    seed: Seed = key(0, says='Of generated pictures: kind = "planted".', example=1)
    models: list[str] | None = key(
        None,
        says="The models that see these pictures; of several [[dataset]] tables, one may leave it out.",
        example=["mine"],
        without="all the others",
    )
    classes: str | None = key(
        None,
        says="A file with the names of the classes in the order of the model's outputs, one on each line.",
        example="labels.txt",
        without="the names of the folders, sorted",
    )
    alpha_over: Annotated[
        str, InEditors({"type": "string", "pattern": f"^({'|'.join((*COLOURS, NOTHING))}|#[0-9a-fA-F]{{6}})$"})
    ] | None = key(
        None, says='What lies under transparent pixels: a colour, or "nothing" to drop the transparency.',
        example="#808080", without='"white"',
    )  # fmt: skip
    exif: Literal["apply", "ignore"] | None = key(
        None, says="Whether pictures are turned upright as their Exif data says.", example="ignore", without='"apply"'
    )

    @field_validator("alpha_over")
    @classmethod
    def _a_colour(cls, text: str | None) -> str | None:
        if text is not None:
            colour_of(text)
        return text

    def options(self) -> dict[str, str]:
        """What is said beyond the kind's own defaults, as `open_dataset` takes it."""
        return self.model_dump(include={"classes", "alpha_over", "exif"}, exclude_none=True)


class ConversionTable(Table):
    """How models are converted."""

    calibration_images: Images = key(
        200,
        says="How many pictures of the train split calibrate the int8 formats. Baselines take their mean colour.",
        unit="images",
        example=100,
    )


def _all_of_them(value: Any) -> Any:
    return None if value == ALL_IMAGES else value


class AccuracyTable(Table):
    """Which pictures judge every artifact."""

    images: Annotated[
        Images | None,
        BeforeValidator(_all_of_them),
        InEditors({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_IMAGES}, {"const": ALL_IMAGES}]}),
    ] = key(500, says='How many pictures of the test split, or "all".', unit="images", example=ALL_IMAGES)


class LatencyTable(Table):
    """The protocol by which latency is measured; without this table it is not."""

    threads: Annotated[list[Threads], Field(min_length=1)] = key(
        [1], says="Measure with each of these numbers of threads.", unit="threads", example=[1, 4]
    )
    min_runs: Count = key(50, says="The least number of timed inferences in a round.", unit="inferences", example=300)
    min_seconds: Annotated[float, Field(ge=0, le=86_400)] = key(
        1.0, says="The least time of a round.", unit="seconds", example=5.0
    )
    rounds: Rounds = key(
        3, says="How many fresh processes measure each artifact; the artifacts take turns.", unit="rounds", example=5
    )
    cpus: list[Cpu] | None = key(
        None,
        says="The CPUs that the process is pinned to, one for each thread or more.",
        example=[2, 3],
        without="the kernel decides",
    )
    energy: bool = key(
        False, says="Estimate the energy of an inference after each round, on a device with a sensor.", example=True
    )
    sustained: Annotated[str, InEditors({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(s|min|h)$"})] | None = key(
        None,
        says="How long every artifact runs in the sustained measurement after the rounds.",
        unit="s, min or h",
        example="30min",
        without="not at all",
    )

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


class ExperimentFile(Table):
    """One TOML file says what a run compares. Every key has a default but the data set and at least one model."""

    seed: Seed = key(0, says="The seed of everything random: noise, order, random weights.", example=1)
    models: list[Annotated[str, InEditors({"enum": list(CATALOGUE)})]] = key(
        [], says="Models of the catalogue, by the names of `bitlens list models`.", example=["mobilenet-v2", "quicknet"]
    )
    formats: list[Format] = key(
        ["fp32"],
        says="What Keras models are converted to, each to those that fit it; a .tflite file stays as it is.",
        example=["fp32", "int8", "lce"],
    )
    devices: list[str] = key(
        [],
        says="Devices by the names that they have for all experiments (`bitlens device list`).",
        example=["pi4"],
        without="those of [[device]], else this host",
    )
    runtimes: Runtimes = key(
        [AUTO],
        says="What executes artifacts on devices that do not say it themselves.",
        example=["ai-edge-litert", "edgetpu"],
    )
    dataset: Annotated[list[DatasetTable], OneOrSeveral(dict)]
    model: list[ModelTable] = Field(default=[])
    conversion: ConversionTable = ConversionTable()
    accuracy: AccuracyTable = AccuracyTable()
    latency: LatencyTable | None = None
    saliency: SaliencyTable | None = None
    quality: QualityTable | None = None
    agreement: AgreementTable | None = None
    sanity: SanityTable | None = None
    amplification: AmplificationTable | None = None
    device: list[DeviceTable] = Field(default=[])
    runtime: list[RuntimeTable] = Field(default=[])
