"""Rows that TensorFlow's converter makes of tiny functions: the operators and the forms that strangers' files have."""

from __future__ import annotations

from typing import Any

from tests.flatbuffers.converting import by_module, of, of_layers
from tests.flatbuffers.converting import ones as _ones
from tests.flatbuffers.converting import tensorflow as _tf
from tests.flatbuffers.table import Row


# ------------------------------------------------------------------------------------ families of operators
def elementwise(x: Any) -> Any:
    tf = _tf()
    y = tf.abs(x) + tf.exp(x) * tf.sin(x) - tf.cos(x) / (tf.sqrt(tf.abs(x)) + 1)
    y = tf.maximum(tf.nn.relu(y), tf.nn.relu6(x)) + tf.nn.leaky_relu(x) + tf.nn.elu(x) + tf.tanh(x) + tf.sigmoid(x)
    y += (
        tf.floor(x)
        + tf.math.ceil(x)
        + tf.round(x)
        + tf.math.rsqrt(tf.abs(x) + 1)
        + tf.square(x)
        + tf.pow(tf.abs(x), 2.5)
    )
    y = tf.where(tf.logical_and(x > 0, y < 1), y, -x)
    return tf.math.squared_difference(tf.minimum(y, 3.0), tf.math.log(tf.abs(x) + 1)) + tf.math.floormod(x, 2.0)


def reductions(x: Any) -> Any:
    tf = _tf()
    parts = [f(x, axis=1) for f in (tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min, tf.reduce_prod)]
    best = tf.cast(tf.argmax(x, 1) + tf.argmin(x, 1), tf.float32)
    return tf.add_n([*parts, best, tf.math.top_k(x, 2).values[:, 0], tf.cumsum(x, 1)[:, 0]])


def shapes_changed(x: Any) -> Any:
    tf = _tf()
    y = tf.concat([x, x], 2)
    y = tf.pad(tf.transpose(y, (0, 2, 1)), [[0, 0], [1, 1], [0, 0]])
    y = tf.stack(tf.unstack(y, axis=1)[:4], axis=1)
    first, second = tf.split(tf.tile(y, (1, 1, 2)), 2, axis=2)
    y = tf.reverse(first + second, [1])[:, ::2]
    return tf.squeeze(tf.expand_dims(tf.one_hot(tf.cast(y[..., 0], tf.int32), 5), 1), 1)


def picked(x: Any, ids: Any) -> Any:
    tf = _tf()
    y = tf.gather(x, ids) + tf.gather_nd(x, tf.stack([ids, ids], 1))[:, None]
    return tf.scatter_nd(ids[:, None], y, (4, 6)) + tf.math.segment_sum(x, tf.constant([0, 1, 2, 3]))


def resized(x: Any) -> Any:
    tf = _tf()
    y = tf.image.resize(x, (8, 8)) + tf.image.resize(x, (8, 8), "nearest")
    return tf.nn.depth_to_space(
        tf.nn.space_to_depth(tf.nn.max_pool2d(y, 2, 2, "SAME") + tf.nn.avg_pool2d(y, 2, 2, "SAME"), 2), 2
    )


def normalized(x: Any) -> Any:
    tf = _tf()
    return tf.nn.softmax(x) + tf.nn.log_softmax(x) + tf.nn.l2_normalize(x, -1) + tf.nn.lrn(x)


def boxes(box: Any, score: Any) -> Any:
    return _tf().raw_ops.NonMaxSuppressionV4(
        boxes=box, scores=score, max_output_size=4, iou_threshold=0.5, score_threshold=0.0, pad_to_max_output_size=True
    )


def counted_loop(x: Any) -> Any:
    tf = _tf()
    return tf.while_loop(lambda i, _: i < 5, lambda i, y: (i + 1, y @ tf.constant(_ones(6, 6))), (0, x))[1]


def endless_loop(x: Any) -> Any:
    tf = _tf()
    return tf.while_loop(lambda y: tf.reduce_sum(y) < 1000.0, lambda y: (y @ tf.constant(_ones(6, 6)) + 1.0,), (x,))


