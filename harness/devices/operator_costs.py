"""What each operator costs, from the times of the graph's prefixes: never less than nothing, and all of it in sum.

A prefix that is longer cannot truly take less time; where it was measured so, noise or a fusion of neighbours is at
work. So the times are replaced by those that never fall and are closest to them (isotonic regression, least squares),
none above that of the whole graph, which stays as it was measured. An operator's cost is the difference to its
neighbour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.devices.client import PREDICT_SECONDS
from harness.devices.device import Device, is_emulated
from harness.devices.job import Job
from harness.devices.runtime_choice import AUTO, Runtime
from harness.errors import DeviceError


def profile(
    device: Device,
    artifact_path: Path,
    *,
    num_threads: int = 1,
    runtime: Runtime = AUTO,
    inputs: dict[str, Any] | None = None,
    runs: int = 20,
) -> dict[str, Any]:
    """What each operator costs: {"method", "runtime", ..., "total_ns", "operators": [...]} of `operator_costs`.

    The runtimes' Python interpreters keep no such times, so prefixes of the graph are timed; `method` says so.
    Raises DeviceError, for an emulated device too: its time means nothing.
    """
    if is_emulated(device):
        raise DeviceError(f'device "{device.name}": emulated, so an operator has no time', hint="another device")
    job = Job(device=device, artifact=artifact_path, runtime=runtime, num_threads=num_threads)
    with job.put() as (session, sha256):
        answer = session.request(
            "profile",
            deadline_s=PREDICT_SECONDS,
            sha256=sha256,
            num_threads=num_threads,
            runs=runs,
            inputs=inputs,
            **job.executed_by(session),
        )
    return operator_costs(answer, artifact_path)


def operator_costs(answer: Mapping[str, Any], artifact: Path) -> dict[str, Any]:
    """The agent's answer with "total_ns", and "operators" in the graph's order instead of "prefix_ns".

    Each of them is {"name", "outputs", "macs", "prefix_ns", "ns"}: `prefix_ns` as it was measured, `ns` its cost. The
    names are read from the artifact. Raises DeviceError where they cannot be.
    """
    from converters.inspection.details import details
    from converters.schema import NotAnArtifact

    prefixes = answer["prefix_ns"]
    try:
        rows = [asdict(row) for row in details(artifact.read_bytes()).graphs[0].operators]
    except (OSError, NotAnArtifact) as error:
        raise DeviceError(f'artifact "{artifact}": the operators of its profile could not be named: {error}') from error
    operators = [
        {"name": row["operator"], "outputs": row["outputs"], "macs": row["macs"], "prefix_ns": prefix, "ns": cost}
        for row, prefix, cost in zip(rows, prefixes, costs(prefixes))
    ]
    rest = {name: value for name, value in answer.items() if name != "prefix_ns"}
    return {**rest, "total_ns": prefixes[-1], "operators": operators}


def costs(prefix_ns: Sequence[int]) -> list[int]:
    """Each operator's nanoseconds: at least 0, and their sum is the last prefix."""
    from scipy.optimize import isotonic_regression

    total = prefix_ns[-1]
    below = [min(time, total) for time in prefix_ns[:-1]]
    rising = [*map(round, isotonic_regression(below).x), total] if below else [total]
    return [now - before for now, before in zip(rising, [0, *rising])]
