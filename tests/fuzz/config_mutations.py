"""Ways to change the description of a Keras model, by structure. Each says whether such a file must be refused."""

from __future__ import annotations

import base64
import json
import marshal
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CANARY = Path("CANARY")  # replaced by the folder that nothing may write to
MODULES = (
    "os", "builtins", "subprocess", "posix", "shutil", "pickle", "keras.utils", "keras.models", "keras.saving", "numpy",
    "keras.src.saving.saving_lib", "keras.src.utils.python_utils", "tf_keras.src.utils.generic_utils", "tensorflow",
    "tf_keras.src.layers.core.lambda_layer", "keras.layers", "keras", "larq.layers", "keras.src.ops.core", "keras.ops",
    "tensorflow.io", "keras.src.legacy.saving.serialization", "importlib", "runpy", None,
)  # fmt: skip
CLASSES = (
    "system", "eval", "exec", "Popen", "function", "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer",
    "TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "ClassMethod", "InstanceMethod",
    "InstanceProperty", "TFOpLambda", "SlicingOpLambda", "__lambda__", "__typespec__", "__bytes__", "__tensor__",
    "__numpy__",
    "TypeSpec", "CompositeTensor", "get_file", "model_from_json", "load_model", "import_module", "run_path", "Dense",
    "Conv2D",
    "ReLU", "Functional", "Sequential", "Model", "LinearModel", "Map", "Scan", "WhileLoop", "Cond", "STFTSpectrogram",
    "RandomNormal", "Orthogonal", "QuantConv2D", "", 0, None, ["Dense"], {"class_name": "Dense"},
)  # fmt: skip
FUNCTIONS = (
    "io.write_file", "io.read_file", "io.gfile.GFile", "io.gfile.remove", "io.gfile.copy", "io.gfile.rename",
    "io.gfile.makedirs", "io.gfile.rmtree", "print", "py_function", "numpy_function", "raw_ops.WriteFile",
    "raw_ops.PrintV2", "raw_ops.Save", "saved_model.load", "load_op_library", "load_library", "keras.utils.get_file",
    "keras.models.model_from_json", "keras.models.load_model", "keras.models.model_from_config", "function",
    "data.TextLineDataset", "debugging.set_log_device_placement", "config.set_visible_devices", "strings.as_string",
    "compat.v1.gfile.Open", "compat.v1.Print", "compat.v1.py_func", "summary.create_file_writer", "nn.relu", "math.add",
    "keras.utils.plot_model", "keras.preprocessing.image.save_img", "keras.config.enable_unsafe_deserialization",
    "experimental.dlpack.from_dlpack", "map_fn", "while_loop", "cond", "no_such_operation", 7, None,
)  # fmt: skip
SIZES = (0, -1, 10**4, 10**6, 10**9, 2**31, 2**63, 10**30, 1e308, float("nan"))
OTHERS = (None, True, 3, -2.5, "text", "../../etc/passwd", [], {}, [[]], {"class_name": "Dense"}, "\x00", "é" * 9)


def lambda_code(canary: Path) -> str:
    """A function that leaves a file behind when it is called, as Keras keeps functions."""
    code = compile(f"open({str(canary / 'lambda')!r}, 'w').close()", "<lambda>", "exec")
    return base64.b64encode(marshal.dumps(code)).decode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in a configuration."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            if isinstance(value[key], (dict, list)):
                waiting.append(value[key])


def objects(config: Any) -> list[dict[str, Any]]:
    found = [box[key] for box, key in places([config]) if isinstance(box[key], dict)]
    return [part for part in found if "class_name" in part and part is not config]


def layers(config: Any) -> list[dict[str, Any]]:
    return [part for part in objects(config) if isinstance(part.get("config"), dict) and "name" in part["config"]]


def swap_class(config: Any, rng: random.Random, canary: Path) -> bool:
    rng.choice(objects(config))["class_name"] = rng.choice(CLASSES)
    return False


def swap_module(config: Any, rng: random.Random, canary: Path) -> bool:
    part = rng.choice(objects(config))
    part["module"] = rng.choice(MODULES)
    if rng.random() < 0.5:
        part["class_name"] = rng.choice(CLASSES)
    if rng.random() < 0.5:
        part["registered_name"] = rng.choice(CLASSES)
    return False


def swap_function(config: Any, rng: random.Random, canary: Path) -> bool:
    part = rng.choice(layers(config))
    part.update(class_name=rng.choice(("TFOpLambda", "SlicingOpLambda")))
    part["config"] = {"name": part["config"]["name"], "function": rng.choice(FUNCTIONS)}
    if "module" in part:
        part.update(module="keras.src.layers.core.tf_op_layer", registered_name="TFOpLambda")
    return False


