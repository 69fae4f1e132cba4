"""Pictures of every kind: the pixels that their files mean, and a sentence where something is lost."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import ConfigError
from harness.experiment.reader import read_experiment
from tests.harness.strangers.data_sets.strange_folders import (
    RED,
    chunk,
    encoded,
    one_picture,
    opened,
    put,
    said,
)


def png_of(samples: np.ndarray, *, colour_type: int, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits a sample, (H, W, C)."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


GREY16 = np.array([[0, 255, 256, 0x1234], [0x7FFF, 0x8000, 0xFF00, 0xFFFF]], np.uint16)


@pytest.mark.parametrize("colour_type", [0, 2], ids=["grey", "colour"])
def test_16_bits_are_scaled_and_grey_is_what_colour_is(folder: Path, colour_type: int) -> None:
    samples = np.stack([GREY16] * (3 if colour_type == 2 else 1), axis=-1)
    image, dataset = one_picture(folder, png_of(samples, colour_type=colour_type))
    np.testing.assert_array_equal(image, np.stack([np.array([[0, 0, 1, 0x12], [0x7F, 0x80, 0xFF, 0xFF]])] * 3, axis=-1))
    assert ("1 of 3 pictures: 16 bits of grey" in said(dataset)) == (colour_type == 0)


def test_16_bits_of_an_8_bit_picture_are_that_picture(folder: Path) -> None:
    eight = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image, _ = one_picture(folder, encoded(Image.fromarray(eight.astype(np.uint16) * 257)))
    np.testing.assert_array_equal(image[..., 0], eight)


@pytest.mark.parametrize("key", [0, 0x8000])
def test_a_transparent_grey_of_16_bits_is_that_one_alone(folder: Path, key: int) -> None:
    extra = chunk(b"tRNS", struct.pack(">H", key))
    image, _ = one_picture(folder, png_of(GREY16[..., None], colour_type=0, extra=extra), alpha_over="#0a0b0c")
    expected = np.stack([GREY16 >> 8] * 3, axis=-1).astype(np.uint8)
    expected[key == GREY16] = (10, 11, 12)
    np.testing.assert_array_equal(image, expected)


def test_a_transparent_colour_of_16_bits_is_refused_unless_transparency_is_dropped(folder: Path) -> None:
    samples = np.stack([GREY16] * 3, axis=-1)
    content = png_of(samples, colour_type=2, extra=chunk(b"tRNS", struct.pack(">HHH", *[0x1234] * 3)))
    with pytest.raises(ConfigError, match="one colour of 16 bits is transparent, which is not read"):
        one_picture(folder, content)
    assert opened(folder, alpha_over="nothing").sample("test", 0).image[0, 3].tolist() == [0x12] * 3


RGBA = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
@pytest.mark.parametrize(("over", "colour"), [("white", 255), ("black", 0), ("#808080", 128)])
def test_alpha_is_laid_over_the_colour_that_was_said(folder: Path, format: str, over: str, colour: int) -> None:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    image, dataset = one_picture(folder, encoded(Image.fromarray(RGBA), format, **options), alpha_over=over)
    alpha = RGBA[..., 3:] / 255
    np.testing.assert_allclose(image, RGBA[..., :3] * alpha + colour * (1 - alpha), atol=1)
    assert f"1 of 3 pictures: transparent pixels, if any, laid over #{colour:02x}" in said(dataset)


def test_transparency_is_laid_over_white_by_default_and_dropped_over_nothing(folder: Path) -> None:
    image, _ = one_picture(folder, encoded(Image.new("RGBA", (4, 4), (10, 20, 30, 0))))
    assert (image == 255).all()
    dropped = opened(folder, alpha_over="nothing")
    assert dropped.sample("test", 0).image[0, 0].tolist() == [10, 20, 30]
    assert "1 of 3 pictures: transparency dropped" in said(dropped)


@pytest.mark.parametrize("mode", ["LA", "P", "L", "RGB", "1"])
def test_transparency_of_every_kind_counts(folder: Path, mode: str) -> None:
    if mode == "LA":
        content = encoded(Image.new("LA", (4, 4), (10, 0)))
    elif mode == "P":
        palette = Image.new("P", (4, 4), 3)
        palette.putpalette([7] * 768)
        content = encoded(palette, transparency=bytes([255, 255, 255, 0]))
    else:
        value: object = {"L": 10, "RGB": (10, 20, 30), "1": 0}[mode]
        content = encoded(Image.new(mode, (4, 4), value), transparency=value)  # type: ignore[arg-type]
    image, _ = one_picture(folder, content)
    assert (image == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_pictures_without_transparency_are_what_pillow_makes_of_them(folder: Path, mode: str) -> None:
    picture = Image.fromarray(RGBA[..., :3]).convert(mode)
    image, dataset = one_picture(folder, encoded(picture))
    np.testing.assert_array_equal(image, np.asarray(picture.convert("RGB")))
    assert dataset.remarks == ('1 of 2 classes without a picture in "test": "b"',)


@pytest.mark.parametrize("adobe", [True, False], ids=["inverted, as Adobe writes it", "plain"])
def test_cmyk_photos_are_read_and_said(folder: Path, adobe: bool) -> None:
    content = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    if not adobe:
        start = content.index(b"\xff\xee")
        content = content[:start] + content[start + 2 + int.from_bytes(content[start + 2 : start + 4], "big") :]
    image, dataset = one_picture(folder, content, suffix=".jpg")
    with Image.open(io.BytesIO(content)) as picture:
        np.testing.assert_array_equal(image, np.asarray(picture.convert("RGB")))
    assert "1 of 3 pictures: from CMYK" in said(dataset)


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_read_and_it_is_said(folder: Path, format: str) -> None:
    frames = [Image.new("RGB", (4, 4), (red, 0, 0)) for red in (10, 250)]
    options = {"lossless": True} if format == "WEBP" else {}
    image, dataset = one_picture(folder, encoded(frames[0], format, save_all=True, append_images=frames[1:], **options))
    assert image[0, 0].tolist() == [10, 0, 0]
    assert "1 of 3 pictures: the first frame of an animation" in said(dataset)


@pytest.mark.parametrize("format", ["GIF", "TIFF"])
def test_other_formats_under_the_name_of_a_picture_are_left_out_and_said(folder: Path, format: str) -> None:
    put(folder, *(f"{split}/{name}" for split in ("train", "test") for name in RED))
    picture = Image.fromarray(np.full((4, 4), 0.5, np.float32)) if format == "TIFF" else Image.new("L", (4, 4))
    (folder / "test" / "cat" / "9.png").write_bytes(encoded(picture, format))
    dataset = opened(folder)
    assert dataset.size("test") == 6
    assert '"test/cat/9.png" could not be read as an image (its content is none of JPEG' in said(dataset)


@pytest.mark.parametrize("text", ["wite", "#fff", "255", ""])
def test_a_colour_that_is_none_is_refused_where_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.toml").write_text(
        f'models = ["planted-float"]\n[dataset]\nkind = "image-folder"\npath = "set"\nalpha_over = "{text}"\n'
    )
    with pytest.raises(ConfigError, match=r'\[dataset\] alpha_over: expected "white", "black", a colour such as'):
        read_experiment(tmp_path / "e.toml")


@pytest.mark.parametrize(("bits", "greys"), [(2, (0, 85, 170, 255)), (4, (17, 187))])
def test_a_transparent_grey_of_few_bits_is_that_one_alone(folder: Path, bits: int, greys: tuple[int, ...]) -> None:
    head = struct.pack(">IIBBBBB", len(greys), 1, bits, 0, 0, 0, 0)
    key = greys[1] * (2**bits - 1) // 255
    parts = chunk(b"IHDR", head) + chunk(b"tRNS", struct.pack(">H", key))
    row = chunk(b"IDAT", zlib.compress(bytes([0, 0b00011011]))) + chunk(b"IEND", b"")
    image, _ = one_picture(folder, b"\x89PNG\r\n\x1a\n" + parts + row)
    assert image[0, :, 0].tolist() == [255 if grey == greys[1] else grey for grey in greys]
