"""FullGrad: input gradients and bias gradients of all layers together (Srinivas & Fleuret 2019, arXiv:1905.00780).

A piecewise linear model without saturation obeys logit = sum(x * dlogit/dx) + sum over layers of (b * dlogit/db). The
biases are those of convolutions and dense layers and the shifts of batch norms. Other models are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.errors import ConfigError
from harness.keras_packages import functions_named, keras_of
from harness.maps import resize
from harness.saliency.attribution import Array, Backward, Images
from harness.saliency.engine.graph import Graph, Step
from harness.saliency.engine.rewrites.folding import is_channel_norm
from harness.saliency.engine.rewrites.relus import is_relu


def fullgrad(engine: Any, images: Images, *, combine: str = "paper") -> Array:
    """Map (N, H, W) in the geometry of the input.

    combine  "paper": each layer's contribution as absolute value, rescaled to 0...1 per image, enlarged and summed over
             channels and layers; dense biases have no place and are left out.
             "sum": signed and complete: the sum of the map is the logit; dense biases are spread evenly.
    """
    biases = {step.name: (bias, step) for step in _checked(engine).steps if (bias := _bias(step)) is not None}
    combined = _paper if combine == "paper" else _signed_sum

    def work(chunk: list[int]) -> Array:
        batch = images.take(chunk)
        backward = engine.backward(batch.pixels, batch.targets, layers=sorted(biases))
        return combined(backward, _contributions(backward, biases))

    return np.concatenate([values for _, values in engine.map(range(len(images)), work)])


def _contributions(backward: Backward, biases: dict[str, tuple[Array, Step]]) -> list[Array]:
    """Every layer's bias times its gradient: before an activation, the gradient passes where the output is positive."""
    contributions = []
    for name, (bias, step) in biases.items():
        gradients = backward.gradients[name]
        if is_relu(getattr(step.layer, "activation", None), step.layer):
            gradients = gradients * (backward.features[name] > 0)
        contributions.append(np.asarray(gradients * bias, np.float32))
    return contributions


def _paper(backward: Backward, contributions: list[Array]) -> Array:
    size = backward.images.shape[1:3]
    parts = [
        backward.images * backward.input_gradient,
        *(contribution for contribution in contributions if contribution.ndim == 4),
    ]
    return _total(resize(_rescaled(part).sum(axis=-1), size) for part in parts)


def _signed_sum(backward: Backward, contributions: list[Array]) -> Array:
    height, width = backward.images.shape[1:3]
    total = (backward.images * backward.input_gradient).sum(axis=-1)
    for contribution in contributions:
        if contribution.ndim == 4 and min(contribution.shape[1:3]) > 1:
            part = contribution.sum(axis=-1)
            large = resize(part, (height, width))
            # Enlarging does not keep a sum; what it adds or loses is spread evenly.
            total += large + (part.sum(axis=(1, 2)) - large.sum(axis=(1, 2)))[:, None, None] / (height * width)
        else:
            total += contribution.reshape(len(contribution), -1).sum(axis=1)[:, None, None] / (height * width)
    return np.asarray(total, np.float32)


def _total(parts: Any) -> Array:
    return np.asarray(sum(parts), np.float32)


def _rescaled(values: Array) -> Array:
    """Absolute values, 0...1 per image."""
    values = np.abs(values)
    values = values - values.min(axis=(1, 2, 3), keepdims=True)
    top = values.max(axis=(1, 2, 3), keepdims=True)
    return np.asarray(values / np.where(top > 0, top, 1), np.float32)


def _bias(step: Step) -> Array | None:
    """What a layer adds to a linear function of its input, per channel; None if nothing."""
    layer = step.layer
    if isinstance(layer, keras_of(layer).layers.BatchNormalization):
        spread = np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
        shift = -layer.moving_mean.numpy() / spread * (layer.gamma.numpy() if layer.scale else 1)
        return np.asarray(shift + (layer.beta.numpy() if layer.center else 0), np.float32)
    if getattr(layer, "use_bias", False):
        return np.asarray(layer.bias.numpy(), np.float32)
    return None


def _checked(engine: Any) -> Graph:
    """The graph, if all of its layers are piecewise linear and none saturates."""
    graph: Graph = engine.graph
    wrong = next((step for step in graph.steps if engine.pseudo_gradient or not _is_piecewise_linear(step)), None)
    if wrong is not None:
        kind = "quantizers" if engine.pseudo_gradient else f'layer "{wrong.name}" ({type(wrong.layer).__name__})'
        raise ConfigError(
            f'fullgrad: expected a piecewise linear model, and model "{engine.name}" has {kind}',
            hint="integrated_gradients",
        )
    return graph


def _is_piecewise_linear(step: Step) -> bool:
    keras = keras_of(step.layer)
    layers = keras.layers
    if isinstance(step.layer, layers.ReLU):
        return is_relu(step.layer, step.layer) and step.layer.max_value is None
    if isinstance(step.layer, layers.BatchNormalization):
        return is_channel_norm(step)
    activation = getattr(step.layer, "activation", None)
    if activation not in (keras.activations.linear, *functions_named(step.layer, "relu"), None):
        return activation in functions_named(step.layer, "softmax")  # the head, which the engine took off
    return isinstance(
        step.layer,
        (
            layers.Conv2D,
            layers.DepthwiseConv2D,
            layers.Dense,
            layers.Activation,
            layers.Add,
            layers.Concatenate,
            layers.ZeroPadding2D,
            layers.MaxPooling2D,
            layers.AveragePooling2D,
            layers.Softmax,
            layers.GlobalAveragePooling2D,
            layers.GlobalMaxPooling2D,
            layers.Flatten,
            layers.Reshape,
            layers.Dropout,
        ),
    )
