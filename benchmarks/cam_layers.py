"""GradCAM at the last convolution against the last activation map: blank maps, and insertion.

`convolution` and `activation` are what bitlens calls last_convolution and last_activation; `branch` is the convolution
by itself, also where a path bypasses it.

    python benchmarks/cam_layers.py [--cifar ARCHIVE.zip] [--json]
    python benchmarks/cam_layers.py --model FILE --data FOLDER [--resize N] [--json]

Without a model it asks the twins on generated images, and those of CIFAR-10 on the archive where one is given. A map is
counted as blank on all images; insertion (class scores as pixels of the image come in, the map's greatest first, on its
blurred copy) is measured on a drawn part of them, also for Gradient and for a random map. An image counts for
insertion where all maps show something. The class is the predicted one. A ratio above 1 speaks for the activation.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import keras_packages

BRANCH = "branch"  # the last convolution by itself, where a path bypasses it: in a residual model
READINGS = {BRANCH: BRANCH, "convolution": "last_convolution", "activation": "last_activation"}
OTHERS = ("gradient", "random")
CHUNK = 50  # images decoded at a time

Pixels = NDArray[np.uint8]
Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One model on its images. Insertion is the mean over the drawn images where all maps show something."""

    layers: dict[str, str]
    images: int
    blank: dict[str, int]
    drawn: int
    scored: int
    insertion: dict[str, float]
    activation_minus_convolution: tuple[float, float, float]  # mean, and 95 % interval by bootstrap over images

    @property
    def ratio(self) -> float:
        return self.insertion["activation"] / self.insertion["convolution"]


def main() -> None:
    arguments = _arguments()
    keras_packages.set_up()
    from harness.saliency.threads import use_one_thread_per_batch

    use_one_thread_per_batch()
    figures = {name: measure(*opened, arguments) for name, opened in _models(arguments)}
    result = {
        "ratios": {f"insertion_{name}": round(of_model.ratio, 3) for name, of_model in figures.items()},
        "figures": {name: asdict(of_model) for name, of_model in figures.items()},
    }
    print(json.dumps(result, indent=1) if arguments.json else table(figures))


