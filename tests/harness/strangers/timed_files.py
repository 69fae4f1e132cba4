"""Flatbuffers as strangers bring them to be timed, each of a tiny function: made here by TFLite's own converter, and
given to `bitlens bench` as on a command line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from harness.cli.app import app
from harness.devices.measured_inputs import FileInputs, InputRequest, MeasuredInputs
from harness.errors import BitlensError

QUICK = ("--rounds", "1", "--seconds", "0")
ROWS = 1000  # of the table that embeddings look up


@cache
def flatbuffer(name: str) -> bytes:
    content: bytes = MAKERS[name]()
    return content


def write(folder: Path, *names: str) -> list[str]:
    """<folder>/<name>.tflite of each; their paths as a command line has them."""
    for name in names:
        (folder / f"{name}.tflite").write_bytes(flatbuffer(name))
    return [str(folder / f"{name}.tflite") for name in names]


def bench(*arguments: str) -> tuple[int, str]:
    """The exit code, and what is printed; of an error, the sentence."""
    result = CliRunner().invoke(app, ["bench", *arguments, *QUICK])
    if isinstance(result.exception, BitlensError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def record_of(path: str, *options: str) -> dict[str, Any]:
    code, text = bench(path, *options, "--json")
    assert code == 0, text
    record: dict[str, Any] = json.loads(text)[path][0]["records"][0]
    return record


def asked(name: str, signature: str | None = None, **request: Any) -> MeasuredInputs:
    inputs = FileInputs(flatbuffer(name), signature=signature, where=f"{name}.tflite")
    return inputs.measured(InputRequest(signature=signature, **request))


def _converted(function: Callable[..., Any], *specs: tuple[Any, str, str], custom: bool = False) -> bytes:
    """The function of inputs (shape, dtype, name)."""
    import tensorflow as tf

    signature = [tf.TensorSpec(shape, dtype, name=name) for shape, dtype, name in specs]
    concrete = tf.function(function, autograph=False).get_concrete_function(*signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.allow_custom_ops = custom
    return bytes(converter.convert())


def _filtered(image: Any) -> Any:
    import tensorflow as tf

    return tf.nn.conv2d(image, tf.ones((3, 3, 3, 2)), 1, "SAME")


def _embedded(ids: Any) -> Any:
    import tensorflow as tf

    table = tf.reshape(tf.range(ROWS * 4, dtype=tf.float32), (ROWS, 4))
    return tf.gather(table, ids)


def _masked(ids: Any, mask: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(_embedded(ids) * tf.expand_dims(tf.cast(mask, tf.float32), 2), 1)


def _twice(ids: Any) -> Any:
    """Looked up as it is in a large table, and its numbers of one place in a small one."""
    import tensorflow as tf

    small = tf.reshape(tf.range(14, dtype=tf.float32), (7, 2))
    return _embedded(ids), tf.gather(small, tf.cast(tf.reshape(ids[:, :1], (-1,)), tf.int32))


def _text(text: Any) -> Any:
    import tensorflow as tf

    return tf.equal(text, "a")


def _unknown(x: Any) -> Any:
    import tensorflow as tf

    return tf.math.igamma(x, x)


def _boxes(image: Any) -> Any:
    """Four outputs, as detectors have: boxes, classes, scores, how many."""
    import tensorflow as tf

    scores = tf.reduce_mean(_filtered(image), (1, 2))
    return tf.expand_dims(scores, 1), tf.argmax(scores, 1), tf.nn.softmax(scores), tf.reduce_sum(scores)


def _of_signatures() -> bytes:
    """ "encode": x (1, 8) to code (1, 4); "decode": code (?, 4) to x (?, 8)."""
    import tensorflow as tf

    class Coder(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((1, 8), tf.float32, name="x")])
        def encode(self, x: Any) -> Any:
            return {"code": x[:, :4] + x[:, 4:]}

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="code")])
        def decode(self, code: Any) -> Any:
            return {"x": tf.concat([code, 2 * code], 1)}

    coder = Coder()
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(coder, folder, signatures={"encode": coder.encode, "decode": coder.decode})
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["encode", "decode"]).convert())


FLOAT, INT, LONG, TEXT = "float32", "int32", "int64", "string"
MAKERS: dict[str, Callable[[], bytes]] = {
    "fixed": lambda: _converted(_filtered, ((1, 6, 6, 3), FLOAT, "image")),
    "open-batch": lambda: _converted(_filtered, ((None, 6, 6, 3), FLOAT, "image")),
    "open-size": lambda: _converted(_filtered, ((None, None, None, 3), FLOAT, "image")),
    "open-width": lambda: _converted(_filtered, ((1, 6, None, 3), FLOAT, "image")),
    "sound": lambda: _converted(lambda wave: 2 * wave, ((None,), FLOAT, "wave")),
    "two-open": lambda: _converted(_masked, ((None, None), LONG, "ids"), ((None, None), INT, "mask")),
    "two-batches": lambda: _converted(_masked, ((None, 5), INT, "ids"), ((None, 5), INT, "mask")),
    "embedding": lambda: _converted(_masked, ((1, 5), INT, "ids"), ((1, 5), INT, "mask")),
    "two-tables": lambda: _converted(_twice, ((1, 5), LONG, "ids")),
    "text": lambda: _converted(_text, ((1,), TEXT, "text")),
    "unknown-operator": lambda: _converted(_unknown, ((1, 4), FLOAT, "x"), custom=True),
    "detector": lambda: _converted(_boxes, ((1, 6, 6, 3), FLOAT, "image")),
    "signatures": _of_signatures,
}
