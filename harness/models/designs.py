"""The ablation family of the twins: one part of the design changed at a time.

What a part contributes is the difference to "binary", which is the binarized twin. Parts that a float model has too,
such as the shortcut, are changed in a float model as well ("float-no-shortcut"), so that binarization and the part can
be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BLOCKS = ("all", "first", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The parts of the twins' architecture. The defaults are those of the binarized twin.

    weights, activations  whether those of the blocks are binarized.
    blocks      which blocks that concerns: "all", the "first" stage's or the "last" stage's.
    shortcut    whether each convolution's input is added to its output.
    relu        whether a ReLU follows each convolution.
    norm_first  whether the batch norm stands before the sign instead of after the ReLU.
    scaled      whether binarized kernels keep the mean magnitude of each filter (Rastegari et al. 2016,
                arXiv:1603.05279). Their pseudo-gradient is then Larq's for such kernels, whatever the estimator.
    estimator   the pseudo-gradient of the sign in training, by Larq's name.
    """

    weights: bool = True
    activations: bool = True
    blocks: str = "all"
    shortcut: bool = True
    relu: bool = True
    norm_first: bool = False
    scaled: bool = False
    estimator: str = "ste_sign"

    def __post_init__(self) -> None:
        if self.blocks not in BLOCKS:
            raise ValueError(f"blocks: expected one of {', '.join(BLOCKS)}, got {self.blocks!r}")

    def is_binarized(self, stage: int, stages: int) -> bool:
        """Whether a stage, counted from 0, is one of the blocks that this design binarizes."""
        return {"all": True, "first": stage == 0, "last": stage == stages - 1}[self.blocks]

    @property
    def input_quantizer(self) -> str | None:
        return self.estimator if self.activations else None

    @property
    def kernel_quantizer(self) -> str | None:
        if not self.weights:
            return None
        return "magnitude_aware_sign" if self.scaled else self.estimator


BINARY = Design()
FLOAT = Design(weights=False, activations=False)
DESIGNS = {
    "float": FLOAT,
    "binary": BINARY,
    "weights-only": Design(activations=False),
    "activations-only": Design(weights=False),
    "first-blocks": Design(blocks="first"),
    "last-blocks": Design(blocks="last"),
    "scaled": Design(scaled=True),
    "approx-sign": Design(estimator="approx_sign"),
    "swish-sign": Design(estimator="swish_sign"),
    "no-shortcut": replace(BINARY, shortcut=False),
    "no-relu": replace(BINARY, relu=False),
    "norm-first": replace(BINARY, norm_first=True),
    "norm-first-no-shortcut": replace(BINARY, norm_first=True, shortcut=False),
    "float-no-shortcut": replace(FLOAT, shortcut=False),
    "float-no-relu": replace(FLOAT, relu=False),
    "float-norm-first": replace(FLOAT, norm_first=True),
}
