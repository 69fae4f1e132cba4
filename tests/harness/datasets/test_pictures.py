"""One way to open a picture: the documented formats, a bounded number of pixels, and the same pixels as ever."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.datasets import pixels
from harness.datasets.dataset import MOST_PIXELS
from harness.datasets.geometry import fit_image
from harness.datasets.pictures import FORMATS, decode_picture, read_picture
from harness.errors import ConfigError

RGB = np.random.default_rng(0).integers(0, 256, (30, 41, 3), np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_that_says(width: int, height: int) -> bytes:
    """A header that promises so many pixels, and hardly any data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def encoded(format: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(RGB)).save(buffer, format, **options)
    return buffer.getvalue()


def refusal(content: bytes, tmp_path: Path) -> str:
    (tmp_path / "picture.png").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_picture(tmp_path / "picture.png", where="image")
    return str(caught.value)


# ----------------------------------------------------------------------------------------------------------- formats
@pytest.mark.parametrize("format", FORMATS)
def test_documented_formats_are_read_whatever_the_name_says(format: str, tmp_path: Path) -> None:
    (tmp_path / "picture.eps").write_bytes(encoded(format))
    with Image.open(io.BytesIO(encoded(format))) as expected:
        np.testing.assert_array_equal(
            read_picture(tmp_path / "picture.eps", where="image"), np.asarray(expected.convert("RGB"))
        )


@pytest.mark.parametrize("format", ["EPS", "GIF", "TIFF", "PCX", "PPM", "ICO", "PDF", "TGA", "JPEG2000"])
def test_other_formats_never_reach_their_decoders(format: str, tmp_path: Path) -> None:
    content = encoded(format) if format != "JPEG2000" else b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(100)
    assert "its content is none of JPEG, PNG, BMP, WEBP" in refusal(content, tmp_path)


def test_postscript_in_a_jpg_does_not_start_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, trace = tmp_path / "bin" / "gs", tmp_path / "trace"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ntouch {trace}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    (tmp_path / "photo.jpg").write_bytes(encoded("EPS"))
    with pytest.raises(ConfigError, match="none of JPEG"):
        read_picture(tmp_path / "photo.jpg", where="image")
    assert not trace.exists()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bands_give_the_pixels_of_a_whole_conversion(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.fromarray(RGB).convert(mode)
    content = encoded("PNG", picture)
    with Image.open(io.BytesIO(content)) as whole:
        expected = np.asarray(whole.convert("RGB"))
    monkeypatch.setattr(pixels, "_BAND", 100)  # two rows each
    np.testing.assert_array_equal(decode_picture(content, name="p", where="image"), expected)


def test_cmyk_and_progressive_jpegs_are_read() -> None:
    for content in (encoded("JPEG", Image.fromarray(RGB).convert("CMYK")), encoded("JPEG", progressive=True)):
        with Image.open(io.BytesIO(content)) as whole:
            expected = np.asarray(whole.convert("RGB"))
        np.testing.assert_array_equal(decode_picture(content, name="p", where="image"), expected)


# ------------------------------------------------------------------------------------------------------------ bounds
@pytest.mark.parametrize("size", [(13_000, 13_000), (2**31 - 1, 2**31 - 1), (60_000, 60_000), (MOST_PIXELS + 1, 1)])
def test_too_many_pixels_are_refused_before_one_is_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    assert f"expected {MOST_PIXELS:,} pixels at most" in refusal(png_that_says(*size), tmp_path)


def test_webp_may_have_half_as_many_pixels(tmp_path: Path) -> None:
    bits = (16_383 - 1) | (4_096 + 2 - 1) << 14  # the header of a lossless one
    content = b"VP8L" + struct.pack("<I", 5 + 100) + b"\x2f" + struct.pack("<I", bits) + bytes(101)
    webp = b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content
    message = refusal(webp, tmp_path)
    assert "expected 67,108,864 pixels at most" in message or "could not be read" in message


MEMORY = """
import resource, sys
from pathlib import Path
from harness.datasets.pictures import read_picture

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_picture(Path(sys.argv[1]), where="image")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_a_large_photo_takes_no_more_than_eight_bytes_a_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (6000, 4000), (90, 10, 200)).save(tmp_path / "photo.jpg")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "photo.jpg")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 8 * 24e6 / 2**20


@pytest.mark.parametrize("size", [(3_000_000, 1), (1, 3_000_000), (500_000, 2)])
def test_a_strip_that_would_be_enlarged_without_end_is_refused(size: tuple[int, int]) -> None:
    strip = np.zeros((size[1], size[0], 3), np.uint8)
    record = {"height": 224, "width": 224, "resize": 256, "mean": [0.0] * 3}
    with pytest.raises(ConfigError, match=r"^strip.png: .* with a shorter side of 256"):
        fit_image(strip, record, name="strip.png")


# ------------------------------------------------------------------------------------------------------ broken files
@given(data=st.data(), format=st.sampled_from(FORMATS))
def test_broken_pictures_are_pixels_or_one_sentence(data: st.DataObject, format: str) -> None:
    content = bytearray(encoded(format))
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        read = decode_picture(bytes(content[:cut]), name="p", where="image")
    except ConfigError as error:
        assert str(error).startswith('image: "p"')  # noqa: PT017
    else:
        assert read.dtype == np.uint8
        assert read.shape[2] == 3
