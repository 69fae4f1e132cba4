"""One small model for each construct that the rewriting of flatbuffers meets, and what its artifact must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.converters.rewriting.small_models import (
    above_a_quarter,
    at_least_zero,
    below_a_quarter,
    below_zero,
    binary,
    chain,
    concatenated_signs,
    concatenation_before_the_sign,
    conv,
    convolution_read_twice,
    dense,
    depthwise,
    keras,
    magnitude,
    norm,
    pool_read_twice,
    quant,
    random_bias,
    residual_with_relu,
    separable,
    sign,
    sign_for_floats_too,
    two_convolutions_of_one_sign,
    with_gammas,
)

LEAVES_IT = "it leaves a convolution in floats"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model and what its artifact must hold.

    binary  how many LceBconv2d; bits how many of them write bits.
    others  further operators of LCE, and builtin ones that tell whether something was folded.
    as_lce  "" or what LCE's converter does instead, so that its operators are others.
    """

    build: Callable[[], Any]
    binary: int
    bits: int = 0
    others: dict[str, int]
    as_lce: str = ""


CASES: dict[str, Case] = {
    # --------------------------------------------------------------------------------------------- bits and padding
    "chain of bits": Case(
        build=lambda: chain(conv(), norm(), conv(48), norm(), conv(5), norm()), binary=3, bits=2, others={}
    ),
    "chain of bits with activations": Case(
        build=lambda: chain(conv(), keras().ReLU(), norm(), conv(48), keras().ReLU(6.0), norm(), conv(5), norm()),
        binary=3, bits=2, others={"RELU": 0, "RELU6": 0},
    ),
    "zero padding": Case(
        build=lambda: chain(conv(pad_values=0), norm(), conv(pad_values=0), norm()), binary=2, others={"LceQuantize": 2}
    ),
    "zero padding and relu": Case(
        build=lambda: chain(conv(pad_values=0), keras().ReLU(), norm(), conv(pad_values=0), norm()),
        binary=2, others={"RELU": 1, "MUL": 1, "ADD": 1},
    ),
    "valid, then strides": Case(
        build=lambda: chain(conv(padding="valid", strides=2), norm(), conv(strides=2), norm()), binary=2, bits=1,
        others={"PADV2": 0},
    ),
    "strides on odd sizes": Case(
        build=lambda: chain(conv(strides=2), norm(), conv(kernel=5, strides=2), norm(), size=11), binary=2, bits=1,
        others={"PADV2": 0},
    ),
    "zero padding with strides": Case(
        build=lambda: chain(conv(strides=2, pad_values=0), norm(), conv(kernel=5, strides=(2, 1), pad_values=0)),
        binary=2, others={"PAD": 0},
    ),
    "dilation": Case(build=lambda: chain(conv(dilation_rate=2), norm()), binary=1, others={"PADV2": 0}),
    "dilation with zero padding": Case(build=lambda: chain(conv(dilation_rate=2, pad_values=0)), binary=1, others={}),
    "map of one pixel": Case(
        build=lambda: chain(conv(kernel=1), norm(), conv(padding="valid"), norm(), size=3), binary=2, bits=1, others={}
    ),
    "one pixel with one padding": Case(build=lambda: chain(conv(), norm(), size=1), binary=1, others={}),
    "padding before the sign": Case(
        build=lambda: chain(keras().ZeroPadding2D(1), conv(padding="valid"), norm()), binary=1, others={"PAD": 1}
    ),
    "padding behind the sign": Case(
        build=lambda: chain(sign(), keras().ZeroPadding2D(1), conv(padding="valid", input_quantizer=None), norm()),
        binary=1, others={"PAD": 0}, as_lce=LEAVES_IT,
    ),
    # ------------------------------------------------------------------------------------------ channels and groups
    "few channels": Case(
        build=lambda: chain(conv(7, 1), norm(), conv(40, 3), norm(), channels=5), binary=2, bits=1, others={}
    ),
    "odd channels": Case(
        build=lambda: chain(conv(33), norm(), conv(65), norm(), channels=31), binary=2, bits=1, others={}
    ),
    "two groups": Case(build=lambda: chain(conv(64, groups=2), norm(), channels=64), binary=1, others={}),
    "two groups write bits": Case(
        build=lambda: chain(conv(64, groups=2), norm(), conv(), norm(), channels=64), binary=2, bits=1, others={}
    ),
    "groups of eight channels": Case(build=lambda: chain(conv(groups=4), norm()), binary=0, others={"CONV_2D": 1}),
    # ---------------------------------------------------------------------------------------------------- max pools
    "pool behind a convolution": Case(
        build=lambda: chain(conv(), norm(), keras().MaxPooling2D(), conv(), norm()),
        binary=2, bits=1, others={"LceBMaxPool2d": 1, "MAX_POOL_2D": 0},
    ),
    "pool, then norm": Case(
        build=lambda: chain(conv(), keras().MaxPooling2D(3, 2, "same"), norm(), conv(), norm()),
        binary=2, others={"MAX_POOL_2D": 1},
    ),
    "pool of the input": Case(
        build=lambda: chain(keras().MaxPooling2D(3, 2, "same"), conv(), norm()), binary=1, others={"LceBMaxPool2d": 1}
    ),
    "pool read twice": Case(build=pool_read_twice, binary=2, others={"MAX_POOL_2D": 1}),
    # --------------------------------------------------------------------------------------------------- quantizers
    "magnitude-aware sign": Case(
        build=lambda: chain(
            conv(kernel_quantizer=magnitude()), norm(), conv(kernel_quantizer="magnitude_aware_sign", pad_values=0)
        ),
        binary=2, bits=1, others={},
    ),
    "approx_sign and swish_sign": Case(
        build=lambda: chain(conv(input_quantizer="approx_sign"), norm(), conv(input_quantizer="swish_sign"), norm()),
        binary=2, bits=1, others={},
    ),
    "where above a threshold": Case(
        build=lambda: chain(conv(input_quantizer=above_a_quarter), norm()), binary=1, others={"GREATER": 1}
    ),
    "where at least zero": Case(
        build=lambda: chain(conv(input_quantizer=at_least_zero), norm()), binary=1, others={"GREATER_EQUAL": 0}
    ),
    "where below zero": Case(
        build=lambda: chain(conv(input_quantizer=below_zero), norm()), binary=1, others={"LESS": 0}
    ),
    "where below a threshold": Case(
        build=lambda: chain(conv(input_quantizer=below_a_quarter), norm()), binary=1, others={"LOGICAL_NOT": 1},
        as_lce="it subtracts the threshold",
    ),
    "zeros and ones": Case(build=lambda: chain(conv(input_quantizer="ste_heaviside"), norm()), binary=0, others={}),
    "two bits": Case(build=lambda: chain(conv(input_quantizer="dorefa_quantizer"), norm()), binary=0, others={}),
    "ternary kernel": Case(
        build=lambda: chain(conv(kernel_quantizer="ste_tern"), norm()), binary=0, others={"LceDequantize": 1}
    ),
    "float input, binary kernel": Case(
        build=lambda: chain(conv(input_quantizer=None), norm(), conv(), norm(), channels=3),
        binary=1, others={"CONV_2D": 1},
    ),
    # --------------------------------------------------------------------------- what stands behind the convolution
    "gamma zero": Case(
        build=lambda: with_gammas(chain(conv(), norm(), conv(), norm()), [0, 0, 0]), binary=2, bits=1, others={}
    ),
    "gamma zero behind relu": Case(
        build=lambda: with_gammas(chain(conv(), keras().ReLU(), norm(), conv(), norm()), [0, -1, 1]),
        binary=2, bits=1, others={},
    ),
    "all gammas negative": Case(
        build=lambda: with_gammas(chain(conv(), norm(), conv(), norm()), [-1.0] * 32), binary=2, bits=1, others={}
    ),
    "bias and relu": Case(
        build=lambda: chain(conv(**random_bias()), keras().ReLU(), norm()), binary=1, others={"RELU": 1}
    ),
    "norm, then relu": Case(build=lambda: chain(conv(), norm(), keras().ReLU()), binary=1, others={"RELU": 1}),
    "relu6 behind a scaled kernel": Case(
        build=lambda: chain(conv(kernel_quantizer=magnitude()), keras().ReLU(6.0), norm()),
        binary=1, others={"RELU6": 1},
    ),
    "PReLU": Case(
        build=lambda: chain(conv(), norm(), keras().PReLU("random_normal", shared_axes=[1, 2]), conv(), norm()),
        binary=2, others={"PRELU": 1},
    ),
    "hard tanh": Case(
        build=lambda: chain(conv(), keras().Activation("hard_tanh"), norm(), conv(), norm()),
        binary=2, bits=1, others={},
    ),
    # ---------------------------------------------------------------------------------------------- several readers
    "residual with relu": Case(build=residual_with_relu, binary=2, others={"ADD": 2}),
    "two convolutions of one sign": Case(build=two_convolutions_of_one_sign, binary=2, others={"LceQuantize": 1}),
    "sign for floats too": Case(
        build=sign_for_floats_too, binary=1, others={"LceQuantize": 1, "LceDequantize": 1, "CONV_2D": 1}
    ),
    "convolution read twice": Case(build=convolution_read_twice, binary=2, others={"MUL": 1}),
    "concatenated signs": Case(build=concatenated_signs, binary=2, bits=1, others={}, as_lce=LEAVES_IT),
    "concatenation before the sign": Case(build=concatenation_before_the_sign, binary=2, others={"CONCATENATION": 1}),
    # ---------------------------------------------------------------------------------------- other kinds of layers
    "dense": Case(
        build=lambda: chain(conv(), norm(), keras().Flatten(), dense(10), norm()),
        binary=1, others={"FULLY_CONNECTED": 1, "LceDequantize": 1},
    ),
    "dense first": Case(
        build=lambda: chain(keras().Flatten(), norm(), dense(33), norm(), dense(7), norm()),
        binary=0, others={"FULLY_CONNECTED": 2},
    ),
    "depthwise": Case(build=lambda: chain(depthwise(), norm()), binary=0, others={"DEPTHWISE_CONV_2D": 1}),
    "separable": Case(build=lambda: chain(separable(), norm()), binary=0, others={}),
    "one dimension": Case(
        build=lambda: chain(
            keras().Reshape((144, 32)),
            quant("QuantConv1D", 16, 3, **binary("kernel"), padding="same", pad_values=1),
            norm(),
        ),
        binary=1, others={}, as_lce=LEAVES_IT,
    ),
    "transposed": Case(
        build=lambda: chain(quant("QuantConv2DTranspose", 16, 3, **binary("kernel"), padding="same"), norm()),
        binary=0, others={"TRANSPOSE_CONV": 1},
    ),
    "sign as a layer": Case(build=lambda: chain(sign(), conv(input_quantizer=None), norm()), binary=1, others={}),
}  # fmt: skip
