"""What a folder's names or its labels.csv say of its pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.datasets.annotations import Box
from harness.datasets.contents import Content
from harness.datasets.dataset import LabelRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Labels and splits of pictures by name; the split is "" where the data set has none.

    called    the names of the splits in the data set.
    contents  what each picture holds.
    boxes     those that labels.csv lists.
    """

    class_names: tuple[str, ...]
    labels: dict[str, int]
    label_range: LabelRange
    splits: dict[str, list[str]]
    called: dict[str, str]
    contents: dict[str, Content]
    remarks: tuple[str, ...]
    boxes: dict[str, list[Box]] = field(default_factory=dict)
