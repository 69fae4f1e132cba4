"""`bitlens explain`: one model, a few pictures, an answer at once. It parses and prints; others do the work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import numpy as np
import tomllib
import typer
from numpy.typing import NDArray

from harness.datasets.geometry import fit_image
from harness.datasets.pictures import read_picture
from harness.errors import ConfigError, nearest
from harness.models.catalogue import Model
from harness.models.loading import load_model
from harness.registry import look_up

if TYPE_CHECKING:
    from harness.cli.explain_image import Explanation
    from harness.models.catalogue import Model
    from harness.models.lookup import FileOptions

Names = Sequence[str]
OWN = "A model file of your own"


def add_explain_command(app: typer.Typer) -> None:
    """Make `explain` a command of `app`."""
    app.command()(explain)


def explain(
    model: Annotated[str, typer.Argument(help="A name from `bitlens list models`, or a Keras file of your own.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures, of any size.", metavar="IMAGE...")],
    method: Annotated[
        Optional[list[str]],
        typer.Option(help="From `bitlens list methods`; may be repeated. Default: gradient, smoothgrad, gradcam."),
    ] = None,
    parameter: Annotated[
        Optional[list[str]],
        typer.Option(help="NAME=VALUE of the methods that have it, such as noise_level=0.02; may be repeated."),
    ] = None,
    metric: Annotated[
        Optional[list[str]], typer.Option(help="From `bitlens list metrics`; may be repeated. Default: the quick ones.")
    ] = None,
    target: Annotated[
        str, typer.Option(help="The class to explain, by its number or name, instead of the predicted one.")
    ] = "predicted",
    weights: Annotated[
        Optional[str], typer.Option(help='"trained", "imagenet", "random" or a file, for a model of the catalogue.')
    ] = None,
    labels: Annotated[
        Optional[Path], typer.Option(help="Names of the classes, one on each line, in the order of the outputs.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures of the maps.")] = Path("explanations"),
    seed: Annotated[int, typer.Option(help="Of the noise of methods such as smoothgrad.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    experiment: Annotated[
        Optional[Path], typer.Option(help="MODEL is one of this experiment file (TOML).", rich_help_panel=OWN)
    ] = None,
    mean: Annotated[
        Optional[str],
        typer.Option(help="input = (pixels - mean) * scale: one number, or 127.5,127.5,127.5.", rich_help_panel=OWN),
    ] = None,
    scale: Annotated[
        Optional[str], typer.Option(help="The default, with mean 127.5, is 1/127.5: -1 to 1.", rich_help_panel=OWN)
    ] = None,
    bgr: Annotated[bool, typer.Option("--bgr", help="Blue comes first.", rich_help_panel=OWN)] = False,
    size: Annotated[
        Optional[int], typer.Option(help="Of the input, where the file leaves it open.", min=1, rich_help_panel=OWN)
    ] = None,
    resize: Annotated[
        Optional[int],
        typer.Option(help="Shorter side before cropping; default: as large as the input.", min=1, rich_help_panel=OWN),
    ] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Load it even if it holds code.", rich_help_panel=OWN)
    ] = False,
) -> None:
    """Explain single pictures: what the model sees in them, where, and how well each map explains it.

    For each picture it prints the prediction and a table of scores, and writes one PNG per method: the picture as the
    model sees it, the map, and the map over the picture.

        bitlens explain planted-binary photo.png --method smoothgrad --parameter noise_level=0.02

        bitlens explain mine.h5 photo.jpg --mean 0 --scale 0.00392157 --labels names.txt
    """
    from harness.cli import explain_image
    from harness.cli import explain_text as text

    methods = explain_image.chosen_methods(
        _known_methods(method or explain_image.DEFAULT_METHODS), dict(_parameter(given) for given in parameter or ())
    )
    metrics = _known_metrics(metric or explain_image.DEFAULT_METRICS, explain_image.possible_metrics())
    _check_pictures(images)
    own = {"mean": mean, "scale": scale, "bgr": bgr, "size": size, "resize": resize, "trusted": trusted}
    found, keras_model = _open(model, weights=weights, experiment=experiment, seed=seed, own=own)
    names = _class_names(found, labels)
    chosen = _target(target, names, found.classes)
    pixels = [fit_image(read_picture(path, where="image"), found.preprocessing) for path in images]

    ready = explain_image.Explainer(found, keras_model)
    if not as_json:
        print(text.headline(found, has_softmax=ready.engine.has_softmax))
    records = []
    for path, image, stem in zip(images, pixels, _stems(images, found.name), strict=True):
        explained = ready.explain(image, methods, key=path.name, target=chosen, metrics=metrics, seed=seed)
        pictures = _write_pictures(out, stem, image, explained)
        records.append(text.record(path, explained, names, pictures))
        if not as_json:
            print(f"\n{text.as_text(records[-1])}", flush=True)
    print(json.dumps(records, indent=2) if as_json else f"\n{text.NOTE}")


# ------------------------------------------------------------------------------------------------------ from arguments
def _known_methods(names: Names) -> list[str]:
    from harness.saliency.methods.method_table import METHODS

    for name in names:
        look_up(METHODS, name, where="--method", what="method")
    return list(dict.fromkeys(names))


def _known_metrics(names: Names, possible: Names) -> list[str]:
    from harness.quality.metrics.metric_table import METRICS

    for name in names:
        look_up(METRICS, name, where="--metric", what="metric")
        if name not in possible:
            raise ConfigError(
                f"--metric: {name} needs more than one picture or a mask: a run has them",
                hint="one of " + ", ".join(possible),
            )
    return list(dict.fromkeys(names))


def _parameter(text: str) -> tuple[str, Any]:
    """("noise_level", 0.02) of "noise_level=0.02": a TOML value, or text without its quotes."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ConfigError(f'--parameter: expected NAME=VALUE, got "{text}"', hint="--parameter noise_level=0.02")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def _check_pictures(paths: Sequence[Path]) -> None:
    """Before anything expensive is loaded."""
    for path in paths:
        if path.is_dir():
            raise ConfigError(
                f'image: expected pictures, got the folder "{path}"',
                hint=f"{path}/*.jpg for its pictures; `bitlens run` for a data set",
            )
        if not path.is_file():
            raise ConfigError(f'image: found no file "{path}"')