def table(figures: dict[str, Figures]) -> str:
    head = ("model", "layers", "blank maps", *(f"insertion: {name}" for name in (*READINGS, *OTHERS)), "difference")
    rows = [
        (
            name,
            " / ".join(of_model.layers[reading] for reading in READINGS),
            " / ".join(str(of_model.blank[reading]) for reading in READINGS) + f" of {of_model.images:,}",
            *(f"{of_model.insertion[what]:.3f}" for what in (*READINGS, *OTHERS)),
            "{:+.3f} ({:+.3f} to {:+.3f})".format(*of_model.activation_minus_convolution),
        )
        for name, of_model in figures.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def measure(model: Any, keras_model: Any, picture: Callable[[int], Pixels], count: int, arguments: Any) -> Figures:
    from harness.saliency import GradientEngine

    engine = GradientEngine(keras_model)
    branch = [info.name for info in engine.candidates if info.convolution][-1]
    layers = {name: engine.layer(branch if layer == BRANCH else layer) for name, layer in READINGS.items()}
    drawn = np.sort(np.random.default_rng(0).permutation(count)[: arguments.insertion])
    blank = dict.fromkeys(READINGS, 0)
    scores: list[NDArray[np.float64]] = []
    for first in range(0, count, CHUNK):
        indices = range(first, min(first + CHUNK, count))
        pixels = np.stack([picture(index) for index in indices])
        maps, predicted, blanks = _maps(engine, model, pixels, indices, layers)
        for name in READINGS:
            blank[name] += int(blanks[name].sum())
        chosen = np.flatnonzero(np.isin(list(indices), drawn))
        if len(chosen):
            keys = [str(indices[i]) for i in chosen]
            scores.append(_insertion(engine, model, pixels[chosen], predicted[chosen], _taken(maps, chosen), keys))
    insertion = np.concatenate(scores, axis=1)
    insertion = insertion[:, ~np.isnan(insertion).any(axis=0)]
    return Figures(
        layers=layers,
        images=count,
        blank=blank,
        drawn=len(drawn),
        scored=insertion.shape[1],
        insertion={name: float(row.mean()) for name, row in zip((*READINGS, *OTHERS), insertion)},
        activation_minus_convolution=_interval(insertion[2] - insertion[1]),
    )


def _maps(
    engine: Any, model: Any, pixels: Pixels, indices: Sequence[int], layers: dict[str, str]
) -> tuple[dict[str, Maps], Any, Any]:
    """The maps by name, the predicted classes, and which of the GradCAM maps are blank."""
    from device.preprocessing import preprocess
    from harness.saliency import compute_many

    jobs = [("gradcam", {"layer": layer}) for layer in layers.values()]
    keys = [str(index) for index in indices]
    inputs = preprocess(pixels, model.preprocessing)
    done = compute_many(engine, [*jobs, ("gradient", {})], inputs, None, keys)
    maps = {name: attribution.maps(pixels.shape[1:3]) for name, attribution in zip((*READINGS, "gradient"), done)}
    return maps, done[0].predicted, {name: attribution.blank for name, attribution in zip(READINGS, done)}


def _insertion(
    engine: Any, model: Any, pixels: Pixels, targets: Any, maps: dict[str, Maps], keys: list[str]
) -> NDArray[np.float64]:
    """(maps, images) areas under the insertion curves."""
    from device.preprocessing import preprocess
    from harness.quality.controls import control_maps
    from harness.quality.evaluation import evaluate_together
    from harness.quality.inputs import MetricInputs
    from harness.quality.judges import FloatJudge

    judge = FloatJudge(lambda images: engine.scores(preprocess(images, model.preprocessing)))
    inputs = MetricInputs(images=pixels, targets=targets, keys=tuple(keys), judge=judge)
    maps = {**maps, "random": control_maps("random", inputs)}
    named = [maps[name] for name in (*READINGS, *OTHERS)]
    rows = [evaluate_together({"insertion_auc": {}}, values, inputs)["insertion_auc"].values for values in named]
    return np.stack(rows)


def _taken(maps: dict[str, Maps], chosen: Any) -> dict[str, Maps]:
    return {name: values[chosen] for name, values in maps.items()}


def _interval(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    means = [rng.choice(differences, len(differences)).mean() for _ in range(2000)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)


def _models(arguments: argparse.Namespace) -> Any:
    """(name, (model, its Keras model, picture by index, number of pictures)), one at a time."""
    from harness.datasets.dataset_kinds import open_dataset
    from harness.models.catalogue import CATALOGUE, catalogue_model
    from harness.models.loading import load_model

    if arguments.model:
        yield arguments.model.name, _own(arguments)
        return
    families = {"planted": ("planted", None)}
    if arguments.cifar:
        families["cifar"] = ("cifar10-archive", str(arguments.cifar))
    for family, (kind, path) in families.items():
        dataset = open_dataset(kind, path=path, seed=0)
        for precision in ("float", "binary"):
            model = catalogue_model(f"{family}-{precision}", CATALOGUE[f"{family}-{precision}"])

            def picture(index: int, dataset: Any = dataset) -> Pixels:
                return dataset.sample("test", index).image

            yield model.name, (model, load_model(model), picture, arguments.images)


def _own(arguments: argparse.Namespace) -> Any:
    from harness.datasets.geometry import fit_image
    from harness.datasets.pictures import read_picture
    from harness.models.completion import complete
    from harness.models.declared import Declared
    from harness.models.lookup import own_file

    files = sorted(path for path in arguments.data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise SystemExit(f"{arguments.data}: no .jpg or .png in it")
    declared = Declared(mean=(127.5,), scale=(1 / 127.5,), resize=arguments.resize)
    done = complete(own_file(arguments.model, declared, output="", trusted=False, module=None), [])
    model, keras_model = done.model, done.keras_model

    def picture(index: int) -> Pixels:
        return fit_image(read_picture(files[index], where="--data"), model.preprocessing)

    return model, keras_model, picture, len(files)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a Keras file of a classifier")
    parser.add_argument("--data", type=Path, help="a folder of pictures for it")
    parser.add_argument("--resize", type=int, help="shorter side of a picture before it is cropped for --model")
    parser.add_argument("--cifar", type=Path, help="the CIFAR-10 archive, for the twins of CIFAR-10")
    parser.add_argument("--images", type=int, default=1000, help="of a twin (default 1000)")
    parser.add_argument("--insertion", type=int, default=200, help="images drawn for insertion (default 200)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if bool(arguments.model) != bool(arguments.data):
        parser.error("--model and --data go together")
    return arguments


if __name__ == "__main__":
    main()
