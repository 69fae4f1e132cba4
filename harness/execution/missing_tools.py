"""What this machine lacks for an experiment and what that costs: said once when a run begins, and in its report."""

from __future__ import annotations

from collections.abc import Iterator

from converters import FORMATS
from harness.devices.device import KINDS
from harness.errors import BitlensError
from harness.experiment.experiment import Experiment
from harness.native.build import NoCompiler, host_target, source_of

EMULATED_TARGET = "aarch64"
COST = (
    "binarized artifacts run with Larq Compute Engine's own interpreter where that is installed, which is many times "
    "slower (docs/performance.md), and fail elsewhere"
)


def sentences(experiment: Experiment) -> Iterator[str]:
    """One for each kind of machine whose binarized artifacts cannot have our operators."""
    if not any(FORMATS[name].operators == "lce" for _, name in experiment.artifacts()):
        return
    for target in sorted(_targets(experiment)):
        try:
            source_of(target)
        except NoCompiler as error:
            problem, _, hint = str(error).partition("\n  try: ")
            yield f"{problem}: {COST}; to have ours: {hint}"
        except BitlensError:  # an architecture of neither x86 nor ARM: its units say so
            continue


def _targets(experiment: Experiment) -> set[str]:
    """A board over SSH says what it is when it is reached; until then nobody knows."""
    kinds = [KINDS[device.kind] for device in experiment.devices]
    return {EMULATED_TARGET if kind.is_emulated else host_target() for kind in kinds if kind.on_this_machine}
