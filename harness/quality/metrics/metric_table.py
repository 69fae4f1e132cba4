"""The table of metrics: from which paper, which way is better, what each needs and which parameters it takes.

Adding a metric is a module, a row here and a test; `docs/quality.md` is written from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.parameters import Parameter

HERE = "harness.quality.metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric.

    load        a function (maps (N, H, W), MetricInputs) -> values (N,), NaN where undefined, or Scores with reasons.
                All maps that it gets are finite and show something, unless `any_map`.
    family      the function is shared: (maps, MetricInputs, {name: parameters}) -> {name: values or Scores}, for
                those of its metrics that are wanted, so that they share their forward passes or explanations.
    needs       metric inputs without which it has no value: "mask", "judge", "explain", "pool", "aopc_bounds".
    any_map     it can score blank maps and maps that are not finite, or does not look at the map at all.
    parameters  all that determines a value besides maps and inputs; a unit's spec records exactly these.
    """

    load: str
    better: str  # "higher" or "lower"
    unit: str
    paper: str
    summary: str
    pitfall: str
    needs: tuple[str, ...] = ()
    family: bool = False
    any_map: bool = False
    parameters: tuple[Parameter, ...] = ()


BASELINES = ("blur", "image_mean", "dataset_mean")
STEPS = Parameter(name="steps", default=16, unit="equal portions of the pixels", minimum=1, maximum=100_000)
CELLS = Parameter(name="cells", default=5, unit="cells of the grid along each side", minimum=1, maximum=64)
BEAM = Parameter(
    name="beam", default=1, unit="orders kept while the bounds are searched, 1 is greedy", minimum=1, maximum=64
)
COPIES = Parameter(name="samples", default=10, unit="changed copies per image", minimum=1, maximum=10_000)
RADIUS = Parameter(
    name="radius", default=0.02, unit="greatest change of a pixel, as a fraction of 255", minimum=0.004, maximum=1.0
)


def _baseline(default: str) -> Parameter:
    return Parameter(name="baseline", default=default, unit="what replaces pixels", choices=BASELINES)


