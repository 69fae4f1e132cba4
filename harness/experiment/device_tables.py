"""[[device]] and [[runtime]] of an experiment file, as they are written."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PrivateAttr
from pydantic_core import CoreSchema

from harness.devices.device import DEFAULT_KIND, KINDS
from harness.devices.row import KEYS, DeviceKey
from harness.devices.runtime_choice import ACCELERATORS, AUTO, RUNTIME_OPTIONS, RuntimeChoice
from harness.experiment.keys import InEditors, JsonSchema, OneOrSeveral, key
from harness.experiment.values import Name, Table
from harness.registry import resolve

Runtimes = Annotated[list[str], Field(min_length=1)]
NOT_RECORDED = ("wait_s",)  # keys of a device that its units of work do not depend on


def _one_value(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        raise ValueError("a text, a number, true or false")
    return value


class RuntimeTable(Table):
    """A runtime with options, under a name that devices use like any other."""

    name: Name = key(says="Its name in devices and results.", example="edgetpu")
    base: str = key(
        AUTO, says="The runtime beneath: a name of `bitlens list runtimes`, or auto.", example="ai-edge-litert"
    )
    delegate: str | None = key(
        None,
        says="A shared library of the device or, by a relative path, of this host.",
        example="libedgetpu.so.1",
        without="none",
    )
    options: dict[
        str, Annotated[Any, AfterValidator(_one_value), InEditors({"type": ["string", "number", "boolean"]})]
    ] = key({}, says="Options of the delegate.", example={"device": "usb"})
    xnnpack: bool | None = key(
        None,
        says="false disables XNNPACK; true fails where XNNPACK takes no operator.",
        example=False,
        without="as the runtime does",
    )
    accelerator: Annotated[str, InEditors({"enum": list(ACCELERATORS)})] | None = key(
        None,
        says="Compile the whole artifact for it, by LiteRT's CompiledModel: cpu, gpu or npu.",
        example="gpu",
        without="none",
    )
    weight_cache: bool = key(False, says="Let XNNPACK cache its packed weights on the device.", example=True)


class DeviceTable(BaseModel):
    """A place where artifacts run. Which other keys it has depends on its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Name = key(says="What results call it.", example="pi4")
    kind: Annotated[str, InEditors({"enum": list(KINDS)})] = key(
        DEFAULT_KIND,
        says="How bitlens reaches it: this machine, SSH, an emulator, or a virtual machine.",
        example="ssh",
    )
    runtime: Annotated[Runtimes, OneOrSeveral(str)] = key(
        [AUTO],
        says="The runtimes that execute artifacts there; each gives rows of its own.",
        example="tflite-runtime",
        without="the `runtimes` of the file",
    )
    _chosen: RuntimeChoice | None = PrivateAttr(None)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        """With the keys of every kind; which of them a kind has, and which it needs, by conditions on `kind`."""
        schema = handler.resolve_ref_schema(handler(core))
        own = set(schema["properties"])
        schema["properties"].update({name: _in_editors(each) for name, each in KEYS.items() if name not in own})
        schema["allOf"] = [_of_kind(kind, own) for kind in KINDS]
        schema["additionalProperties"] = False
        return schema

    def with_runtime(self, name: str, chosen: RuntimeChoice | None) -> DeviceTable:
        """The same device with one of its runtimes; `chosen` for one that a [[runtime]] table names."""
        table = self.model_copy(update={"runtime": [name]})
        table._chosen = chosen
        return table

    def address(self) -> dict[str, Any]:
        """What `harness.devices.make_device` needs: everything but how the device is used."""
        return self.model_dump(exclude={"runtime"})

    def spec(self) -> dict[str, Any]:
        """The device as units of work record it: how long a run waits for it does not change results."""
        options = {RUNTIME_OPTIONS: self._chosen.record()} if self._chosen is not None else {}
        address = self.model_dump(exclude={"runtime", *NOT_RECORDED})
        return {**address, "runtime": self.runtime[0], **options}


def fields_of_kind(kind: str) -> dict[str, Any]:
    """The keys of a kind of devices, beside those of all, with their defaults; `dataclasses.MISSING` for none."""
    fields = dataclasses.fields(resolve(KINDS[kind].load))
    return {field.name: field.default for field in fields if field.init and field.name not in DeviceTable.model_fields}


def _in_editors(each: DeviceKey) -> JsonSchema:
    return {**each.form, "description": each.says, "examples": [each.example]}


def _of_kind(kind: str, own: set[str]) -> JsonSchema:
    fields = fields_of_kind(kind)
    condition: JsonSchema = {"properties": {"kind": {"const": kind}}}
    if kind != DEFAULT_KIND:
        condition["required"] = ["kind"]
    return {
        "if": condition,
        "then": {
            "required": [name for name, default in fields.items() if default is dataclasses.MISSING],
            "propertyNames": {"enum": sorted({*own, *fields})},
        },
    }
