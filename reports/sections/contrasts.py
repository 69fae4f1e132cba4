"""Full-precision against binarized models on the same images: scores per image, for differences paired by image.

Twins are contrasted one with one; pairs of which each model is another training run (`seed_of`) of a pair's go with it.
Models without a twin are contrasted family with family, each image's value being the mean over the models of a family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.store.units import StoredUnit
from reports.data.view import RunView, is_judged_by_float
from reports.sections.evidence import Evidence

PerImage = dict[str, float]
Seeds = Sequence[PerImage]  # one for each training run, in the order of a contrast
FAMILIES = ("full-precision", "binarized")
Parameters = Mapping[str, Any]
ANY: Parameters = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two groups of models that were explained on the same images."""

    full_precision: tuple[str, ...]
    binarized: tuple[str, ...]

    def of(self, family: str) -> tuple[str, ...]:
        return self.full_precision if family == FAMILIES[0] else self.binarized


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What is compared: one pair, or several that are training runs of the same two designs."""

    name: str
    pairs: tuple[Pair, ...]

    def each(self, family: str, values: Callable[[tuple[str, ...]], PerImage]) -> Seeds:
        """What `values` gives for the models of a family, for each training run."""
        return [values(pair.of(family)) for pair in self.pairs]


class Study:
    """The scores of a run, found by model, method and metric."""

    def __init__(self, view: RunView) -> None:
        self._view = view

    def contrasts(self) -> list[Contrast]:
        """Twins of which both were explained; else the families that saw the same data set."""
        groups: dict[str, list[str]] = {}
        for unit in [*self._view.of_kind("saliency"), *self._view.of_kind("amplification")]:
            images = self._view.find(unit.needs.get("images"))
            names = groups.setdefault(str((images.spec if images else {}).get("fingerprint")), [])
            name = unit.spec["model"]["name"]
            if name in self._view.models and name not in names:
                names.append(name)
        return [contrast for names in groups.values() for contrast in self._of_group(names)]

    def _of_group(self, names: Sequence[str]) -> list[Contrast]:
        models = self._view.models
        twins = [
            (models[name]["twin"], name)
            for name in names
            if models[name]["family"] == FAMILIES[1] and models[name].get("twin") in names
        ]
        if twins:
            return self._with_seeds(twins)
        full, binarized = (tuple(name for name in names if models[name]["family"] == family) for family in FAMILIES)
        if not full or not binarized:
            return []
        name = f"{len(full)} full-precision / {len(binarized)} binarized"
        return [Contrast(name=name, pairs=(Pair(full_precision=full, binarized=binarized),))]

    def _with_seeds(self, twins: Sequence[tuple[str, str]]) -> list[Contrast]:
        """One contrast for the pairs whose models are training runs of the same two models, themselves a pair.

        A pair that shares its float model with another one is no other training run of it.
        """
        seeds, together = self._view.seeds, dict[tuple[str, str], list[Pair]]()
        for full, binarized in twins:
            first = seeds.get(full, ""), seeds.get(binarized, "")
            designs = first if first in twins else (full, binarized)
            together.setdefault(designs, []).append(Pair(full_precision=(full,), binarized=(binarized,)))
        return [
            Contrast(name=" / ".join(designs) + (f", {len(pairs)} seeds" if len(pairs) > 1 else ""), pairs=tuple(pairs))
            for designs, pairs in together.items()
        ]

    # ------------------------------------------------------------------------------------------ one value per image
    def scores(
        self,
        models: Iterable[str],
        method: str,
        metric: str,
        *,
        having: Parameters = ANY,
        metric_having: Parameters = ANY,
    ) -> PerImage:
        """Mean over the models of the float judge's score; images that every model has a score for."""
        return _mean_over([self._score(name, method, having, metric, metric_having) for name in models])

    def agreements(self, models: Iterable[str], what: str, method: str, *, having: Parameters = ANY) -> PerImage:
        """Mean over the models of the rank correlation with the maps that `what` names, see the agreement stage."""
        return _mean_over([self._agreement(name, what, method, having) for name in models])

    def amplifications(self, models: Iterable[str], noise_level: float, *, at: int) -> PerImage:
        """Mean over the models of the amplification at a layer, counted from the input (0) or from the end (-1)."""
        return _mean_over([self._amplification(name, noise_level, at) for name in models])

    def levels(self, parameter: str, method: str) -> list[Any]:
        """The values that a parameter of a method takes in this run, sorted."""
        units = [unit for unit in self._view.of_kind("saliency") if unit.spec["method"] == method]
        values = {unit.spec["parameters"][parameter] for unit in units if parameter in unit.spec["parameters"]}
        return sorted(values, key=lambda value: (isinstance(value, str), value))

    def noise_levels(self) -> list[float]:
        """Those at which layers were followed."""
        return sorted({unit.spec["noise_level"] for unit in self._view.of_kind("amplification")})

    # ------------------------------------------------------------------------------------------------------- internals
    def _score(
        self, model: str, method: str, having: Parameters, metric: str, metric_having: Parameters
    ) -> PerImage | None:
        for unit in self._quality.get((model, method, metric), ()):
            maps = self._view.find(unit.needs["saliency"])
            if maps and _has(maps.spec["parameters"], having) and _has(unit.spec["parameters"], metric_having):
                return self._values(unit)
        return None

    def _agreement(self, model: str, what: str, method: str, having: Parameters) -> PerImage | None:
        for unit in self._view.of_kind("agreement"):
            if (unit.spec["model"]["name"], unit.spec["what"], unit.spec["metric"]) == (model, what, "spearman"):
                maps = self._view.find(unit.needs["first"])
                if maps and maps.spec["method"] == method and _has(maps.spec["parameters"], having):
                    return self._values(unit)
        return None

    def _amplification(self, model: str, noise_level: float, at: int) -> PerImage | None:
        for unit in self._view.of_kind("amplification"):
            if (unit.spec["model"]["name"], unit.spec["noise_level"]) == (model, noise_level) and unit.result:
                return {key: row[at] for key, row in zip(unit.result["images"], unit.result["values"])}
        return None

    def _values(self, unit: StoredUnit) -> PerImage:
        return {score.image: score.value for score in self._view.scores(unit) if score.value is not None}

    @cached_property
    def _quality(self) -> dict[tuple[str, str, str], list[StoredUnit]]:
        units: dict[tuple[str, str, str], list[StoredUnit]] = {}
        for unit in self._view.of_kind("quality"):
            maps = self._view.find(unit.needs["saliency"])
            if maps is not None and is_judged_by_float(unit):
                key = (maps.spec["model"]["name"], maps.spec["method"], unit.spec["metric"])
                units.setdefault(key, []).append(unit)
        return units


def difference(first: Seeds, second: Seeds) -> Evidence | None:
    """first - second for each training run, on the images that all of them have, if any."""
    table = table_of([first, second])
    return Evidence(table=table[..., :1] - table[..., 1:]) if table.size else None


def table_of(columns: Sequence[Seeds]) -> NDArray[np.float64]:
    """(images, seeds, columns) of the images that every column has for every training run."""
    cells = [[column[seed] for column in columns] for seed in range(len(columns[0]))]
    known = [values for row in cells for values in row]
    common = [image for image in known[0] if all(image in values for values in known)]
    rows = [[[values[image] for values in row] for row in cells] for image in common]
    return np.array(rows, np.float64).reshape(-1, len(cells), len(columns))


def _mean_over(models: Sequence[PerImage | None]) -> PerImage:
    known = [values for values in models if values]
    if not known or len(known) < len(models):
        return {}
    images = [image for image in known[0] if all(image in values for values in known)]
    return {image: float(np.mean([values[image] for values in known])) for image in images}


def _has(parameters: Parameters, wanted: Parameters) -> bool:
    return all(parameters.get(name) == value for name, value in wanted.items())
