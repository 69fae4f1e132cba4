"""How each twin is trained: one row of facts a twin."""

from __future__ import annotations

from dataclasses import dataclass

from harness.models.designs import DESIGNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one twin is trained. `peak_rate` is the highest learning rate; `shift` is in pixels.

    design      one of the ablation family; the twins are "float" and "binary".
    epochs      of each cycle; a second cycle is a warm restart (Loshchilov & Hutter 2017, arXiv:1608.03983).
    start_from  the twin whose weights training starts from. A binarized model that starts from its float twin finds
                small objects that it does not find from random weights (Bulat & Tzimiropoulos 2019, arXiv:1909.13863).
    images      how many of the training split; None is all.
    shuffled_labels  labels are permuted by the seed, and images are neither flipped nor shifted: to be memorised.
    least_area  the least share of its area that a random crop of an image keeps; 1 crops nothing but what is shifted.
    jitter      brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter.
    cutout      side in pixels of a square that is greyed at a random place (DeVries & Taylor 2017, arXiv:1708.04552).
    smoothing   what the labels leave to all classes alike (Szegedy et al. 2016, arXiv:1512.00567).
    teacher     the twin whose probabilities are part of the labels (Hinton et al. 2015, arXiv:1503.02531).
    taught      how large that part is.
    """

    data: str
    image_size: int
    design: str
    epochs: tuple[int, ...]
    peak_rate: float
    shift: int = 0
    start_from: str | None = None
    batch_size: int = 100
    images: int | None = None
    shuffled_labels: bool = False
    least_area: float = 1.0
    jitter: float = 0.0
    cutout: int = 0
    smoothing: float = 0.0
    teacher: str | None = None
    taught: float = 0.0

    @property
    def binarized(self) -> bool:
        return DESIGNS[self.design].weights or DESIGNS[self.design].activations


RECIPES = {
    "planted-float": Recipe(data="planted", image_size=64, design="float", epochs=(8,), peak_rate=3e-3, shift=4),
    "planted-binary": Recipe(
        data="planted",
        image_size=64,
        design="binary",
        epochs=(16, 12),
        peak_rate=2e-3,
        shift=4,
        start_from="planted-float",
    ),
    "cifar-float": Recipe(data="cifar", image_size=32, design="float", epochs=(10,), peak_rate=3e-3, shift=3),
    "cifar-binary": Recipe(data="cifar", image_size=32, design="binary", epochs=(18,), peak_rate=5e-3, shift=3),
    "photo-float": Recipe(
        data="photo",
        image_size=64,
        design="float",
        epochs=(32,),
        peak_rate=2e-3,
        batch_size=50,
        least_area=0.4,
        jitter=0.3,
        cutout=16,
        smoothing=0.1,
    ),
    "photo-binary": Recipe(
        data="photo",
        image_size=64,
        design="binary",
        epochs=(48,),
        peak_rate=2e-3,
        start_from="photo-float",
        batch_size=50,
        least_area=0.5,
        jitter=0.2,
        teacher="photo-float",
        taught=0.7,
    ),
    "planted-float-shuffled": Recipe(
        data="planted",
        image_size=64,
        design="float",
        epochs=(60,),
        peak_rate=3e-3,
        batch_size=50,
        images=1000,
        shuffled_labels=True,
    ),
    "planted-binary-shuffled": Recipe(
        data="planted",
        image_size=64,
        design="binary",
        epochs=(60,),
        peak_rate=2e-3,
        start_from="planted-float-shuffled",
        batch_size=50,
        images=1000,
        shuffled_labels=True,
    ),
    # one recipe for the whole family, without start or teacher: what differs is the design
    **{
        f"ablation-{design}": Recipe(
            data="photo",
            image_size=64,
            design=design,
            epochs=(24,),
            peak_rate=2e-3,
            batch_size=50,
            least_area=0.5,
            jitter=0.2,
        )
        for design in DESIGNS
    },
}
