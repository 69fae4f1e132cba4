"""What a classifier's outputs are: the kinds, how one is told by values alone, and each class' probability by its kind.

Whoever has outputs (a Keras model's, an artifact's, a board's) makes probabilities of them here, by the kind that was
found or declared for the float model. An artifact's own outputs are no evidence: int8 probabilities sum to 0.996.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.output_evidence import TURNED, Evidence, against_all_the_same, contradiction, kind_by_values, probes

Outputs = NDArray[Any]  # floats (..., columns), as a model returns them
Probabilities = NDArray[np.floating[Any]]  # (..., classes)
ClassMap = Sequence[int] | None

PROBABILITIES = "probabilities"
LOGITS = "logits"
KINDS = {
    PROBABILITIES: "probabilities that sum to 1",
    LOGITS: "logits: a softmax makes probabilities of them",
    "probability": "one probability: of class 1, and what is left is class 0",
    "logit": "one logit: a sigmoid makes the probability of class 1 of it",
    "independent-probabilities": "a probability for each class by itself",
    "independent-logits": "a logit for each class by itself: a sigmoid makes its probability of it",
    "log-probabilities": "logarithms of probabilities that sum to 1",
    "scaled-probabilities": "probabilities times a constant",
}
ONE_COLUMN = ("probability", "logit")  # two classes: 0 is "not", 1 is "is"
INDEPENDENT = ("independent-probabilities", "independent-logits")  # any number of classes may be true of an image
THRESHOLD = 0.5  # above it a class by itself is said to be there
MOST_IMAGES = 8  # that the kind is told by: more say the same
_HARMLESS = {  # declared and found, where both are true
    (LOGITS, "log-probabilities"),
    ("independent-logits", LOGITS),
    ("scaled-probabilities", PROBABILITIES),
}


def found(
    outputs_of: Callable[[NDArray[np.float32]], Outputs],
    inputs: NDArray[np.float32],
    *,
    name: str,
    declared: str = "",
) -> str:
    """The kind of a model's outputs, a name of KINDS: told by values, on images and on probes made of them.

    outputs_of  what the model returns, (n, columns), for n float32 inputs (n, H, W, C). Never more than 8 at a time.
    inputs      (N, H, W, C) a few images of the data set as the model takes them, so after the preprocessing of its
                record: the first 8 are looked at, and one will do. The probes are black, white and noise in the range
                of these, and inputs many times outside of it, which drive logits out of 0 to 1; probabilities stay.
    name        of the model, for messages.
    declared    what the user said; it is returned unless the values contradict it.
    Raises ConfigError where the values fit no kind or more than one, and where they contradict what was declared.
    """
    if declared and declared not in KINDS:
        raise ConfigError(f'model "{name}" output: expected one of {", ".join(KINDS)}, got "{declared}"')
    evidence = _evidence(outputs_of, inputs[:MOST_IMAGES], name)
    kind, doubt = kind_by_values(evidence)
    if not declared:
        if kind:
            return kind
        raise ConfigError(
            f'model "{name}": nobody can tell what its outputs are: {evidence}, {doubt}',
            hint="the model without the minus sign at its end" if doubt == TURNED else _way_to_say(evidence),
        )
    against = contradiction(evidence.usual, declared) or contradiction(evidence.extreme, declared, sums=False)
    if not against and kind and kind != declared and (declared, kind) not in _HARMLESS:
        against = against_all_the_same(evidence, declared, kind)
    if against:
        raise ConfigError(
            f'model "{name}": output = "{declared}" is contradicted by its outputs: {evidence}, {against}',
            hint=f'output = "{kind}"' if kind else _way_to_say(evidence),
        )
    return declared


def confirmed(kind: str, outputs: Outputs, *, name: str, declared: str = "") -> str:
    """The kind that the operator at a graph's end makes, unless a person declared what is true as well.

    outputs  (N, columns) on images. Rounded probabilities need not sum to 1, so that values are asked no more.
    Raises ConfigError where outputs are not finite, and where something else was declared.
    """
    _require_finite(outputs, name)
    if declared and declared != kind and (declared, kind) not in _HARMLESS:
        raise ConfigError(
            f'model "{name}": output = "{declared}" is contradicted by its file, whose last operator makes '
            f"{KINDS[kind]}",
            hint=f'output = "{kind}"',
        )
    return declared or kind


def require(outputs: Outputs, kind: str, *, name: str, rounded: bool = False) -> None:
    """Raises ConfigError where outputs of the float model on real images contradict their kind.

    rounded  whether they may be rounded to 8 bits, so that sums say nothing.
    """
    usable = outputs[np.isfinite(outputs).all(axis=1)]  # what is not finite is said by those who show or score it
    against = contradiction(usable, kind, sums=not rounded)
    if against:
        raise ConfigError(
            f'model "{name}": its outputs are said to be {KINDS[kind]}, and {Evidence(usual=usable)}, {against}',
            hint=_way_to_say(Evidence(usual=usable)),
        )


def class_count(columns: int) -> int:
    """How many classes so many columns tell apart: one column tells two."""
    return 2 if columns == 1 else columns


def probabilities(outputs: Outputs, kind: str, class_map: ClassMap = None) -> Probabilities:
    """(..., classes) what outputs (..., columns) say of each class, 0 to 1; they sum to 1 but for independent classes.

    Probabilities stay the numbers that they are; others are computed in float64.
    class_map  the class of the model for each label: the classes are then the labels, and the others left out.
    """
    every = _PROBABILITIES[kind](outputs if kind == PROBABILITIES else np.asarray(outputs, np.float64))
    return every if class_map is None else every[..., list(class_map)]


def ranked(outputs: Outputs, kind: str, class_map: ClassMap = None) -> NDArray[np.int64]:
    """(..., classes) class numbers, the likeliest first; of equally likely ones the first. See `probabilities`."""
    values = np.asarray(outputs)  # logits order what underflows in a softmax or a sigmoid
    if kind == "logit":
        values = np.concatenate([-values, values], axis=-1)
    elif kind == "probability":
        values = probabilities(outputs, kind)
    if class_map is not None:
        values = values[..., list(class_map)]
    order: NDArray[np.int64] = np.argsort(-values, axis=-1, kind="stable")
    return order


def _evidence(outputs_of: Callable[[NDArray[np.float32]], Outputs], inputs: NDArray[np.float32], name: str) -> Evidence:
    usual, extreme = probes(inputs)
    images = _rows(outputs_of, inputs)
    _require_finite(images, name)
    others, far = (_finite(outputs_of, inputs, images.shape[1]) for inputs in (usual, extreme))
    return Evidence(usual=np.concatenate([images, others]), extreme=far)


def _require_finite(outputs: Outputs, name: str) -> None:
    if not np.isfinite(outputs).all():
        raise ConfigError(
            f'model "{name}": its outputs on images hold NaN or infinite values',
            hint="check its weights and the preprocessing of the images",
        )


def _finite(
    outputs_of: Callable[[NDArray[np.float32]], Outputs], inputs: NDArray[np.float32], columns: int
) -> NDArray[np.float64]:
    """Outputs on probes, those that are finite; none where a model looks up pixels and refuses what is no image."""
    try:
        rows = _rows(outputs_of, inputs)
    except Exception:  # whatever a layer raises
        return np.zeros((0, columns))
    return np.asarray(rows[np.isfinite(rows).all(1)])


def _rows(outputs_of: Callable[[NDArray[np.float32]], Outputs], inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    batches = [inputs[first : first + MOST_IMAGES] for first in range(0, len(inputs), MOST_IMAGES)]
    return np.concatenate([np.asarray(outputs_of(batch), np.float64) for batch in batches])


def _way_to_say(evidence: Evidence) -> str:
    fitting = [kind for kind in KINDS if not contradiction(evidence.usual, kind)]
    if evidence.stays_in_0_to_1:
        fitting = [kind for kind in fitting if "logit" not in kind and kind != "scaled-probabilities"]
    said = " or ".join(f'output = "{kind}"' for kind in fitting)
    return f"{said}, in its [[model]] table or as --output"


def _softmax(logits: Outputs) -> Probabilities:
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=-1))


def _sigmoid(logits: Outputs) -> Probabilities:
    from scipy.special import expit

    return np.asarray(expit(logits))


def _both(chance: Outputs) -> Probabilities:
    chance = np.clip(chance, 0, 1)
    return np.concatenate([1 - chance, chance], axis=-1)


def _scaled(outputs: Outputs) -> Probabilities:
    total = outputs.sum(axis=-1, keepdims=True)
    return np.divide(outputs, total, out=np.zeros_like(outputs), where=total > 0)


_PROBABILITIES: dict[str, Callable[[Outputs], Probabilities]] = {
    PROBABILITIES: np.asarray,
    LOGITS: _softmax,
    "probability": _both,
    "logit": lambda logits: np.concatenate([_sigmoid(-logits), _sigmoid(logits)], axis=-1),
    "independent-probabilities": lambda chances: np.clip(chances, 0, 1),
    "independent-logits": _sigmoid,
    "log-probabilities": _softmax,  # of exact ones it is the exponential; an artifact's are rounded
    "scaled-probabilities": _scaled,
}
assert set(_PROBABILITIES) == set(KINDS)
