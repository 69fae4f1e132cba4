"""The experiment that a file asks for, checked and frozen: every name exists, every number is in range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from converters import FORMATS, TFLITE
from harness.errors import ConfigError
from harness.experiment.device_tables import DeviceTable
from harness.experiment.explanation_tables import AmplificationTable, SaliencyTable
from harness.experiment.schema import AccuracyTable, ConversionTable, DatasetTable, LatencyTable
from harness.experiment.toml_text import as_toml
from harness.models.catalogue import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One saliency method or metric with all its parameters."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Named):
    """A metric and the methods whose maps it scores; None for all."""

    methods: tuple[str, ...] | None = None

    def scores(self, method: str) -> bool:
        return self.methods is None or method in self.methods


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """Artifacts at work on devices: what they judge by `metrics`, or explain by themselves."""

    methods: tuple[Named, ...]
    formats: tuple[str, ...]
    devices: tuple[DeviceTable, ...]
    metrics: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Which maps are compared with which, see AgreementTable."""

    metrics: tuple[str, ...]
    reference: Named | None
    twins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanity:
    """Which checks of which methods, on how many images."""

    checks: tuple[str, ...]
    methods: tuple[Named, ...]
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What one `bitlens run` does, checked: every name exists, every number is in range.

    counterparts  models trained on shuffled labels, by the name of the model that each is the counterpart of.
    formats_said  whether somebody asked for these formats, each of which has to fit a model then.
    """

    name: str
    text: str
    seed: int
    models: tuple[Model, ...]
    counterparts: dict[str, Model]
    formats: tuple[str, ...]
    formats_said: bool
    datasets: tuple[DatasetTable, ...]
    conversion: ConversionTable
    accuracy: AccuracyTable
    latency: LatencyTable | None
    saliency: SaliencyTable | None
    methods: tuple[Named, ...]
    metrics: tuple[Metric, ...]
    judges: tuple[Deployed, ...]
    on_device: tuple[Deployed, ...]
    agreement: Agreement | None
    sanity: Sanity | None
    amplification: AmplificationTable | None
    devices: tuple[DeviceTable, ...]

    @property
    def scored_models(self) -> tuple[Model, ...]:
        """All but those that are only measured."""
        return tuple(model for model in self.models if not model.unscored)

    def dataset_of(self, model: str) -> DatasetTable:
        """The images that a model sees: the table that names it, or the one that names none."""
        named = next((table for table in self.datasets if model in (table.models or ())), None)
        return named or next(table for table in self.datasets if table.models is None)

    def artifacts(self) -> Iterator[tuple[Model, str]]:
        """Every model with every wanted format that fits it; a flatbuffer with the one that it has."""
        for model in self.models:
            fitting = (name for name in self.formats if model.family in FORMATS[name].families)
            yield from ((model, name) for name in ((TFLITE,) if model.is_flatbuffer else fitting))

    def check_formats(self) -> None:
        """Raises ConfigError for a format that fits no model: once the family of every model is known."""
        made = {name for _, name in self.artifacts()}
        idle = next((name for name in self.formats if name not in made), None)
        if idle is None or (made and not self.formats_said):
            return
        families = {"a .tflite file, which is deployed as it is" if m.is_flatbuffer else m.family for m in self.models}
        wanted = " and ".join(FORMATS[idle].families)
        what = f"it is for {wanted} models" if wanted else "nothing is converted to it"
        fitting = [name for name in self.formats if name in made]
        raise ConfigError(
            f'formats: "{idle}" fits none of the models: {what}, and here is {", ".join(sorted(families))}',
            hint=f"formats = {as_toml(fitting)}" if fitting else self._formats_that_fit(),
        )

    def _formats_that_fit(self) -> str:
        families = {model.family for model in self.models if not model.is_flatbuffer}
        fitting = [name for name, spec in FORMATS.items() if families.intersection(spec.families)]
        return f"one of {', '.join(fitting)}" if fitting else "no formats, which are for Keras models"
