"""What a person says of a model file of their own, and what the presets of normalization mean.

Every part may be left out: `harness.models.completion` fills it in from the file and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import ConfigError

CROP, SQUASH, PAD = "crop", "squash", "pad"
FITS = (CROP, SQUASH, PAD)
INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "area", "lanczos")
ORDERS = ("rgb", "bgr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalization:
    """input = (pixels - mean) * scale: one number for all channels, or for red, green and blue. `bgr`: blue first."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    bgr: bool = False

    @property
    def order(self) -> str:
        """The order of channels that it is meant for."""
        return "bgr" if self.bgr else "rgb"

    def in_order(self, order: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, scale) as a model takes them whose channels come in this order."""
        turned = -1 if order == "bgr" else 1
        return self.mean[::turned], self.scale[::turned]


# As `keras.applications` calls them (caffe, torch, tf), which means pixels of 0 to 255.
NORMALIZATIONS = {
    "caffe": Normalization(mean=(123.68, 116.779, 103.939), scale=(1.0,) * 3, bgr=True),
    "torch": Normalization(
        mean=tuple(255 * mean for mean in (0.485, 0.456, 0.406)),
        scale=tuple(1 / (255 * deviation) for deviation in (0.229, 0.224, 0.225)),
    ),
    "tf": Normalization(mean=(127.5,), scale=(1 / 127.5,)),
    "unit": Normalization(mean=(0.0,), scale=(1 / 255,)),
    "none": Normalization(mean=(0.0,), scale=(1.0,)),
}
NONE, DEFAULT = "none", "tf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is said of a model file beside it; None where nothing is.

    Each part is a key of [[model]] or [model.preprocessing], and means what docs/experiment-file.md says of that;
    `background` is background_class.
    """

    family: str | None = None
    classes: int | None = None
    height: int | None = None
    width: int | None = None
    fit: str | None = None
    resize: int | None = None
    pad_colour: tuple[int, ...] | None = None
    interpolation: str | None = None
    channel_order: str | None = None
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    normalization: str | None = None
    on_top: bool = False
    background: bool | None = None
    class_map: tuple[int, ...] | None = None
    keras: str | None = None

    @property
    def says_numbers(self) -> bool:
        """Whether anything is said of how pixels become the input."""
        return (self.normalization, self.mean, self.scale) != (None, None, None)

    def check(self, where: str) -> None:
        """Raises ConfigError, which begins with `where`, for parts that contradict each other."""
        if self.normalization is not None and (self.mean is not None or self.scale is not None):
            raise ConfigError(
                f'{where}: expected mean and scale or normalization = "{self.normalization}", got both',
                hint="one of them: a normalization is a mean and a scale",
            )
        if self.normalization is not None and NORMALIZATIONS[self.normalization].bgr and self.channel_order == "rgb":
            raise ConfigError(
                f'{where}: normalization = "{self.normalization}" takes blue first, got channel_order = "rgb"',
                hint="mean and scale in numbers instead",
            )
        if self.class_map is not None and self.background is not None:
            raise ConfigError(
                f"{where}: expected class_map or background_class, got both",
                hint="class_map alone: it has the class of each label",
            )
        if self.mean is not None and self.scale is not None:
            lengths = {len(self.mean), len(self.scale)} - {1}
            if len(lengths) > 1:
                raise ConfigError(
                    f"{where}: expected as many numbers in scale as in mean, got {len(self.scale)} and {len(self.mean)}"
                )
        if self.resize is not None and self.fit not in (None, CROP):
            raise ConfigError(
                f'{where}: resize is the shorter side of a picture before it is cropped, got fit = "{self.fit}"',
                hint=f'either resize or fit = "{self.fit}"',
            )
        if self.pad_colour is not None and self.fit != PAD:
            raise ConfigError(f'{where}: pad_colour fills what fit = "pad" leaves, got fit = "{self.fit or CROP}"')