def either(x: Any, yes: Any) -> Any:
    tf = _tf()
    return tf.cond(
        yes, lambda: x @ tf.constant(_ones(6, 9)) @ tf.constant(_ones(9, 4)), lambda: x @ tf.constant(_ones(6, 4))
    )


def convolved(x: Any) -> Any:
    return _tf().nn.conv2d(x, _ones(3, 3, 2, 4), 2, "SAME")


def counter(tf: Any) -> Any:
    module = tf.Module()
    module.state = tf.Variable(tf.zeros((1, 4)))

    @tf.function(input_signature=[tf.TensorSpec((1, 6))])
    def step(x: Any) -> Any:
        module.state.assign_add(x @ tf.constant(_ones(6, 4)))
        return {"state": module.state.read_value()}

    module.step = step
    return module, {"serving_default": step}


def two_ways(tf: Any) -> Any:
    module = tf.Module()
    module.weights = tf.constant(_ones(6, 4))
    encode = tf.function(lambda x: {"code": x @ module.weights}, input_signature=[tf.TensorSpec((1, 6), name="x")])
    decode = tf.function(
        lambda code: {"x": code @ tf.transpose(module.weights)}, input_signature=[tf.TensorSpec((1, 4), name="code")]
    )
    module.encode, module.decode = encode, decode
    return module, {"encode": encode, "decode": decode}


def looked_up(tf: Any) -> Any:
    module = tf.Module()
    keys, values = tf.constant([1, 2, 3], tf.int64), tf.constant(["cat", "dog", "bird"])
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), "none")
    module.find = tf.function(
        lambda ids: {"names": module.table.lookup(ids)}, input_signature=[tf.TensorSpec((2,), tf.int64, name="ids")]
    )
    return module, {"serving_default": module.find}


SELECT = ("TFLITE_BUILTINS", "SELECT_TF_OPS")
CONV = 4 * 4 * 4 * 3 * 3 * 2  # a stride of 2 over 8 x 8 images of 2 channels, to 4 channels
LSTM_STEP, GRU_STEP = 4 * 16 * (8 + 16), 3 * 16 * (8 + 16)