def _open(
    name: str, *, weights: str | None, experiment: Path | None, seed: int, own: dict[str, Any]
) -> tuple[Model, Any]:
    from harness.models import lookup

    given = [f"--{option}" for option, value in own.items() if value not in (None, False)]
    is_file = experiment is None and lookup.is_file(name)
    if given and not is_file:
        raise ConfigError(f'{given[0]}: "{name}" is no model file; its preprocessing is known')
    if weights is not None and (is_file or experiment is not None):
        raise ConfigError("--weights: is for a model of the catalogue alone, the others have theirs")
    if experiment is not None:
        return open_of_experiment(name, experiment)
    return (
        lookup.open_file(Path(name), _file_options(own))
        if is_file
        else lookup.open_named(name, weights=weights, seed=seed)
    )


def _file_options(own: dict[str, Any]) -> FileOptions:
    from harness.models.lookup import FileOptions

    given: dict[str, Any] = {name: _numbers(name, own[name]) for name in ("mean", "scale") if own[name] is not None}
    if own["size"] is not None:
        given["size"] = (own["size"], own["size"])
    return FileOptions(
        channel_order="bgr" if own["bgr"] else "rgb", resize=own["resize"], trusted=own["trusted"], **given
    )


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f'--{name}: expected numbers with commas between them, got "{text}"') from None


def _class_names(model: Model, labels: Path | None) -> tuple[str, ...]:
    from harness.cli.explain_image import class_names

    if labels is None:
        return class_names(model) or tuple(f"class {i}" for i in range(model.classes))
    try:
        names = tuple(line.strip() for line in labels.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'--labels: "{labels}" could not be read ({error})') from error
    if len(names) != model.classes:
        raise ConfigError(f'--labels: expected {model.classes} names, one on each line of "{labels}", got {len(names)}')
    return names


def _target(text: str, names: Names, classes: int) -> int | None:
    """The number of the class to explain; None for the predicted one."""
    if text == "predicted":
        return None
    if text in names:
        return list(names).index(text)
    if text.isdecimal() and int(text) < classes:
        return int(text)
    hint = nearest(text, names) if classes <= 20 else "the class's number, or --labels FILE to use names"
    raise ConfigError(f'--target: expected a class from 0 to {classes - 1} or its name, got "{text}"', hint=hint)


# ---------------------------------------------------------------------------------------------------------- to results
def _stems(paths: Sequence[Path], model: str) -> Iterator[str]:
    """A name for each picture's files: its own and the model's, numbered where two pictures have one name."""
    used: dict[str, int] = {}
    for path in paths:
        count = used[path.stem] = used.get(path.stem, 0) + 1
        yield f"{path.stem}-{model}" if count == 1 else f"{path.stem}-{count}-{model}"


def _write_pictures(folder: Path, stem: str, image: NDArray[np.uint8], explained: Explanation) -> dict[str, Path]:
    """The file of each method's picture, by the method's name."""
    from reports.drawing.overlays import overlay_picture

    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for row in explained.maps:
            if row.method is not None:
                written[row.method] = folder / f"{stem}-{row.method}.png"
                overlay_picture(image, row.map).save(written[row.method])
    except OSError as error:
        raise ConfigError(f'--out: "{folder}" could not be written ({error.strerror or error})') from error
    return written


def open_of_experiment(name: str, experiment: Path) -> tuple[Model, Any]:
    """A model of an experiment file with its Keras model."""
    from harness.experiment.reader import read_experiment

    models = {model.name: model for model in read_experiment(experiment).models}
    if name not in models:
        raise ConfigError(f'model: expected one of {experiment.name}, got "{name}"', hint=nearest(name, models))
    return models[name], load_model(models[name])
