"""What the tables on explanations choose among the methods, metrics, formats and devices of an experiment file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from converters import TFLITE
from harness.devices.device import make_device
from harness.devices.known import THIS_HOST, is_address, known_devices, short_name
from harness.errors import ConfigError
from harness.experiment.device_tables import DeviceTable
from harness.experiment.experiment import Agreement, Deployed, Metric, Named, Sanity
from harness.experiment.explanation_tables import (
    JudgeTable,
    MetricTable,
    NamedTable,
    OnDeviceTable,
    QualityTable,
    SaliencyTable,
)
from harness.experiment.names import require_known, require_unique
from harness.experiment.runtimes import with_runtimes
from harness.experiment.schema import ExperimentFile
from harness.quality.agreement_metrics import AGREEMENTS
from harness.quality.evaluation import metric_parameters
from harness.quality.metrics.metric_table import METRICS
from harness.saliency.methods.method_table import METHODS, parameters_of
from harness.saliency.precision import FLOAT32, float32_hint

MOST_VARIANTS = 1000  # of one method or metric by lists of values


class Choices:
    """What the tables on explanations choose among the methods, metrics, formats and devices of the file."""

    def __init__(self, file: ExperimentFile, *, folder: Path) -> None:
        self._file = file
        saliency, quality = file.saliency or SaliencyTable(), file.quality or QualityTable()
        self._saliency, self._quality = saliency, quality
        self.methods = _expanded(saliency.methods, METHODS, parameters_of, where="[saliency]", what="method")
        self.metrics = tuple(itertools.chain.from_iterable(map(self._metric, quality.metrics)))
        if self.metrics and not (self.methods or saliency.controls or saliency.on_device):
            raise ConfigError("[quality] metrics: nothing to judge, because [saliency] names no methods")
        if saliency.precision != FLOAT32 and not any(METHODS[method.name].takes_gradients for method in self.methods):
            raise ConfigError(
                f'[saliency] precision: "{saliency.precision}" is for methods of gradients, and [saliency] names none',
                hint=float32_hint("precision"),
            )
        for name in ("agreement", "sanity", "amplification"):
            if getattr(file, name) is not None and file.saliency is None:
                raise ConfigError(f"[{name}]: expected a [saliency] table beside it, which says what is explained")
        devices = tuple(_devices(file))
        require_unique([device.name for device in devices], where="devices")
        self.devices = tuple(with_runtimes(file, devices, folder=folder))

    def _metric(self, table: MetricTable) -> Iterator[Metric]:
        require_known(table.methods or (), METHODS, where="[quality] methods", what="method")
        for named in _expanded([table], METRICS, metric_parameters, where="[quality]", what="metric"):
            methods = None if table.methods is None else tuple(table.methods)
            yield Metric(name=named.name, parameters=named.parameters, methods=methods)

    def judges(self) -> tuple[Deployed, ...]:
        return tuple(self._judge(table) for table in self._quality.judge)

    def _judge(self, table: JudgeTable) -> Deployed:
        where = "[[quality.judge]]"
        every = (Named(name=metric.name, parameters=metric.parameters) for metric in self.metrics)
        asking = tuple(metric for metric in every if may_ask_an_artifact(metric))
        if table.metrics is None:
            metrics = asking
        else:
            metrics = _expanded(table.metrics, METRICS, metric_parameters, where=where, what="metric")
            _among(metrics, asking, where=f"{where} metrics", of="metrics of [quality] that ask a judge")
        if not metrics:
            raise ConfigError(
                f"{where}: nothing to judge, because no metric of [quality] asks a judge",
                hint='metrics = ["insertion_auc"] in [quality]',
            )
        return self._deployed(table, self._methods(table.methods, where=where), metrics, where=where)

    def on_device(self) -> tuple[Deployed, ...]:
        where = "[[saliency.on_device]]"
        chosen = []
        for table in self._saliency.on_device:
            methods = _expanded(table.methods, METHODS, parameters_of, where=where, what="method")
            for method in methods:
                if METHODS[method.name].takes_gradients:
                    raise ConfigError(
                        f'{where} methods: expected methods of forward passes only, got "{method.name}"',
                        hint=", ".join(name for name, spec in METHODS.items() if not spec.takes_gradients),
                    )
            chosen.append(self._deployed(table, methods, (), where=where))
        return tuple(chosen)

    def agreement(self) -> Agreement | None:
        table = self._file.agreement
        if table is None:
            return None
        require_known(table.metrics, AGREEMENTS, where="[agreement] metrics", what="agreement")
        if table.reference is None and not table.twins and not self._saliency.on_device:
            raise ConfigError(
                "[agreement]: nothing to compare, without a reference, twins or [[saliency.on_device]]",
                hint='reference = "gradient", or twins = true',
            )
        reference = self._methods([table.reference], where="[agreement] reference") if table.reference else ()
        if len(reference) > 1:
            raise ConfigError("[agreement] reference: expected one method, got a sweep of several")
        return Agreement(
            metrics=tuple(table.metrics),
            reference=reference[0] if reference else None,
            twins=table.twins,
        )

    def sanity(self) -> Sanity | None:
        table = self._file.sanity
        if table is None:
            return None
        methods = self._methods(table.methods, where="[sanity]")
        return Sanity(checks=tuple(table.checks), methods=methods, images=table.images)

    def _deployed(
        self, table: JudgeTable | OnDeviceTable, methods: tuple[Named, ...], metrics: tuple[Named, ...], *, where: str
    ) -> Deployed:
        known = (*self._file.formats, TFLITE)
        formats = known if table.formats is None else table.formats
        require_known(formats, dict.fromkeys(known), where=f"{where} formats", what="format of this experiment")
        devices: dict[str, DeviceTable] = {}
        for device in self.devices:
            devices.setdefault(device.name, device)  # of its runtimes, the first
        names = list(devices) if table.devices is None else table.devices
        require_known(names, devices, where=f"{where} devices", what="device of this experiment")
        return Deployed(
            methods=methods, metrics=metrics, formats=tuple(formats), devices=tuple(devices[name] for name in names)
        )

    def _methods(self, tables: list[NamedTable] | None, *, where: str) -> tuple[Named, ...]:
        if tables is None:
            return self.methods
        methods = _expanded(tables, METHODS, parameters_of, where=where, what="method")
        _among(methods, self.methods, where=f"{where} methods", of="methods of [saliency], with the same parameters")
        return methods


def may_ask_an_artifact(metric: Named) -> bool:
    """AOPC bounds take thousands of passes, one after the other: of the float model only."""
    needs = METRICS[metric.name].needs
    return "judge" in needs and "aopc_bounds" not in needs


def _devices(file: ExperimentFile) -> Iterator[DeviceTable]:
    """The file's own [[device]] tables, and those it calls by the name they have for all experiments."""
    for device in file.device:
        make_device(device.address())  # refuses what its kind does not know
        yield device
    if file.devices:
        known = known_devices()
        _require_known_devices(file, known)
        yield from (DeviceTable.model_validate(known[name]) for name in file.devices)
    if not file.device and not file.devices:
        yield DeviceTable.model_validate(THIS_HOST)


