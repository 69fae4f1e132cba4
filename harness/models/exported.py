"""A SavedModel folder that holds a graph and no Keras layers: what `model.export` and `tf.saved_model.save` write.

It is a function from images to scores. That is all that conversion, accuracy and methods of forward passes ask for; the
gradient engine asks for layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.refusals import operations, random_operation
from harness.errors import ConfigError, one_line
from harness.models.refusals import words
from harness.outputs import probabilities
from harness.saliency.attribution import Array
from harness.saliency.methods.scorer import FunctionScorer

SIGNATURES = ("serving_default", "serve")  # what is called where a folder has several: Keras writes both, alike


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """One signature of a folder, called as a Keras model is: images (N, H, W, C) to scores (N, classes).

    inputs, outputs  specs of its tensors; a size of None is any size.
    loaded           the folder, which keeps the variables alive that the signature reads.
    """

    name: str
    signature: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    loaded: Any

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return tuple(self.inputs[0].shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        return tuple(self.outputs[0].shape)

    @property
    def why_no_layers(self) -> str:
        """What whoever asks for layers is told."""
        return (
            f'the folder of model "{self.name}" holds a graph, and no Keras layers to take features or gradients from, '
            'as a file of `model.save("model.keras")` does'
        )

    def __call__(self, images: Any, *, training: bool = False) -> Any:
        """Scores. A signature is a model at inference: there is no other mode."""
        import tensorflow as tf

        images = tf.convert_to_tensor(images, tf.float32)
        [(argument, spec)] = self.signature.structured_input_signature[1].items()
        if spec.shape[0] in (None, images.shape[0]):
            return self._scores(argument, images)
        return tf.map_fn(lambda image: self._scores(argument, image[None])[0], images)  # it takes one at a time

    def scorer(self, output: str) -> FunctionScorer:
        """What methods of forward passes ask: probabilities, by what its outputs are."""

        def scores(images: Array) -> Array:
            return np.asarray(probabilities(np.asarray(self(images)), output), np.float32)

        return FunctionScorer(scores, only_scores=self.why_no_layers)

    def of_size(self, shape: tuple[int, int, int]) -> ExportedModel:
        """The same function, of images of this size alone."""
        import tensorflow as tf

        return replace(self, inputs=(tf.TensorSpec((None, *shape), self.inputs[0].dtype),))

    def _scores(self, argument: str, images: Any) -> Any:
        [scores] = self.signature(**{argument: images}).values()
        return scores


def read_exported(name: str, folder: Path, examined: Path) -> ExportedModel:
    """The model in a SavedModel folder, read from what was examined of it.

    Raises ConfigError for one that is damaged, or whose scores mean nothing.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(examined))
    except Exception as error:  # protobuf, OSError and TensorFlow's own
        raise ConfigError(
            f'model "{name}": "{folder}" could not be read as a SavedModel ({words(one_line(error), limit=210)})',
            hint="the whole folder as `model.export` wrote it",
        ) from error
    signature = _signature(name, folder, dict(loaded.signatures))
    inputs = tuple(signature.structured_input_signature[1].values())
    outputs = tuple(signature.structured_outputs.values())
    if any(spec.shape.rank is None for spec in (*inputs, *outputs)):
        raise ConfigError(
            f'model "{name}": the signature of "{folder}" leaves the dimensions of its tensors open',
            hint="export it with an input signature (None, height, width, channels)",
        )
    _check_operations(name, folder, signature)
    return ExportedModel(name=name, signature=signature, inputs=inputs, outputs=outputs, loaded=loaded)


def _signature(name: str, folder: Path, signatures: dict[str, Any]) -> Any:
    """The signature of a known name, or the only one."""
    known = [signatures[key] for key in SIGNATURES if key in signatures]
    if not known and len(signatures) != 1:
        raise ConfigError(
            f'model "{name}": expected a signature "{SIGNATURES[0]}" in the SavedModel "{folder}", '
            f"got {', '.join(map(words, signatures)) or 'none'}",
            hint="`model.export` of a Keras model writes one",
        )
    return known[0] if known else next(iter(signatures.values()))


def _check_operations(name: str, folder: Path, signature: Any) -> None:
    random = random_operation(signature.graph)
    if random is not None:
        raise ConfigError(
            f'model "{name}": the graph in "{folder}" draws random numbers ({random.op}), so that an image has no '
            "scores of its own: `model.export` of Keras 3 keeps layers such as RandomFlip at work",
            hint='`model.save("model.keras")`, or an export without these layers',
        )
    by_batch = [node for node in operations(signature.graph) if _takes_batch_statistics(node)]
    if by_batch:
        raise ConfigError(
            f'model "{name}": the graph in "{folder}" normalises by the statistics of a batch '
            f"({words(by_batch[0].name)}, called with training=True), so an image alone does not determine its scores",
            hint='`model.save("model.keras")`, of which each image is normalised by its own',
        )


def _takes_batch_statistics(node: Any) -> bool:
    return node.op.startswith("FusedBatchNorm") and "Grad" not in node.op and node.attr["is_training"].b
