"""The experiment file: TOML in, a checked and frozen `Experiment` out. Nothing inside the harness parses again.

Every mistake names the file, the key, what was expected, what came, and the nearest valid name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tomllib
from pydantic import ValidationError

from converters import FORMATS
from harness.datasets.dataset_kinds import DATASETS, kind_of
from harness.errors import ConfigError, printable, shown
from harness.experiment.experiment import Experiment
from harness.experiment.messages import explain_mistake
from harness.experiment.model_tables import ModelTable
from harness.experiment.names import require_known, require_unique
from harness.experiment.schema import (
    DatasetTable,
    ExperimentFile,
)
from harness.experiment.selection import Choices
from harness.experiment.syntax_hints import hint_of
from harness.experiment.toml_text import as_toml
from harness.experiment.values import fits_file_names
from harness.models.catalogue import CATALOGUE, Model, catalogue_model
from harness.models.declared import Declared
from harness.registry import look_up
from harness.regular_files import MIB, read_text

MOST_BYTES = MIB // 4  # of an experiment file; ours have 2 KiB
MOST_MAP = MIB  # bytes of a list of classes
MOST_DIGITS = 6  # of a class in it
MOST_LINE = 4000  # characters: what the parser takes for a key grows with the square of its parts


def read_experiment(path: Path, *, data: Path | None = None) -> Experiment:
    """The experiment of a file. Raises ConfigError with one sentence for every mistake in it.

    data  where the data set is, instead of the file's own [dataset] path; of several, those that have a path.
    """
    if printable(path.name) != path.name:  # runs and reports are named after it
        raise ConfigError(f'experiment: "{path}": expected a file name in UTF-8 and without control characters')
    text = read_text(path, where="experiment", at_most=MOST_BYTES)
    table = _parsed(text, name=path.name)
    if data is not None:
        table["dataset"] = _with_path(table.get("dataset", {}), str(data.resolve()))
    try:
        return _checked(path, text, ExperimentFile.model_validate(table))
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path.name} {explain_mistake(e)}" for e in error.errors())) from None
    except ConfigError as error:
        raise ConfigError(f"{path.name} {error}") from None


def _parsed(text: str, *, name: str) -> dict[str, Any]:
    """The table of a TOML text; not of one that is made to keep the parser busy."""
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MOST_LINE:
            raise ConfigError(f"{name}: line {number}: expected {MOST_LINE:,} characters at most, got {len(line):,}")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name}: not an experiment: its lists or tables stand too deep inside each other") from None
    except ValueError as error:  # TOMLDecodeError is one, and so is what Python says of 5,000 digits
        raise ConfigError(f"{name}: not valid TOML: {error}", hint=hint_of(text, str(error))) from error


def _checked(path: Path, text: str, file: ExperimentFile) -> Experiment:
    require_known(file.formats, FORMATS, where="formats", what="format")
    datasets = tuple(_opened_as(path.parent, table) for table in file.dataset)
    chosen = Choices(file, folder=path.parent)
    models = tuple(_models(file, folder=path.parent))
    require_unique([model.name for model in models], where="models", hint='`name = "OTHER"` in a [[model]] table')
    _check_references(models)
    _one_for_each(file.dataset, [model.name for model in models])
    experiment = Experiment(
        name=path.stem,
        text=text,
        seed=file.seed,
        models=models,
        counterparts=_counterparts(models, seed=file.seed) if file.sanity else {},
        formats=tuple(file.formats),
        formats_said="formats" in file.model_fields_set,
        datasets=datasets,
        conversion=file.conversion,
        accuracy=file.accuracy,
        latency=file.latency,
        saliency=file.saliency,
        methods=chosen.methods,
        metrics=chosen.metrics,
        judges=chosen.judges(),
        on_device=chosen.on_device(),
        agreement=chosen.agreement(),
        sanity=chosen.sanity(),
        amplification=file.amplification,
        devices=chosen.devices,
    )
    if all(model.declared is None for model in models):  # others are judged when their files have been read
        experiment.check_formats()
    return experiment


def _counterparts(models: Iterable[Model], *, seed: int) -> dict[str, Model]:
    """The models of the catalogue that were trained as these were, but on shuffled labels."""
    names = {row.shuffled: name for name, row in CATALOGUE.items() if row.shuffled}
    return {
        model.name: catalogue_model(names[model.name], CATALOGUE[names[model.name]], seed=seed)
        for model in models
        if model.name in names
    }


def _with_path(dataset: Any, path: str) -> Any:
    """The [dataset] table with this path; of several [[dataset]] tables, those that read files."""
    if isinstance(dataset, list):
        return [{**table, "path": path} if isinstance(table, dict) and "path" in table else table for table in dataset]
    return {**dataset, "path": path} if isinstance(dataset, dict) else dataset


def _one_for_each(datasets: list[DatasetTable], models: list[str]) -> None:
    """Every model sees the images of exactly one table."""
    named = [name for table in datasets for name in table.models or ()]
    require_known(named, dict.fromkeys(models), where="[dataset] models", what="model of this experiment")
    require_unique(named, where="[dataset] models")
    for_the_rest = sum(table.models is None for table in datasets)
    left = [name for name in models if name not in named]
    if for_the_rest > 1 or (left and not for_the_rest):
        raise ConfigError(
            f"[[dataset]]: expected one table of images for each model, got {'several' if for_the_rest else 'none'} "
            f"for {', '.join(left) or 'the rest'}",
            hint="`models` in every [[dataset]] table but one",
        )


def _models(file: ExperimentFile, *, folder: Path) -> Iterator[Model]:
    if not file.models and not file.model:
        raise ConfigError("models: expected at least one", hint="`bitlens list models` shows the catalogue")
    _require_of_catalogue(file)
    for name in file.models:
        yield catalogue_model(name, CATALOGUE[name], seed=file.seed)
    for table in file.model:
        if table.path is None:
            weights = _weights(table.weights, folder)
            name = table.name or ""  # which the table's own check saw to
            yield catalogue_model(name, CATALOGUE[name], weights=weights, seed=file.seed)
        else:
            yield _own_model(table, folder)


def _require_of_catalogue(file: ExperimentFile) -> None:
    """`models` names models of the catalogue; a [[model]] table needs no name there."""
    own = {table.name or Path(table.path or "").stem for table in file.model}
    for name in file.models:
        if name in own:
            raise ConfigError(
                f'models: expected models of the catalogue, got "{name}", which a [[model]] table is about',
                hint=f'models without "{name}": the table is enough',
            )
        if name not in CATALOGUE and ("/" in name or Path(name).suffix):
            raise ConfigError(
                f"models: expected a model of the catalogue, got {shown(name)}",
                hint=f"[[model]] with path = {as_toml(name)}",
            )
    require_known(file.models, CATALOGUE, where="models", what="model of the catalogue")


def _own_model(table: ModelTable, folder: Path) -> Model:
    """What the table says; `harness.models.completion` reads the rest from the file, which is not opened here."""
    assert table.path is not None
    path = _beside(folder, table.path, where="[[model]] path")
    name = table.name or _name_of(path)
    declared = Declared(
        family=table.family,
        classes=table.classes,
        background=table.background_class,
        class_map=_class_map(table.class_map, folder, where=f'model "{name}" class_map'),
        keras=None if table.keras is None else str(_beside(folder, table.keras, where="[[model]] keras")),
        **table.preprocessing.declared(),
    )
    declared.check(f'model "{name}" [model.preprocessing]')
    return Model(
        name=name,
        family="",
        preprocessing={},
        classes=0,
        weights=str(path),
        output=table.output or "",
        twin=table.twin,
        seed_of=table.seed_of,
        trusted=table.trusted,
        quantization_aware=table.quantization_aware,
        module=None if table.module is None else str(_beside(folder, table.module, where="[[model]] module")),
        reference=table.reference,
        declared=declared,
    )


def _class_map(written: str | list[int] | None, folder: Path, *, where: str) -> tuple[int, ...] | None:
    """The class of each label: as a list, or of a file with one on each line."""
    if written is None or isinstance(written, list):
        return None if written is None else tuple(written)
    lines = read_text(_beside(folder, written, where=where), where=where, at_most=MOST_MAP).splitlines()
    numbers = [line.strip() for line in lines if line.strip()]
    for number, text in enumerate(numbers, start=1):
        if not text.isdecimal() or len(text) > MOST_DIGITS:
            raise ConfigError(
                f'{where}: expected a class, such as 17, in line {number} of "{written}", got {shown(text)}'
            )
    return tuple(map(int, numbers))


def _check_references(models: Iterable[Model]) -> None:
    """Each model that another one names is one of the file; nor is it compared with itself, or a seed of itself."""
    names = {model.name: model for model in models}
    for model in names.values():
        if model.declared is not None and model.twin is not None:
            where = f'model "{model.name}" twin'
            require_known([model.twin], names, where=where, what="model of this experiment")
        if model.seed_of is not None:
            _check_seed(model, names)
        if model.reference is None:
            continue
        if model.reference == model.name:
            raise ConfigError(f'model "{model.name}" reference: expected another model, got its own name')
        where = f'model "{model.name}" reference'
        require_known([model.reference], names, where=where, what="model of this experiment")
        if model.declared is not None and model.declared.keras is not None:
            raise ConfigError(f"{where}: expected keras or reference, got both", hint="one of them to compare with")


def _check_seed(model: Model, names: dict[str, Model]) -> None:
    """A seed is one of a model of the file that is not itself one of another."""
    assert model.seed_of is not None
    where = f'model "{model.name}" seed_of'
    require_known([model.seed_of], names, where=where, what="model of this experiment")
    first = names[model.seed_of].seed_of
    if model.seed_of == model.name:
        raise ConfigError(f"{where}: expected another model, got its own name")
    if first is not None:
        raise ConfigError(
            f'{where}: expected the first of the seeds, got "{model.seed_of}", which is a seed of "{first}"',
            hint=f"seed_of = {as_toml(first)}",
        )


def _name_of(path: Path) -> str:
    """What a model is called that its table gives no name: by its file."""
    try:
        return fits_file_names(path.stem)
    except ValueError as error:
        raise ConfigError(f'[[model]] name: expected one, since "{path.name}" gives none of {error}') from error


def _weights(weights: str | None, folder: Path) -> str | None:
    if weights in (None, "trained", "imagenet", "random"):
        return weights
    return str(_beside(folder, weights, where="[[model]] weights"))


def _opened_as(folder: Path, dataset: DatasetTable) -> DatasetTable:
    """The table with its paths from the root on, and its kind."""
    paths = dataset.model_dump(include={"path", "classes"}, exclude_none=True)
    dataset = dataset.model_copy(
        update={key: str(_beside(folder, path, where=f"[dataset] {key}")) for key, path in paths.items()}
    )
    if not dataset.kind:
        dataset = dataset.model_copy(update={"kind": kind_of(dataset.path)})
    spec = look_up(DATASETS, dataset.kind, where="[dataset] kind", what="kind of data set")
    if spec.generated and dataset.path is not None:
        problem = f'[dataset] path: kind "{dataset.kind}" generates its pictures and reads none'
        raise ConfigError(problem, hint="no path and no --data, or another kind")
    if not spec.generated and "seed" in dataset.model_fields_set:
        problem = f'[dataset] seed: kind "{dataset.kind}" generates no pictures, and has nothing random'
        raise ConfigError(problem, hint="seed before the first [table] is that of the run")
    return dataset


def _beside(folder: Path, path: str, *, where: str) -> Path:
    """Paths in an experiment file are relative to the file."""
    try:
        return (folder / Path(path).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a ring, ~nobody, a NUL
        raise ConfigError(f"{where}: expected a path, got {shown(path)} ({error})") from error