def _require_known_devices(file: ExperimentFile, known: Mapping[str, Any]) -> None:
    own = {device.name for device in file.device}
    for name in file.devices:
        if name in own and name not in known:
            raise ConfigError(
                f'devices: expected devices that are known for all experiments, got "{name}" of a [[device]] table',
                hint=f'devices without "{name}": the table is enough',
            )
        if name not in known and is_address(name):
            raise ConfigError(
                f'devices: expected a name, got the address "{name}"',
                hint=f'[[device]] with name = "{short_name(name)}", kind = "ssh" and host = "{name}"',
            )
    require_known(file.devices, known, where="devices", what="device")


def _expanded(
    tables: Iterable[NamedTable],
    table_of: Mapping[str, Any],
    complete: Callable[..., dict[str, Any]],
    *,
    where: str,
    what: str,
) -> tuple[Named, ...]:
    """Each name with all its parameters; a list of values for a parameter becomes one entry per value."""
    expanded = []
    for table in tables:
        require_known([table.name], table_of, where=f"{where} {what}s", what=what)
        given = table.model_extra or {}
        sweeps = [[(key, v) for v in (value if isinstance(value, list) else [value])] for key, value in given.items()]
        count = math.prod(map(len, sweeps))
        if not 0 < count <= MOST_VARIANTS:
            raise ConfigError(
                f"{where} {table.name}: expected values that combine in 1 to {MOST_VARIANTS:,} ways, got {count:,}"
            )
        for chosen in itertools.product(*sweeps):
            parameters = complete(table.name, dict(chosen), where=f"{where} {table.name}")
            expanded.append(Named(name=table.name, parameters=parameters))
    return tuple(expanded)


def _among(chosen: Iterable[Named], available: tuple[Named, ...], *, where: str, of: str) -> None:
    for one in chosen:
        if one not in available:
            values = ", ".join(f"{name} = {value}" for name, value in one.parameters.items())
            got = f'"{one.name}"' + (f" ({values})" if values else "")
            raise ConfigError(f"{where}: expected one of the {of}, got {got}")
