"""The JSON that describes a Keras model: read within bounds, and held against the list of what it may hold.

Keras makes an object of every dictionary with a "class_name", wherever it stands: of a class that it looks up by module
and name, by the name under which somebody registered it, or by its bare name. So every one is judged by all of these.
Calls of layers are judged as well: an operation whose arguments are all constants runs while the file is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from harness.models import allowed
from harness.models.refusals import Unreadable, words

MOST_BYTES = 16 * 2**20  # of one JSON text; the largest model of keras.applications has 2 MiB
MOST_LEVELS = 200  # of nesting; three models inside each other have 40
MOST_OBJECTS = 50_000  # the largest model of keras.applications has 10,000
MOST_ROUNDS = 100  # over all layers until each was called; files of Keras need one for each model inside another
FOREIGN = "not_allowed>"  # before a class name that Keras shall not find: nothing can be registered under it

_LAMBDAS = ("Lambda", "__lambda__")
_TENSORS = ("__tensor__", "__numpy__", "__keras_tensor__")
_PLAIN = ("__tuple__", "__slice__", "__ellipsis__", "TensorShape")  # made of what is inside them
_CONSTANTS = ("_CONSTANT_VALUE", "_COMPOSITE_TYPE")  # Keras 2 writes them in place of a layer's name


def parsed(text: str | bytes) -> Any:
    """The configuration in a JSON text. Raises Unreadable for one that is none, or too large, deep or ambiguous."""
    if len(text) > MOST_BYTES:
        raise Unreadable(f"its description has more than {MOST_BYTES >> 20} MiB")
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise Unreadable(f"its description is nested deeper than {MOST_LEVELS} levels") from None
    except ValueError as error:
        raise Unreadable(f"its description is not JSON: {words(error, limit=120)}") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise Unreadable(f'its description says "{words(twice)}" twice')
    return read


def parts_of(config: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every dictionary of a configuration with the name of the layer that it stands in.

    Raises Unreadable where it is nested too deeply or holds too much.
    """
    waiting: list[tuple[Any, str, int]] = [(config, "", 0)]
    count = 0
    while waiting:
        value, layer, level = waiting.pop()
        if level > MOST_LEVELS:
            raise Unreadable(f"its description is nested deeper than {MOST_LEVELS} levels")
        if isinstance(value, dict):
            count += 1
            if count > MOST_OBJECTS:
                raise Unreadable(f"its description holds more than {MOST_OBJECTS} objects")
            layer = _layer_name(value) or layer
            yield value, layer
        if isinstance(value, (dict, list)):
            inside = value.values() if isinstance(value, dict) else value
            waiting += [(item, layer, level + 1) for item in inside if isinstance(item, (dict, list))]


def _layer_name(part: dict[str, Any]) -> str:
    config = part.get("config")
    name = part.get("name") or (config.get("name") if isinstance(config, dict) else None)
    is_layer = "class_name" in part and part["class_name"] not in tuple(allowed.POLICIES)
    return name if is_layer and isinstance(name, str) else ""


def without_compiling(config: Any) -> Any:
    """The same without optimizers, losses and metrics: models are loaded without them."""
    for part, _ in parts_of(config):
        if "class_name" in part:
            part.pop("compile_config", None)
    return config


def foreign_things(config: Any) -> Iterator[str]:
    """What of a configuration is not on the list, each in a few words with the layer that it stands in."""
    for part, layer in parts_of(config):
        where = f' in layer "{words(layer)}"' if layer else ""
        if "class_name" in part:
            what = _foreign(part)
            if what:
                yield what + where
        if part.get("unroll"):  # Keras makes a graph of each step, however many there are, while it reads the file
            yield "an unrolled recurrence" + where
        yield from (what + where for what in _foreign_values(part))
    for part, _ in parts_of(config):
        if isinstance(part.get("layers"), list):
            yield from _calls_without_tensors(part["layers"])


def with_foreign_classes_renamed(config: Any) -> Any:
    """The same with names that Keras cannot find for classes without a module that are not on the list.

    For SavedModels of Keras 2, where a layer of an unknown class is made of its graph instead. What names a module
    or holds a lambda stays as it is.
    """
    for part, _ in parts_of(config):
        name = part.get("class_name")
        known = isinstance(name, str) and (name in allowed.BARE or name in _PLAIN or name in _LAMBDAS)
        if isinstance(name, str) and part.get("module") is None and not known:
            part["class_name"] = FOREIGN + name
    return config


