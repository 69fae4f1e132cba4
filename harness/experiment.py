"""The experiment file: TOML in, a checked and frozen `Experiment` out. Nothing inside the harness parses again.

Every mistake names the file, the key, what was expected, what came, and the nearest valid name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomllib
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from converters import FORMATS
from harness.catalogue import CATALOGUE, Model, catalogue_model
from harness.datasets import DATASETS
from harness.devices import make_device
from harness.devices.table import known_devices
from harness.errors import ConfigError, nearest
from harness.quality import METRICS
from harness.saliency import METHODS, parameters_of

Count = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PreprocessingTable(_Table):
    """[model.preprocessing]: what happens to an image before a network of the user's own sees it."""

    height: Count
    width: Count
    resize: Count | None = None
    channel_order: Literal["rgb", "bgr"] = "rgb"
    mean: list[float] = [127.5, 127.5, 127.5]
    scale: list[float] = [1 / 127.5, 1 / 127.5, 1 / 127.5]

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> PreprocessingTable:
        if len(self.mean) != len(self.scale) or len(self.mean) not in (1, 3):
            raise ValueError("mean and scale with 3 numbers each for colour, or 1 each for grey")
        return self

    def record(self) -> dict[str, Any]:
        return {**self.model_dump(), "resize": self.resize or min(self.height, self.width)}


class ModelTable(_Table):
    """[[model]]: a network of the catalogue with other weights, or the user's own file."""

    name: str
    weights: str | None = None
    path: str | None = None
    family: Literal["full-precision", "binarized"] = "full-precision"
    classes: Count | None = None
    twin: str | None = None
    trusted: bool = False
    quantization_aware: bool = False
    preprocessing: PreprocessingTable | None = None

    @model_validator(mode="after")
    def _known_or_complete(self) -> ModelTable:
        if self.path is None and self.name not in CATALOGUE:
            raise ValueError(f"a `path`, or a name from the catalogue such as {nearest(self.name, CATALOGUE)}")
        if self.path is not None and (self.preprocessing is None or self.classes is None):
            raise ValueError("`classes` and a [model.preprocessing] table beside the `path` of a model of your own")
        return self


class DatasetTable(_Table):
    """[dataset]: where images come from. `seed` is for generated images."""

    kind: str
    path: str | None = None
    seed: int = 0


class ConversionTable(_Table):
    """[conversion]: how many images of the train split calibrate the int8 formats."""

    calibration_images: Count = 200


class AccuracyTable(_Table):
    """[accuracy]: how many images of the test split judge every artifact."""

    images: Count = 500


class LatencyTable(_Table):
    """[latency]: the measuring protocol."""

    threads: list[Count] = [1]
    min_runs: Count = 50
    min_seconds: Annotated[float, Field(ge=0)] = 1.0
    rounds: Count = 3


class MethodTable(BaseModel):
    """A saliency method; its parameters are checked against its own row of the table. A list is a sweep."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str


class SaliencyTable(_Table):
    """[saliency]: which maps are computed, for how many images, and for which class.

    batch  images of a unit of work: what is computed, stored and resumed at once. It changes no result.
    """

    images: Count = 32
    batch: Count = 32
    target: Literal["predicted", "label"] = "predicted"
    methods: list[MethodTable] = []


class QualityTable(_Table):
    """[quality]: which metrics judge the maps; `steps` portions of pixels are removed or inserted."""

    metrics: list[str] = []
    steps: Count = 16


class DeviceTable(BaseModel):
    """[[device]]: a place where artifacts run; keys beyond these belong to the kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str
    kind: str = "local"
    runtime: str = "auto"

    def address(self) -> dict[str, Any]:
        """What `harness.devices.make_device` needs: everything but how the device is used."""
        return self.model_dump(exclude={"runtime"})


