"""The table of methods: what exists, from which paper, what it costs and which parameters it takes. No TensorFlow.

Adding a method is a module, a line here, a line in docs/saliency.md and a test. Two shapes exist:
one pass     `method(backward: Backward, **parameters) -> (N, H, W, C) or (N, h, w)`: all it needs comes from one
             forward and one backward pass, which several methods share; `needs` says which parts.
many passes  `method(engine, images: Images, **parameters)`: asks the engine for as many passes as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import ConfigError, nearest
from harness.parameters import Parameter, complete_parameters
from harness.saliency.engine.estimators import STE_CHOICES
from harness.saliency.methods.spec import MethodSpec

STE = Parameter(
    name="ste", default="own", unit="straight-through estimator of activation quantizers", choices=STE_CHOICES
)
LAYER = Parameter(
    name="layer",
    default="last_activation",
    unit="layer name, see `bitlens list layers MODEL`, last_activation, last_convolution, or a fraction of the way "
    "such as 50%",
    # Maps that were stored by the word "default" are of the last convolution: no new one is taken for one of these.
    aliases=(("default", "last_activation"),),
)
RELU = Parameter(name="relu", default=True, unit="drop negative values of the map")
INVERT = Parameter(
    name="invert", default=False, unit="flip the weights' signs: a map of the evidence against the class"
)
SAMPLES = Parameter(name="samples", default=25, unit="noisy copies per image", minimum=1, maximum=100_000)
NOISE_LEVEL = Parameter(
    name="noise_level", default=0.15, unit="sigma / (max - min) of each image, dimensionless", minimum=0.0, maximum=10.0
)
ONE_PASS_BASES = (
    "gradient",
    "input_times_gradient",
    "guided_backprop",
    "gradcam",
    "gradcam_plus_plus",
    "layercam",
    "hirescam",
)
BASE = Parameter(name="base", default="gradient", unit="method applied to each copy", choices=ONE_PASS_BASES)
BASELINE = Parameter(
    name="baseline",
    default="zero",
    unit="what an image is compared with, preprocessed units",
    choices=("zero", "minimum", "maximum", "channel_mean"),
)
OUTPUT = Parameter(
    name="output", default="score", unit="the class's probability, or its logit", choices=("score", "logit")
)
HERE = "harness.saliency.methods"
NOISY = (NOISE_LEVEL, SAMPLES, BASE)

METHODS: dict[str, MethodSpec] = {
    "gradient": MethodSpec(
        load=f"{HERE}.gradient:gradient",
        paper="arXiv:1312.6034",
        about="derivative of the class logit by every input value",
        signed=True,
        forward_passes="1",
        backward_passes="1",
        needs=("input",),
        parameters=(STE,),
    ),
    "input_times_gradient": MethodSpec(
        load=f"{HERE}.input_times_gradient:input_times_gradient",
        paper="arXiv:1605.01713",
        about="first-order part of every input value in the logit",
        signed=True,
        forward_passes="1",
        backward_passes="1",
        channels="sum",
        needs=("input",),
        parameters=(STE,),
    ),
    "smoothgrad": MethodSpec(
        load=f"{HERE}.smoothgrad:smoothgrad",
        paper="arXiv:1706.03825",
        about="mean of a base method over noisy copies",
        signed=True,
        forward_passes="samples",
        backward_passes="samples",
        randomised=True,
        parameters=NOISY,
    ),
    "smoothgrad_squared": MethodSpec(
        load=f"{HERE}.smoothgrad_squared:smoothgrad_squared",
        paper="arXiv:1806.10758",
        about="mean square of a base method over noisy copies",
        signed=False,
        forward_passes="samples",
        backward_passes="samples",
        randomised=True,
        parameters=NOISY,
    ),
    "vargrad": MethodSpec(
        load=f"{HERE}.vargrad:vargrad",
        paper="arXiv:1810.03307",
        about="variance of a base method over noisy copies",
        signed=False,
        forward_passes="samples",
        backward_passes="samples",
        randomised=True,
        parameters=NOISY,
    ),
    "integrated_gradients": MethodSpec(
        load=f"{HERE}.integrated_gradients:integrated_gradients",
        paper="arXiv:1703.01365",
        about="gradient averaged on the way from a baseline, times the way",
        signed=True,
        forward_passes="steps",
        backward_passes="steps",
        channels="sum",
        parameters=(
            Parameter(name="steps", default=50, unit="points of the integral", minimum=1, maximum=1000),
            BASELINE,
            STE,
        ),
    ),
    "guided_backprop": MethodSpec(
        load=f"{HERE}.guided_backprop:guided_backprop",
        paper="arXiv:1412.6806",
        about="gradient of which only positive parts pass a ReLU",
        signed=True,
        forward_passes="1",
        backward_passes="1",
        needs=("input",),
        relu="guided",
        parameters=(STE,),
        caveat="fails the parameter-randomisation sanity check (arXiv:1810.03292): it shows edges of the image more "
        "than what the model does",
    ),
    "gradcam": MethodSpec(
        load=f"{HERE}.gradcam:gradcam",
        paper="arXiv:1610.02391",
        about="feature maps weighted by their mean gradient",
        signed=False,
        forward_passes="1",
        backward_passes="1",
        channels="",
        needs=("layer",),
        parameters=(LAYER, RELU, INVERT, STE),
    ),
    "gradcam_plus_plus": MethodSpec(
        load=f"{HERE}.gradcam_plus_plus:gradcam_plus_plus",
        paper="arXiv:1710.11063",
        about="feature maps weighted by where their gradients are positive",
        signed=False,
        forward_passes="1",
        backward_passes="1",
        channels="",
        needs=("layer",),
        parameters=(
            LAYER,
            RELU,
            Parameter(name="normalize_alpha", default=False, unit="as the authors' code and tf-keras-vis do"),
            STE,
        ),
    ),
    "layercam": MethodSpec(
        load=f"{HERE}.layercam:layercam",
        paper="doi:10.1109/TIP.2021.3089943",
        about="every feature weighted by its own positive gradient",
        signed=False,
        forward_passes="1",
        backward_passes="1",
        channels="",
        needs=("layer",),
        parameters=(LAYER, RELU, STE),
    ),
    "hirescam": MethodSpec(
        load=f"{HERE}.hirescam:hirescam",
        paper="arXiv:2011.08891",
        about="every feature weighted by its own gradient",
        signed=False,
        forward_passes="1",
        backward_passes="1",
        channels="",
        needs=("layer",),
        parameters=(LAYER, RELU, STE),
    ),
    "scorecam": MethodSpec(
        load=f"{HERE}.scorecam:scorecam",
        paper="arXiv:1910.01279",
        about="feature maps weighted by the logit each leaves as a mask",
        signed=False,
        forward_passes="1 + channels of the layer, or max_channels",
        backward_passes="0",
        channels="",
        parameters=(
            LAYER,
            Parameter(
                name="max_channels",
                default=0,
                unit="channels used, most varied first; 0 = all",
                minimum=0,
                maximum=100_000,
            ),
            RELU,
        ),
    ),
    "fullgrad": MethodSpec(
        load=f"{HERE}.fullgrad:fullgrad",
        paper="arXiv:1905.00780",
        about="input and bias gradients of all layers; for piecewise linear models",
        signed=False,
        forward_passes="1",
        backward_passes="1",
        channels="",
        parameters=(
            Parameter(
                name="combine",
                default="paper",
                unit='absolute and rescaled, or a signed "sum"',
                choices=("paper", "sum"),
            ),
        ),
    ),
    "occlusion": MethodSpec(
        load=f"{HERE}.occlusion:occlusion",
        paper="arXiv:1311.2901",
        about="fall of the score when a window is covered",
        signed=True,
        forward_passes="1 + windows",
        backward_passes="0",
        channels="",
        parameters=(
            Parameter(
                name="window", default=0.2, unit="fraction of the image's shorter side", minimum=0.001, maximum=1.0
            ),
            Parameter(
                name="stride", default=0.1, unit="fraction of the image's shorter side", minimum=0.001, maximum=1.0
            ),
            BASELINE,
            OUTPUT,
        ),
    ),
    "rise": MethodSpec(
        load=f"{HERE}.rise:rise",
        paper="arXiv:1806.07421",
        about="random masks weighted by the score each leaves",
        signed=False,
        forward_passes="masks",
        backward_passes="0",
        channels="",
        randomised=True,
        parameters=(
            Parameter(name="masks", default=1000, unit="random masks per image", minimum=1, maximum=100_000),
            Parameter(name="cells", default=7, unit="cells of a mask along each side", minimum=1, maximum=64),
            Parameter(name="keep", default=0.5, unit="probability that a cell is kept", minimum=0.001, maximum=1.0),
            BASELINE,
            OUTPUT,
        ),
    ),
    "finite_differences": MethodSpec(
        load=f"{HERE}.finite_differences:finite_differences",
        paper="arXiv:1708.03999",
        about="change of the score when a cell is raised and lowered",
        signed=True,
        forward_passes="2 * grid * grid",
        backward_passes="0",
        parameters=(
            Parameter(name="grid", default=14, unit="cells of a grid along each side", minimum=1, maximum=64),
            Parameter(
                name="step",
                default=0.1,
                unit="change of a value up and down / (max - min) of each image, dimensionless",
                minimum=0.00001,
                maximum=1.0,
            ),
            OUTPUT,
        ),
    ),
}


def method_spec(name: str) -> MethodSpec:
    """The spec of a method; an unknown name gets the nearest known one as a hint."""
    if name not in METHODS:
        raise ConfigError(f'"{name}" is not a saliency method', hint=nearest(name, METHODS))
    return METHODS[name]


def parameters_of(name: str, given: Mapping[str, Any], *, where: str = "") -> dict[str, bool | int | float | str]:
    """All parameters of a method: those given, checked, and the defaults of the others.

    where  what the error message begins with, such as `experiment.toml [saliency]`; the method's name if empty.
    """
    known = {parameter.name: parameter for parameter in method_spec(name).parameters}
    if "base" in known:  # a method over another one takes the other one's parameters too
        base = known["base"].check(given.get("base", known["base"].default), where=where or name)
        known.update({parameter.name: parameter for parameter in method_spec(str(base)).parameters})
    return complete_parameters(name, known, given, where=where or name)