METRICS: dict[str, MetricSpec] = {
    "deletion_auc": MetricSpec(
        load=f"{HERE}.perturbation:curve_areas",
        family=True,
        better="lower",
        unit="probability",
        paper="arXiv:1806.07421",
        summary="mean probability while pixels are replaced by a baseline, most salient first",
        pitfall="images with removed pixels are unlike any that the model saw, so a scattered map may score well",
        needs=("judge",),
        parameters=(STEPS, _baseline("image_mean")),
    ),
    "insertion_auc": MetricSpec(
        load=f"{HERE}.perturbation:curve_areas",
        family=True,
        better="higher",
        unit="probability",
        paper="arXiv:1806.07421",
        summary="mean probability while pixels replace a baseline, most salient first",
        pitfall="depends on how confident the model is: compare models by insertion_naopc",
        needs=("judge",),
        parameters=(STEPS, _baseline("blur")),
    ),
    "deletion_naopc": MetricSpec(
        load=f"{HERE}.naopc:deletion_naopc",
        better="higher",
        unit="share of the possible",
        paper="arXiv:2408.08137",
        summary="drop in probability when cells are removed, most salient first, relative to this image's own bounds",
        pitfall="the bounds come from a greedy search, so a value may lie slightly outside 0 to 1; cells are coarse",
        needs=("judge", "aopc_bounds"),
        parameters=(CELLS, BEAM, _baseline("image_mean")),
    ),
    "insertion_naopc": MetricSpec(
        load=f"{HERE}.naopc:insertion_naopc",
        better="higher",
        unit="share of the possible",
        paper="arXiv:2408.08137",
        summary="the same when the least salient cells are removed first: 1 keeps the probability longest",
        pitfall="the bounds come from a greedy search, so a value may lie slightly outside 0 to 1; cells are coarse",
        needs=("judge", "aopc_bounds"),
        parameters=(CELLS, BEAM, _baseline("image_mean")),
    ),
    "mu_fidelity": MetricSpec(
        load=f"{HERE}.mu_fidelity:mu_fidelity",
        better="higher",
        unit="rank correlation",
        paper="arXiv:2005.00631",
        summary="correlation between the map's mass in random subsets of cells and the drop when they are removed",
        pitfall="noisy with few subsets; near 0 for any map when no subset changes the probability",
        needs=("judge",),
        parameters=(
            Parameter(name="cells", default=9, unit="cells of the grid along each side", minimum=2, maximum=64),
            Parameter(name="subset", default=0.2, unit="fraction of the cells removed", minimum=0.001, maximum=0.999),
            Parameter(name="samples", default=64, unit="random subsets per image", minimum=3, maximum=100_000),
            _baseline("image_mean"),
        ),
    ),
    "road": MetricSpec(
        load=f"{HERE}.road:road",
        better="higher",
        unit="difference of probabilities",
        paper="arXiv:2202.00449",
        summary="probability with the least salient pixels painted over, minus that with the most salient ones",
        pitfall="painted areas are smooth: detail that repeats next to a pixel counts as unimportant",
        needs=("judge",),
        parameters=(
            Parameter(name="shares", default=4, unit="equally spaced fractions of the pixels", minimum=1, maximum=100),
        ),
    ),
    "mass_in_object": MetricSpec(
        load=f"{HERE}.localisation:mass_in_object",
        better="higher",
        unit="fraction",
        paper="arXiv:1910.09840",
        summary="fraction of the map's magnitude that lies on the object",
        pitfall="grows with the object: compare on the same images",
        needs=("mask",),
    ),
    "pointing_game_hit_rate": MetricSpec(
        load=f"{HERE}.localisation:pointing_game",
        better="higher",
        unit="fraction",
        paper="arXiv:1608.00507",
        summary="1 where the map's maximum lies on the object, else 0",
        pitfall="looks at one pixel; an object in the middle is hit by any map with a bump in the middle",
        needs=("mask",),
    ),
    "relevance_rank_accuracy": MetricSpec(
        load=f"{HERE}.localisation:relevance_rank_accuracy",
        better="higher",
        unit="fraction",
        paper="arXiv:2003.07258",
        summary="of the most salient pixels, as many as the object has, the fraction on the object",
        pitfall="a model may rightly use the surroundings of the object; grows with the object",
        needs=("mask",),
    ),
    "grid_pointing_game": MetricSpec(
        load=f"{HERE}.grid_pointing:grid_pointing_game",
        better="higher",
        unit="fraction",
        paper="arXiv:2104.00032",
        summary="fraction of the positive mass on the image's own quarter of a mosaic of four classes; chance is 0.25",
        pitfall="each quarter is a shrunken image, which the model may not recognise at all",
        needs=("explain", "pool"),
        any_map=True,
    ),
    "max_sensitivity": MetricSpec(
        load=f"{HERE}.robustness:robustness",
        family=True,
        better="lower",
        unit="share of the map's norm",
        paper="arXiv:1901.09392",
        summary="greatest change of the map over slightly changed images",
        pitfall="a map that ignores model and image is perfectly stable",
        needs=("explain",),
        parameters=(RADIUS, COPIES),
    ),
    "avg_sensitivity": MetricSpec(
        load=f"{HERE}.robustness:robustness",
        family=True,
        better="lower",
        unit="share of the map's norm",
        paper="arXiv:1901.09392",
        summary="mean change of the map over slightly changed images",
        pitfall="a map that ignores model and image is perfectly stable",
        needs=("explain",),
        parameters=(RADIUS, COPIES),
    ),
    "local_lipschitz": MetricSpec(
        load=f"{HERE}.robustness:robustness",
        family=True,
        better="lower",
        unit="share of the map's norm per unit of distance",
        paper="arXiv:1806.08049",
        summary="greatest change of the map over the distance between the images",
        pitfall="a map that ignores model and image is perfectly stable; depends on the number of pixels",
        needs=("explain",),
        parameters=(RADIUS, COPIES),
    ),
    "sparseness": MetricSpec(
        load=f"{HERE}.complexity:sparseness",
        better="higher",
        unit="Gini index",
        paper="arXiv:1810.06583",
        summary="how few pixels carry the map, 0 (all alike) to 1 (one pixel)",
        pitfall="says nothing about whether these pixels matter",
    ),
    "entropy": MetricSpec(
        load=f"{HERE}.complexity:entropy",
        better="lower",
        unit="share of the greatest entropy",
        paper="arXiv:2005.00631",
        summary="how evenly the map's magnitude is spread, 0 (one pixel) to 1 (all alike)",
        pitfall="says nothing about whether these pixels matter; nearly 1 for most maps of many pixels",
    ),
    "total_variation": MetricSpec(
        load=f"{HERE}.complexity:total_variation",
        better="lower",
        unit="share of the mean magnitude",
        paper="doi:10.1016/0167-2789(92)90242-F",
        summary="mean difference between neighbouring pixels: how scattered the map is",
        pitfall="a map enlarged from a coarse one is smooth for that reason alone",
    ),
    "blank_share": MetricSpec(
        load=f"{HERE}.blankness:blank_map",
        better="lower",
        unit="fraction",
        paper="arXiv:2106.12569",
        summary="1 for a map that shows nothing, with its cause, else 0",
        pitfall="a map may show something and still be meaningless",
        any_map=True,
    ),
}