class ExperimentFile(_Table):
    """The file as it is written."""

    seed: Annotated[int, Field(ge=0)] = 0
    models: list[str] = []
    model: list[ModelTable] = []
    formats: list[str] = ["fp32"]
    dataset: DatasetTable
    conversion: ConversionTable = ConversionTable()
    accuracy: AccuracyTable = AccuracyTable()
    latency: LatencyTable | None = None
    saliency: SaliencyTable | None = None
    quality: QualityTable | None = None
    devices: list[str] = []
    device: list[DeviceTable] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One saliency method with all its parameters."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What one `bitlens run` does, checked: every name exists, every number is in range."""

    name: str
    text: str
    seed: int
    models: tuple[Model, ...]
    formats: tuple[str, ...]
    dataset: DatasetTable
    conversion: ConversionTable
    accuracy: AccuracyTable
    latency: LatencyTable | None
    saliency: SaliencyTable | None
    methods: tuple[Method, ...]
    quality: QualityTable | None
    devices: tuple[DeviceTable, ...]

    def artifacts(self) -> Iterator[tuple[Model, str]]:
        """Every model with every wanted format that fits it."""
        for model, name in itertools.product(self.models, self.formats):
            if model.family in FORMATS[name].families:
                yield model, name


def read_experiment(path: Path, *, data: Path | None = None) -> Experiment:
    """The experiment of a file. Raises ConfigError with one sentence for every mistake in it.

    data  where the data set is, instead of the file's own [dataset] path.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f'experiment: "{path}" could not be read ({error.strerror})') from error
    except UnicodeDecodeError as error:
        raise ConfigError(f'experiment: "{path}" is not UTF-8 text ({error.reason})') from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: not valid TOML: {error}") from error
    if data is not None:
        table["dataset"] = {**table.get("dataset", {}), "path": str(data.resolve())}
    try:
        return _checked(path, text, ExperimentFile.model_validate(table))
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path.name} {_explain(e)}" for e in error.errors())) from None
    except ConfigError as error:
        raise ConfigError(f"{path.name} {error}") from None


def _checked(path: Path, text: str, file: ExperimentFile) -> Experiment:
    _known(file.formats, FORMATS, where="formats", what="format")
    _known([file.dataset.kind], DATASETS, where="[dataset] kind", what="kind of data set")
    metrics = file.quality.metrics if file.quality else []
    _known(metrics, METRICS, where="[quality] metrics", what="metric")
    if metrics and not (file.saliency and file.saliency.methods):
        raise ConfigError("[quality] metrics: nothing to judge, because [saliency] names no methods")
    models = tuple(_models(file, folder=path.parent))
    _unique([model.name for model in models], where="models")
    devices = tuple(_devices(file))
    _unique([device.name for device in devices], where="devices")
    experiment = Experiment(
        name=path.stem,
        text=text,
        seed=file.seed,
        models=models,
        formats=tuple(file.formats),
        dataset=_relative_to(path.parent, file.dataset),
        conversion=file.conversion,
        accuracy=file.accuracy,
        latency=file.latency,
        saliency=file.saliency,
        methods=tuple(_methods(file.saliency.methods)) if file.saliency else (),
        quality=file.quality,
        devices=devices,
    )
    if not any(True for _ in experiment.artifacts()):
        raise ConfigError(f"formats: none of {', '.join(file.formats)} fits any of the models")
    return experiment


def _models(file: ExperimentFile, *, folder: Path) -> Iterator[Model]:
    if not file.models and not file.model:
        raise ConfigError("models: expected at least one", hint="`bitlens list models` shows the catalogue")
    _known(file.models, CATALOGUE, where="models", what="model of the catalogue")
    for name in file.models:
        yield catalogue_model(name, CATALOGUE[name], seed=file.seed)
    for table in file.model:
        if table.path is None:
            weights = _weights(table.weights, folder)
            yield catalogue_model(table.name, CATALOGUE[table.name], weights=weights, seed=file.seed)
        else:
            yield _own_model(table, folder)


def _devices(file: ExperimentFile) -> Iterator[DeviceTable]:
    """The file's own [[device]] tables, and those it calls by the name they have for all experiments."""
    for device in file.device:
        make_device(device.address())  # refuses what its kind does not know
        yield device
    if file.devices:
        known = known_devices()
        _known(file.devices, known, where="devices", what="device")
        yield from (DeviceTable.model_validate(known[name]) for name in file.devices)
    if not file.device and not file.devices:
        yield DeviceTable(name="this-host", kind="local")


