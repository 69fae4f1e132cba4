"""What is no file is no model, and a look into a file that fails is a refusal."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from harness.errors import ConfigError
from harness.models import safety
from tests.harness.models.hostile_files import (
    dense,
    mine,
    packed,
    refusal,
    sequential,
    weights,
)


# --------------------------------------------------------------------------------------------------- what is no file
def test_pipe_device_and_socket_are_no_model_and_nobody_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.keras")
    (tmp_path / "zero.h5").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        listener.bind("socket.keras")
        for name in ("pipe.keras", "zero.h5", "socket.keras", "/dev/null"):
            sentence = refusal(tmp_path / name)
            assert "could not be read as a Keras model" in sentence or "expected an .h5 or .keras file" in sentence
            with pytest.raises(ConfigError, match="is neither"):
                mine(tmp_path / name).spec()


@pytest.mark.parametrize("part", ["config.json", "model.weights.h5", "metadata.json"])
def test_part_of_a_folder_that_is_a_link_or_a_pipe_is_refused(part: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.unpack_archive(packed(tmp_path / "m.keras", sequential(dense())), folder, "zip")
    (folder / part).rename(tmp_path / part)
    (folder / part).symlink_to(tmp_path / part)
    assert f'"{part}" is a link' in refusal(folder)
    (folder / part).unlink()
    os.mkfifo(folder / part)
    assert "neither a file nor a folder" in refusal(folder)


def test_link_to_a_model_is_the_model_and_a_link_to_itself_is_none(tmp_path: Path) -> None:
    packed(tmp_path / "m.keras", sequential(dense()))
    (tmp_path / "link").symlink_to("m.keras")
    with safety.examined("m", tmp_path / "link", trusted=False) as file:
        assert file.origin.container == "zip"
    (tmp_path / "loop.h5").symlink_to("loop.h5")
    assert "found no file" in refusal(tmp_path / "loop.h5")
    assert "found no file" in refusal(tmp_path / ("x" * 5000))


# ------------------------------------------------------------------------------------------------ the examiner itself
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("kill -SEGV $$", "died of SIGSEGV"),
        ("kill -XCPU $$", "took too long"),
        ("echo not json", "ended without a word"),
        ("echo '[]'", "said nothing"),
        ("exit 3", "ended without a word"),
    ],
)
def test_examiner_that_fails_is_a_refusal(
    script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    program = tmp_path / "python"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert why in refusal(path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert "could not be started" in refusal(path)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of address space is Linux's")
def test_examiner_has_a_limit_of_memory_of_its_own(tmp_path: Path) -> None:
    import resource

    from harness.models import examiner

    code = (
        "import sys, json, resource; from pathlib import Path; from harness.models import examiner;"
        "examiner._limit(Path(sys.argv[1])); print(json.dumps([resource.getrlimit(k)[0] for k in"
        "(resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True)
    assert json.loads(done.stdout) == [examiner.MEMORY, examiner.SECONDS, 0]
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] != examiner.SECONDS, "the limits are the other process's"


def test_examiner_runs_nothing_that_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    for name in ("json.py", "h5py.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('read from the current folder')")
    monkeypatch.chdir(tmp_path)
    with safety.examined("m", path, trusted=False) as file:
        assert file.origin.version == "3.10.0"


def test_weights_of_a_stranger_for_a_model_of_the_catalogue_are_examined_too(tmp_path: Path) -> None:
    from harness.models.catalogue import CATALOGUE, catalogue_model
    from harness.models.loading import load_model

    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["stem"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(ConfigError, match="is a link to another place"):
        load_model(catalogue_model("planted-float", CATALOGUE["planted-float"], weights=str(path)))


def test_no_weights_at_all_is_said(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(weights())
    assert "it describes no layers" in refusal(tmp_path / "weights.h5")