def _foreign(part: dict[str, Any]) -> str | None:
    """What this object is, if it is not on the list."""
    name, module, registered = part["class_name"], part.get("module"), part.get("registered_name")
    if not all(isinstance(text, str) or text is None for text in (name, module, registered)) or not name:
        return "an object without a proper name"
    if name in _LAMBDAS:
        return "a Lambda layer"
    if (name in _PLAIN or name in _TENSORS or name.startswith(FOREIGN)) and module is None is registered:
        return None  # with a module, Keras 2 would look there for a name that is special to Keras 3 alone
    if name == "TypeSpec":
        return None if part.get("type_spec") == "tf.TensorSpec" else f"the type {words(part.get('type_spec'))}"
    config = part.get("config")
    if name == "function":
        known = module in allowed.FUNCTION_MODULES and isinstance(config, str) and config in allowed.FUNCTIONS
        return None if known and registered in (None, "function", config) else f"the function {_full(module, config)}"
    if not _is_known(name, module, registered):
        return _described(name, module)
    if name in allowed.FUNCTION_LAYERS:
        function = config.get("function") if isinstance(config, dict) else None
        known = isinstance(function, str) and function in allowed.FUNCTIONS_OF_TENSORFLOW
        return None if known else f"the operation tf.{words(function)}"
    return None


def _is_known(name: str, module: str | None, registered: str | None) -> bool:
    if registered not in (None, name, f"Larq>{name}", f"larq>{name}"):
        return False
    if module is None:
        return name in allowed.BARE
    module = module.removeprefix("tf_").replace(".src", "", 1)
    return name in allowed.MODULES.get(module, ()) or name in allowed.OPERATIONS.get(module, ())


def _described(name: str, module: str | None) -> str:
    if module is None or module.removeprefix("tf_").partition(".")[0] in ("keras", "larq"):
        return f"a {words(name)}"
    return f"the Python object {_full(module, name)}"


def _full(module: str | None, name: object) -> str:
    return f"{words(module)}.{words(name)}" if module else words(name)


def _foreign_values(part: dict[str, Any]) -> Iterator[str]:
    """Names of functions in places where Keras looks them up, and types of arrays that are none."""
    for key, value in part.items():
        if isinstance(value, str) and key.endswith(allowed.SLOTS) and value not in allowed.SHORT_NAMES:
            yield f'the {words(key)} "{words(value)}"'
    if part.get("class_name") in _TENSORS:
        config = part.get("config")
        dtype = config.get("dtype") if isinstance(config, dict) else None
        if not isinstance(dtype, str) or dtype not in allowed.DTYPES:
            yield f'an array of type "{words(dtype)}"'


# ---------------------------------------------------------------------------------------------------- calls of layers
def _calls_without_tensors(layers: list[Any]) -> Iterator[str]:
    names = {layer.get("name") for layer in layers if isinstance(layer, dict) and isinstance(layer.get("name"), str)}
    for layer in layers:
        calls = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        for call in calls if isinstance(calls, list) else ():
            if not references_in(call, names):
                yield f'a call of layer "{words(layer.get("name"))}" without a tensor, which runs when it is loaded'
            if any(text in _CONSTANTS[1:] for text in _texts(call)):
                yield f'a composite tensor in a call of layer "{words(layer.get("name"))}"'


def references_in(call: Any, names: set[Any]) -> list[tuple[str, int]]:
    """The (layer, number of its call) whose tensors a call takes. `names` are those of the layers around it."""
    found = []
    for value in _values(call):
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            value = config.get("keras_history") if isinstance(config, dict) else None
        if isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str) and value[0] in names:
            number = value[1]
            if isinstance(number, int) and isinstance(value[2], int):
                found.append((value[0], number))
    return found


def _values(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value


def _texts(value: Any) -> Iterator[str]:
    return (text for text in _values(value) if isinstance(text, str))


def check_calls(config: Any) -> None:
    """Raises Unreadable where a layer waits for its own result, for which Keras 2 would wait for ever."""
    for part, _ in parts_of(config):
        layers = part.get("layers")
        if isinstance(layers, list):
            _check_order([layer for layer in layers if isinstance(layer, dict) and isinstance(layer.get("name"), str)])


def _check_order(layers: list[dict[str, Any]]) -> None:
    names = {layer["name"] for layer in layers}
    inputs = {layer["name"] for layer in layers if layer.get("class_name") == "InputLayer"}
    done = Counter({layer["name"]: int(_is_called_already(layer)) for layer in layers})
    waiting = [
        (layer["name"], [references_in(call, names) for call in layer["inbound_nodes"]])
        for layer in layers
        if isinstance(layer.get("inbound_nodes"), list)
    ]
    for _ in range(MOST_ROUNDS):
        for name, calls in waiting:
            while calls and all(ref in inputs or number < done[ref] for ref, number in calls[0]):
                calls.pop(0)
                done[name] += 1
        waiting = [(name, calls) for name, calls in waiting if calls]
        if not waiting:
            return
    raise Unreadable(f'its layer "{words(waiting[0][0])}" waits for a tensor that no layer before it makes')


def _is_called_already(layer: dict[str, Any]) -> bool:
    """A model that knows its input counts the call that made it."""
    if layer.get("class_name") != "Sequential":
        return layer.get("class_name") in ("Functional", "Model")
    config = layer.get("config")
    layers = config.get("layers") if isinstance(config, dict) else config
    first = layers[0] if isinstance(layers, list) and layers else None
    inside = first.get("config") if isinstance(first, dict) else None
    return isinstance(first, dict) and (
        first.get("class_name") == "InputLayer"
        or (isinstance(inside, dict) and ("batch_input_shape" in inside or "batch_shape" in inside))
    )
