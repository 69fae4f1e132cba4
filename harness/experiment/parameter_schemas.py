"""What editors are told of methods, metrics and their parameters, from the rows of their own tables."""

from __future__ import annotations

from collections.abc import Mapping

from harness.experiment.keys import JsonSchema
from harness.parameters import Parameter
from harness.quality.metrics.metric_table import METRICS
from harness.saliency.methods.method_table import METHODS

Parameters = Mapping[str, Parameter]
DEFINED = "defined"  # which definition stands here, in the place of "$ref", which pydantic would follow
METHOD, METRIC, JUDGING_METRIC = ({DEFINED: name} for name in ("Method", "Metric", "JudgingMetric"))


def definitions() -> dict[str, JsonSchema]:
    """What METHOD, METRIC and JUDGING_METRIC stand for."""
    return {"Method": _method(), "Metric": _metric(), "JudgingMetric": _judging_metric()}


def _method() -> JsonSchema:
    """A method by its name, or a table with its parameters."""
    own = {name: {each.name: each for each in spec.parameters} for name, spec in METHODS.items()}
    whole = {}
    for name, known in own.items():
        over = known["base"].choices if "base" in known else ()  # it takes the parameters of any of these, too
        whole[name] = {**{key: each for base in over for key, each in own[base].items()}, **known}
    return _named(whole, {})


def _metric() -> JsonSchema:
    """A metric by its name, or a table with its parameters and the methods that it scores."""
    methods = {"type": "array", "items": {"enum": list(METHODS)}}
    known = {name: {each.name: each for each in spec.parameters} for name, spec in METRICS.items()}
    return _named(known, {"methods": methods})


def _judging_metric() -> JsonSchema:
    """A metric of [[quality.judge]], which names no methods."""
    return _named({name: {each.name: each for each in spec.parameters} for name, spec in METRICS.items()}, {})


def _named(known: Mapping[str, Parameters], beside: JsonSchema) -> JsonSchema:
    everything = {key: _parameter(each) for parameters in known.values() for key, each in parameters.items()}
    table: JsonSchema = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"enum": list(known)},
            **beside,
            **{key: {"description": schema["description"]} for key, schema in everything.items()},
        },
        "allOf": [_only(name, parameters, beside) for name, parameters in known.items()],
        "additionalProperties": False,
    }
    return {"anyOf": [{"enum": list(known)}, table]}


def _only(name: str, parameters: Parameters, beside: JsonSchema) -> JsonSchema:
    """A parameter of one name may have other defaults and choices in another row."""
    return {
        "if": {"properties": {"name": {"const": name}}},
        "then": {
            "properties": {key: _parameter(each) for key, each in parameters.items()},
            "propertyNames": {"enum": ["name", *beside, *parameters]},
        },
    }


def _parameter(parameter: Parameter) -> JsonSchema:
    """One value, or a list of values, which is a sweep."""
    value: JsonSchema
    if parameter.choices:
        value = {"enum": [*parameter.choices, *(word for word, _ in parameter.aliases)]}
    elif isinstance(parameter.default, bool):
        value = {"type": "boolean"}
    elif isinstance(parameter.default, str):
        value = {"type": "string"}
    else:
        bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
        value = {"type": "integer" if isinstance(parameter.default, int) else "number"}
        value.update({name: bound for name, bound in bounds.items() if bound is not None})
    return {
        "description": parameter.unit,
        "default": parameter.default,
        "anyOf": [value, {"type": "array", "items": value, "minItems": 1}],
    }