def _own_model(table: ModelTable, folder: Path) -> Model:
    assert table.preprocessing is not None  # the table's own validator saw to all three
    assert table.classes is not None
    assert table.path is not None
    return Model(
        name=table.name,
        family=table.family,
        preprocessing=table.preprocessing.record(),
        classes=table.classes,
        weights=str(_beside(folder, table.path)),
        twin=table.twin,
        trusted=table.trusted,
        quantization_aware=table.quantization_aware,
    )


def _weights(weights: str | None, folder: Path) -> str | None:
    if weights in (None, "trained", "imagenet", "random"):
        return weights
    return str(_beside(folder, weights))


def _relative_to(folder: Path, dataset: DatasetTable) -> DatasetTable:
    if dataset.path is None:
        return dataset
    return dataset.model_copy(update={"path": str(_beside(folder, dataset.path))})


def _beside(folder: Path, path: str) -> Path:
    """Paths in an experiment file are relative to the file."""
    return (folder / Path(path).expanduser()).resolve()


def _methods(tables: Iterable[MethodTable]) -> Iterator[Method]:
    """Every method of the file; a list of values for a parameter becomes one method per value."""
    for table in tables:
        _known([table.name], METHODS, where="[saliency] methods", what="method")
        given = table.model_extra or {}
        sweeps = [[(key, v) for v in (value if isinstance(value, list) else [value])] for key, value in given.items()]
        for chosen in itertools.product(*sweeps):
            yield Method(
                name=table.name, parameters=parameters_of(table.name, dict(chosen), where=f"[saliency] {table.name}")
            )


def _known(names: Iterable[str], table: Mapping[str, Any], *, where: str, what: str) -> None:
    for name in names:
        if name not in table:
            raise ConfigError(f'{where}: expected a {what}, got "{name}"', hint=nearest(name, table))


def _unique(names: list[str], *, where: str) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f'{where}: expected every name once, got "{min(twice)}" more than once')


# ------------------------------------------------------------------------------ pydantic's errors in our sentences
_WANTED = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "list_type": "a list in [brackets]",
    "model_type": "a table",
    "missing": "a value",
}


def _explain(error: ErrorDetails) -> str:
    key = _key(error["loc"])
    if error["type"] == "extra_forbidden":
        known = _fields_at(error["loc"][:-1])
        return f"{key}: no such key\n  try: {nearest(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{key}: expected a value, got none"
    return f"{key}: expected {_wanted(error)}, got {_got(error['input'])}"


def _wanted(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] in ("greater_than_equal", "greater_than"):
        sign = ">=" if error["type"] == "greater_than_equal" else ">"
        return f"a number {sign} {context.get('ge', context.get('gt'))}"
    if error["type"] == "literal_error":
        return str(context["expected"]).replace("'", '"')
    if error["type"] == "value_error":
        return str(context["error"])
    return _WANTED.get(error["type"], error["msg"])


def _got(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else "a table without" if isinstance(value, dict) else repr(value)


def _key(location: tuple[int | str, ...]) -> str:
    """("latency", "threads", 0) -> "[latency] threads, item 1"."""
    *tables, last = location if isinstance(location[-1], str) else location[:-1]
    item = f", item {location[-1] + 1}" if isinstance(location[-1], int) else ""
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in tables)
    return (f"[{where}] {last}" if where else str(last)) + item


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at this place of the file may have."""
    table: Any = ExperimentFile
    for part in location:
        if isinstance(part, str):
            annotation = table.model_fields[part].annotation
            table = next(t for t in _tables_in(annotation))
    return list(table.model_fields)


def _tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _tables_in(inner)
