"""`bitlens explain` of whatever a file may be called and hold: one sentence and exit code 2, or an answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from harness.cli.app import app
from harness.datasets.planted import draw
from harness.errors import ConfigError

MODEL = "planted-binary"  # its layers are Larq's, which autograph converts


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(draw(0, "test", 2)[0]).save(tmp_path / "moon.png")
    return tmp_path / "moon.png"


def refusal(*arguments: object) -> str:
    error = CliRunner().invoke(app, ["explain", MODEL, *map(str, arguments)]).exception
    assert isinstance(error, ConfigError), error
    return str(error)


def bitlens(folder: Path, *arguments: str | bytes) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose temporary folder is `folder`/tmp, on a terminal that takes ASCII."""
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONIOENCODING": "ascii"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["pipe", "device", "ring", "EPS", "too many pixels"])
def test_what_is_no_picture_is_refused_before_the_model_is_loaded_or_decoded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "ring":
        path.symlink_to(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "EPS":
        Image.new("RGB", (9, 9)).save(path, "EPS")
    else:
        Image.new("1", (13_000, 13_000)).save(path)
    assert refusal(path).startswith("image: ")


@pytest.mark.parametrize("target", ["9999999999", "9" * 5000, "-1", "1.5", "10", "nan"])
def test_a_target_that_is_no_class_is_a_sentence(picture: Path, target: str) -> None:
    message = refusal(picture, f"--target={target}")
    assert "--target: expected a class from 0 to 9" in message
    assert len(message) < 400


@pytest.mark.parametrize("option", ["--size", "--resize", "--seed"])
@pytest.mark.parametrize("value", ["1000000000000", "9" * 5000, "-1", "1e9"])
def test_a_number_without_sense_is_refused_at_once(picture: Path, option: str, value: str) -> None:
    result = CliRunner().invoke(app, ["explain", MODEL, str(picture), option, value])
    assert result.exit_code == 2
    assert "Invalid value" in result.output


@pytest.mark.parametrize("value", ["nan", "inf,0,0", "1e999", "9" * 9999, "", "x"])
@pytest.mark.parametrize("option", ["mean", "scale"])
def test_preprocessing_that_is_no_number_is_a_sentence(picture: Path, tmp_path: Path, option: str, value: str) -> None:
    (tmp_path / "mine.h5").touch()
    error = (
        CliRunner().invoke(app, ["explain", str(tmp_path / "mine.h5"), str(picture), f"--{option}={value}"]).exception
    )
    assert isinstance(error, ConfigError), error
    assert str(error).startswith(f"--{option}: expected numbers with commas between them, got")


@pytest.mark.parametrize("value", ["1000000000000", "9" * 5000, "0x" + "f" * 5000, "[" * 5000, "nan", "true"])
def test_a_parameter_without_sense_is_a_sentence(picture: Path, value: str) -> None:
    message = refusal(picture, "--method", "smoothgrad", f"--parameter=samples={value}")
    assert "samples: expected an integer from 1 to 100000, got" in message
    assert len(message) < 400


def test_a_labels_file_that_is_no_text_is_a_sentence(picture: Path, tmp_path: Path) -> None:
    labels = tmp_path / "names.txt"
    labels.write_bytes("café\n".encode("latin-1"))
    assert "line 1 is not UTF-8 text" in refusal(picture, "--labels", labels)
    labels.unlink()
    os.mkfifo(labels)
    assert "got a pipe" in refusal(picture, "--labels", labels)


def test_a_picture_of_any_name_is_explained_and_nothing_stays_in_the_temporary_folder(tmp_path: Path) -> None:
    pixels, _, _ = draw(0, "test", 2)
    name = b"caf\xe9 \x1b[31m \xe2\x80\xae.png"
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    os.rename(tmp_path / "plain.png", os.path.join(os.fsencode(tmp_path), name))
    options = ("--method", "smoothgrad", "--parameter", "samples=2", "--metric", "sparseness")
    for form in ((), ("--json",)):
        done = bitlens(tmp_path, "explain", MODEL, name, *options, *form)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "caf\\xe9 \\x1b[31m \\u202e.png" in (json.loads(done.stdout)[0]["image"] if form else done.stdout)
    assert len(os.listdir(tmp_path / "explanations")) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_sentence_about_any_name_can_be_printed(tmp_path: Path) -> None:
    done = bitlens(tmp_path, "explain", MODEL, b"missing caf\xe9\x1b[31m.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'bitlens: image: found no file "missing caf\\xe9\\x1b[31m.png"\n'