def inject(config: Any, rng: random.Random, canary: Path) -> bool:
    """One of the attacks that are known to work, in place of a layer or of one of its parts."""
    part = rng.choice(layers(config))
    name, target = part["config"]["name"], str(canary / "out")
    inner = {"class_name": "Lambda", "config": {"name": "x", "function": [lambda_code(canary), None, None]}}
    inner_json = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}})
    calls: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("keras.models.model_from_json", [inner_json], {}),
        ("keras.utils.get_file", ["f", "file:///etc/hostname"], {"cache_dir": str(canary)}),
        ("print", ["seen"], {"output_stream": f"file://{target}"}),
        ("io.write_file", [target, "seen"], {}),
        ("io.gfile.copy", ["/etc/hostname", target], {}),
        ("io.gfile.makedirs", [target], {}),
        ("io.read_file", ["/etc/passwd"], {}),
        ("raw_ops.WriteFile", [], {"filename": target, "contents": "seen"}),
        ("saved_model.load", [target], {}),
    ]
    function, arguments, keywords = rng.choice(calls)
    first, *others = arguments or [keywords.popitem()[1]]
    operation = {
        "class_name": "TFOpLambda", "name": name, "config": {"name": name, "function": function},
        "inbound_nodes": [["_CONSTANT_VALUE", -1, first, {**keywords, **{f"a{i}": o for i, o in enumerate(others)}}]],
    }  # fmt: skip
    foreign = [
        operation,
        {"class_name": "Lambda", "config": {"name": name, "function": [lambda_code(canary), None, None]}},
        {"class_name": "ClassMethod", "config": {"name": name, "cls_symbol": "io.gfile.GFile", "method_name": "write"}},
        {"class_name": "InstanceMethod", "config": {"name": name, "attr_name": "numpy"}},
        {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"name": name, "filepath": target}},
        {"class_name": "TextVectorization", "config": {"name": name, "vocabulary": "/etc/passwd"}},
        {"class_name": "StringLookup", "config": {"name": name, "vocabulary": "/etc/passwd"}},
        {"class_name": "IntegerLookup", "module": "keras.layers", "config": {"name": name, "vocabulary": target}},
        {"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {"name": name, "module": "gASVAA=="}},
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"},
        {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "exec"},
        {"module": "builtins", "class_name": "__lambda__", "config": {"value": [lambda_code(canary), None, None]}},
        {"class_name": "__typespec__", "module": "os", "spec_name": "system", "registered_name": None, "config": ["x"]},
        {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"},
        {"module": "keras.src.ops.core", "class_name": "Map", "config": {"name": name}, "registered_name": "Map"},
    ]  # fmt: skip
    thing = rng.choice(foreign)
    where = rng.choice(("layer", "part", "argument"))
    if where == "layer":
        kept = {key: part[key] for key in ("inbound_nodes", "name", "build_config") if key in part}
        part.clear()
        part.update({**kept, **thing})
    elif where == "part":
        key = rng.choice(
            ("activation", "kernel_initializer", "kernel_regularizer", "kernel_quantizer", "layer", "dtype")
        )
        part["config"][key] = thing
    else:
        part.setdefault("inbound_nodes", []).append({"args": [thing], "kwargs": {}})
    return True


def constant_call(config: Any, rng: random.Random, canary: Path) -> bool:
    """A layer is called with numbers alone."""
    called = [part for part in objects(config) if part.get("inbound_nodes")]
    if not called:
        return False
    part = rng.choice(called)
    old = {"args": [[1.0, 2.0]], "kwargs": {}} if "module" in part and rng.random() < 0.5 else None
    part["inbound_nodes"] = [old or ["_CONSTANT_VALUE", -1, rng.choice([2.0, [1.0], [[10**5, 10**5]]]), {}]]
    return True


def change_type(config: Any, rng: random.Random, canary: Path) -> bool:
    box, key = rng.choice(list(places(config)))
    box[key] = rng.choice(OTHERS)
    return False


def blow_up(config: Any, rng: random.Random, canary: Path) -> bool:
    numbers = [(box, key) for box, key in places(config) if type(box[key]) in (int, float)]
    for box, key in rng.sample(numbers, min(len(numbers), rng.choice((1, 1, 3)))):
        box[key] = rng.choice(SIZES)
    return False


def nest(config: Any, rng: random.Random, canary: Path) -> bool:
    box, key = rng.choice(list(places(config)))
    for _ in range(rng.choice((3, 50, 150))):
        box[key] = [box[key]] if rng.random() < 0.5 else {"config": box[key], "class_name": "Sequential"}
    return False


def nest_models(config: Any, rng: random.Random, canary: Path) -> bool:
    """A model in a model in a model."""
    part = rng.choice(layers(config))
    inside = dict(part)
    for level in range(rng.choice((2, 10, 40))):
        inside = {"class_name": "Sequential", "config": {"name": f"m{level}", "layers": [inside]}}
    part.update(inside)
    return False


def shuffle_calls(config: Any, rng: random.Random, canary: Path) -> bool:
    """A layer takes what another one gives, perhaps in a circle."""
    called = [part for part in objects(config) if part.get("inbound_nodes")]
    if len(called) >= 2:
        one, other = rng.sample(called, 2)
        one["inbound_nodes"] = other["inbound_nodes"]
    return False


def duplicate(config: Any, rng: random.Random, canary: Path) -> bool:
    box, key = rng.choice(list(places(config)))
    if isinstance(box, list):
        box[key:key] = [box[key]] * rng.choice((1, 2, 20))
    else:
        box[f"{key}_too"] = box[key]
    return False


def remove(config: Any, rng: random.Random, canary: Path) -> bool:
    box, key = rng.choice(list(places(config)))
    del box[key]
    return False


CONFIG_MUTATIONS: tuple[Callable[[Any, random.Random, Path], bool], ...] = (
    swap_class, swap_module, swap_function, inject, inject, constant_call, change_type, blow_up, nest, nest_models,
    shuffle_calls, duplicate, remove,
)  # fmt: skip


def as_text(config: Any, rng: random.Random) -> tuple[str, str]:
    """(JSON, what was done to the text of it): now and then it is cut, deep, or ambiguous."""
    text = json.dumps(config)
    change = rng.choice(("", "", "", "", "", "", "", "cut text", "deep text", "key twice"))
    if change == "cut text":
        text = text[: rng.randrange(len(text))]
    elif change == "deep text":
        text = text.replace('"layers": [', '"layers": [' + "[" * 10**5, 1)
    elif change == "key twice":
        text = text.replace('"class_name": ', '"class_name": "Lambda", "class_name": ', rng.choice((1, 3)))
    return text, change
