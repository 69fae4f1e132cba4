"""Agreement of two maps of one image: float against deployed, twin against twin, noise level against noise level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.quality.inputs import Maps, Scores, Values
from harness.quality.metrics.localisation import top_members
from harness.registry import look_up, resolve
from harness.saliency.blank import is_blank

TOP_FRACTION = 0.1  # of the pixels: about the size of an object
WINDOW = 7  # pixels along each side of SSIM's window, as in scikit-image; narrower maps take the widest odd one


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementSpec:
    """One way to compare. `load` names a function (first (N, H, W), second (N, H, W)) -> values (N,)."""

    load: str
    better: str
    unit: str
    paper: str
    summary: str
    pitfall: str


AGREEMENTS: dict[str, AgreementSpec] = {
    "spearman": AgreementSpec(
        load="harness.quality.agreement_metrics:spearman",
        better="higher",
        unit="rank correlation",
        paper="arXiv:1810.03292",
        summary="do both maps rank the pixels in the same order, -1 (reversed) to 1 (the same)",
        pitfall="all pixels count alike, and most of them are background",
    ),
    "ssim": AgreementSpec(
        load="harness.quality.agreement_metrics:ssim",
        better="higher",
        unit="structural similarity",
        paper="doi:10.1109/TIP.2003.819861",
        summary="do both maps, each stretched to 0 … 1, look alike, window by window",
        pitfall="two maps that are flat nearly everywhere look alike, wherever their few peaks are",
    ),
    "topk_overlap": AgreementSpec(
        load="harness.quality.agreement_metrics:topk_overlap",
        better="higher",
        unit="fraction",
        paper="arXiv:1710.10547",
        summary="fraction of the most salient tenth of the pixels that both maps have in common; chance is 0.1",
        pitfall="near misses count as nothing",
    ),
}


def agree(name: str, first: Maps, second: Maps) -> Scores:
    """How far two maps of each image agree. Both (N, H, W); NaN with its reason where one is blank or not finite."""
    spec = look_up(AGREEMENTS, name, where="agreement", what="way to compare maps")
    if first.shape != second.shape:
        raise ConfigError(f"agreement: expected maps of the same shape, got {first.shape} and {second.shape}")
    reasons = [_reason(first[i], "first") or _reason(second[i], "second") for i in range(len(first))]
    values, usable = np.full(len(first), np.nan), np.flatnonzero([not reason for reason in reasons])
    if len(usable):
        values[usable] = resolve(spec.load)(first[usable], second[usable])
    return Scores(values=values, reasons=tuple(reasons))


def spearman(first: NDArray[Any], second: NDArray[Any]) -> Values:
    """Rank correlation, ties at their mean rank."""
    from scipy.stats import rankdata

    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [values - values.mean(1, keepdims=True) for values in ranks]
    values: Values = (centred[0] * centred[1]).sum(1) / np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    return values


def ssim(first: Maps, second: Maps) -> Values:
    """Structural similarity (Wang et al. 2004) with a square window and sample covariances, as scikit-image has it."""
    return np.array([_ssim(_stretched(one), _stretched(other)) for one, other in zip(first, second)])


def topk_overlap(first: Maps, second: Maps) -> Values:
    """Fraction of the most salient tenth that both have (Ghorbani et al. 2019); tied pixels count in part."""
    count = max(1, round(TOP_FRACTION * first[0].size))
    return np.array(
        [
            np.minimum(top_members(one, count), top_members(other, count)).sum() / count
            for one, other in zip(first, second)
        ]
    )


def _ssim(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    from scipy.ndimage import uniform_filter

    side = min(WINDOW, *one.shape)
    side -= 1 - side % 2  # odd, so that a window has a centre
    unbiased = side**2 / max(1, side**2 - 1)
    small = (0.01**2, 0.03**2)  # Wang's constants for values in 0 … 1
    means = [uniform_filter(image, side) for image in (one, other)]
    variances = [unbiased * (uniform_filter(image**2, side) - mean**2) for image, mean in zip((one, other), means)]
    covariance = unbiased * (uniform_filter(one * other, side) - means[0] * means[1])
    similar = (2 * means[0] * means[1] + small[0]) * (2 * covariance + small[1])
    similar /= (means[0] ** 2 + means[1] ** 2 + small[0]) * (variances[0] + variances[1] + small[1])
    edge = side // 2  # windows that reach over the border are left out
    return float(similar[edge : one.shape[0] - edge, edge : one.shape[1] - edge].mean())


def _stretched(saliency_map: Maps) -> NDArray[np.float64]:
    values = saliency_map.astype(np.float64)
    stretched: NDArray[np.float64] = (values - values.min()) / np.ptp(values)
    return stretched


def _reason(saliency_map: Maps, which: str) -> str:
    if not np.isfinite(saliency_map).all():
        return f"the {which} map holds NaN or infinite values"
    return f"the {which} map is blank" if is_blank(saliency_map[None])[0] else ""
