"""Full-precision against binarized models on the same images: scores per image, for differences paired by image.

Twins are contrasted one with one. Models without a twin are contrasted family with family, each image's value being
the mean over the models of a family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.store.units import StoredUnit
from reports.data.view import RunView, is_judged_by_float
from reports.sections.expectations import Evidence

PerImage = dict[str, float]
FAMILIES = ("full-precision", "binarized")
Parameters = Mapping[str, Any]
ANY: Parameters = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Two groups of models that were explained on the same images."""

    name: str
    full_precision: tuple[str, ...]
    binarized: tuple[str, ...]

    def side(self, family: str) -> tuple[str, ...]:
        return dict(self.sides())[family]

    def sides(self) -> tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]:
        return (FAMILIES[0], self.full_precision), (FAMILIES[1], self.binarized)


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
            Contrast(name=f"{models[name]['twin']} / {name}", full_precision=(models[name]["twin"],), binarized=(name,))
            for name in names
            if models[name]["family"] == FAMILIES[1] and models[name].get("twin") in names
        ]
        if twins:
            return twins
        full, binarized = (tuple(name for name in names if models[name]["family"] == family) for family in FAMILIES)
        if not full or not binarized:
            return []
        name = f"{len(full)} full-precision / {len(binarized)} binarized"
        return [Contrast(name=name, full_precision=full, binarized=binarized)]

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


def difference(first: PerImage, second: PerImage) -> Evidence | None:
    """first - second on the images that both have, if any."""
    values = [first[image] - second[image] for image in first if image in second]
    return Evidence(table=np.array(values, np.float64)[:, None]) if values else None


def table_of(columns: Sequence[PerImage]) -> NDArray[np.float64]:
    """(images, columns) of the images that every column has."""
    common = [image for image in columns[0] if all(image in column for column in columns)]
    return np.array([[column[image] for column in columns] for image in common], np.float64).reshape(-1, len(columns))


def _mean_over(models: Sequence[PerImage | None]) -> PerImage:
    known = [values for values in models if values]
    if not known or len(known) < len(models):
        return {}
    images = [image for image in known[0] if all(image in values for values in known)]
    return {image: float(np.mean([values[image] for values in known])) for image in images}


def _has(parameters: Parameters, wanted: Parameters) -> bool:
    return all(parameters.get(name) == value for name, value in wanted.items())