ROWS: dict[str, Row] = {
    "convolution": Row(build=of(convolved, (1, 8, 8, 2)), macs={"float": CONV}, parameters=3 * 3 * 2 * 4 + 4),
    "depthwise": Row(
        build=of(lambda x: _tf().nn.depthwise_conv2d(x, _ones(3, 3, 2, 3), [1, 1, 1, 1], "VALID"), (1, 8, 8, 2)),
        macs={"float": 6 * 6 * (2 * 3) * 3 * 3},
        parameters=3 * 3 * 2 * 3 + 2 * 3,
    ),
    "grouped convolution": Row(
        build=of(lambda x: _tf().nn.conv2d(x, _ones(3, 3, 2, 8), 1, "SAME"), (1, 8, 8, 4)),
        macs={"float": 8 * 8 * 8 * 3 * 3 * 2},
        parameters=3 * 3 * 2 * 8 + 8,
    ),
    "transposed convolution": Row(
        build=of(lambda x: _tf().nn.conv2d_transpose(x, _ones(3, 3, 5, 2), (1, 8, 8, 5), 2), (1, 4, 4, 2)),
        macs={"float": 4 * 4 * 2 * 3 * 3 * 5},
        parameters=3 * 3 * 5 * 2,
    ),
    "convolution of volumes": Row(
        build=of(lambda x: _tf().nn.conv3d(x, _ones(3, 3, 3, 2, 4), [1] * 5, "VALID"), (1, 5, 6, 7, 2)),
        macs={"float": 3 * 4 * 5 * 4 * 3 * 3 * 3 * 2},
        parameters=3 * 3 * 3 * 2 * 4,
    ),
    "transposed convolution of volumes": Row(
        build=of(
            lambda x: _tf().nn.conv3d_transpose(x, _ones(2, 2, 2, 3, 2), (1, 4, 6, 8, 3), [1, 2, 2, 2, 1]),
            (1, 2, 3, 4, 2),
        ),
        macs={"float": 2 * 3 * 4 * 2 * 2 * 2 * 2 * 3},
        parameters=2 * 2 * 2 * 3 * 2,
    ),
    "product of two inputs": Row(
        build=of(lambda a, b: _tf().matmul(a, b, transpose_a=True), (2, 5, 3), (2, 5, 4)),
        macs={"float": 2 * 3 * 4 * 5},
    ),
    "number by number": Row(build=of(elementwise, (2, 6)), parameters=None),
    "reductions": Row(build=of(reductions, (2, 6)), parameters=None),
    "shapes": Row(build=of(shapes_changed, (2, 4, 3)), parameters=None),
    "picking and scattering": Row(build=of(picked, (4, 6), ((4,), "int32")), parameters=None),
    "pooling and resizing": Row(build=of(resized, (1, 4, 4, 4)), parameters=None),
    "softmax and norms": Row(build=of(normalized, (1, 4, 4, 4)), parameters=None),
    "boxes": Row(build=of(boxes, (10, 4), (10,)), operators={"NON_MAX_SUPPRESSION_V4": 1}, parameters=None),
    "spectrum": Row(
        build=of(lambda x: _tf().abs(_tf().signal.rfft2d(x)), (1, 4, 4)), unknown={"RFFT2D": 1}, parameters=None
    ),
    "loop of five": Row(build=of(counted_loop, (1, 6)), macs={"float": 5 * 36}, parameters=None),
    "loop until it is enough": Row(build=of(endless_loop, (1, 6)), unknown={"WHILE": 1}, parameters=None),
    "one or the other": Row(
        build=of(either, (1, 6), ((), "bool")),
        macs={"float": 6 * 4},
        unknown={"IF": 1},
        parameters=6 * 9 + 9 * 4 + 6 * 4,
    ),
    "LSTM of Keras": Row(
        build=of_layers(lambda k: k.LSTM(16, bias_initializer="ones"), shape=(20, 8)),
        macs={"float": 20 * LSTM_STEP},
        parameters=None,
        slow=True,
    ),
    "GRU of Keras": Row(
        build=of_layers(lambda k: k.GRU(16), shape=(20, 8)), macs={"float": 20 * GRU_STEP}, parameters=None, slow=True
    ),
    "variables": Row(build=by_module(counter), macs={"float": 6 * 4}, parameters=None),
    "two signatures, converted": Row(build=by_module(two_ways), macs={"float": 6 * 4}, parameters=None),
    "texts by number": Row(build=by_module(looked_up), parameters=None),
    "any number of images": Row(
        build=of(convolved, (None, 8, 8, 2)),
        macs={"float": CONV},
        parameters=3 * 3 * 2 * 4 + 4,
        shapes={"": [3, 8, 8, 2]},
    ),
    "images of any size": Row(
        build=of(convolved, (1, None, None, 2)),
        unknown={"CONV_2D": 1},
        parameters=3 * 3 * 2 * 4 + 4,
        shapes={"": [1, 12, 10, 2]},
    ),
    "any number of words": Row(
        build=of(lambda ids: _tf().gather(_ones(20, 4), ids) @ _tf().constant(_ones(4, 3)), ((None, None), "int32")),
        unknown={"FULLY_CONNECTED": 1},
        parameters=None,
        shapes={"": [2, 7]},
    ),
    "two inputs": Row(
        build=of(lambda a, b: a @ _tf().constant(_ones(6, 4)) + b, (1, 6), (1, 4)),
        macs={"float": 6 * 4},
        parameters=None,
    ),
    "an operator of TensorFlow, converted": Row(
        build=of(lambda x: _tf().linalg.inv(x), (1, 4, 4), sets=SELECT),
        unknown={"FlexMatrixInverse": 1},
        timed_by=(),
        reason="Flex|runtime",
    ),
    "an operator that the converter does not know": Row(
        build=of(lambda x: _tf().linalg.inv(x), (1, 4, 4), allow_custom_ops=True),
        unknown={"MatrixInverse": 1},
        timed_by=(),
        reason="MatrixInverse",
    ),
}
