"""What a flatbuffer of the user's own says of itself, for `harness.models.completion`."""

from __future__ import annotations

from dataclasses import replace

from converters.metadata import metadata
from device.runtimes import LCE_OPERATORS
from harness.errors import ConfigError
from harness.models.catalogue import Model
from harness.models.declared import Declared
from harness.models.findings import Findings, by_own_preprocessing
from harness.models.flatbuffer_front import own_preprocessing_of_flatbuffer
from harness.models.flatbuffer_model import FlatbufferModel
from harness.models.flatbuffer_outputs import kind_by_head
from harness.models.flatbuffer_preprocessing import contradiction, levels, metadata_against, proposal, range_of
from harness.models.inferred import Record, arithmetic
from harness.models.own_preprocessing import OwnPreprocessing
from harness.models.preprocessing_record import normalization_of


def findings_of_flatbuffer(model: Model, declared: Declared, opened: FlatbufferModel) -> Findings:
    """Raises ConfigError where a quantized input is like none that we know, and nobody says what goes in there."""
    values, said = range_of(opened.content), metadata(opened.content)
    proposed = proposal(values, said, channels=opened.inputs[0].shape[3])
    own = OwnPreprocessing()
    if proposed is None and values is None:
        own = own_preprocessing_of_flatbuffer(opened)
    elif proposed is None and not declared.says_numbers:
        raise ConfigError(
            f'model "{model.name}": it is unknown how pixels become its {values}',
            hint="mean and scale, or a normalization, in its [model.preprocessing] table",
        )
    remark = metadata_against(values, said)
    return Findings(
        family="binarized" if _is_binarized(opened) else "full-precision",
        own=own,
        proposed=proposed or by_own_preprocessing(declared, own),
        names=said.labels,
        kind=kind_by_head(opened.content),
        remark=f"its metadata is not followed, which {remark}" if remark else "",
    )


def check_range(model: Model, declared: Declared, opened: FlatbufferModel, record: Record) -> None:
    """Raises ConfigError where what was declared makes other values of pixels than a quantized input was made for."""
    values = range_of(opened.content)
    if values is None or declared.on_top or not declared.says_numbers:
        return
    against = contradiction(values, levels(normalization_of(record)))
    if against:
        raise ConfigError(
            f'model "{model.name}": input = {arithmetic(record)} {against}, and the file was made for its {values}',
            hint="no normalization, mean or scale, since its range says it; on_top = true if it was trained so",
        )


def only_measured(model: Model, declared: Declared, opened: FlatbufferModel, why: str) -> Model:
    """The record of a file of which there are no class scores. Raises ConfigError where somebody speaks of some."""
    family = declared.family or ("binarized" if _is_binarized(opened) else "full-precision")
    if replace(declared, family=None) != Declared() or model.output or model.reference:
        raise ConfigError(
            f'model "{model.name}": {why}, so accuracy is not defined for it, and only its latency is measured',
            hint="nothing but name, path and family in its [[model]] table",
        )
    return replace(model, family=family, is_flatbuffer=True, unscored=why, declared=None)


def _is_binarized(opened: FlatbufferModel) -> bool:
    return any(name.startswith(LCE_OPERATORS) for name in opened.contents.custom_operators)
