"""Changes valid model files by structure and reads them: `python -m tests.fuzz.model_files --count 2000 --seed 0`.

What must hold for each: it becomes a model, or one sentence says why not; nothing of it is executed, nothing is written
outside of the temporary folder and nothing is left in it; no process takes more than 2 GiB; what must be refused is
refused. Files are read in worker processes of a hundred each, so that one that dies is one that is counted.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from device.telemetry import peak_rss_bytes
from tests.fuzz.config_mutations import CONFIG_MUTATIONS, as_text
from tests.fuzz.graph_mutations import GRAPH_MUTATIONS
from tests.fuzz.valid_models import BASES, make_bases
from tests.fuzz.watch import Watch

ROOT = Path(__file__).parents[2]
BATCH = 100
PATIENCE = 180  # seconds for one file, of a machine that is busy
MOST_KIB = 2 * 2**20
FILE_MUTATIONS = ("bytes", "cut", "suffix", "two at once", "zip entries", "large")


# ------------------------------------------------------------------------------------------------------------- changes
def mutated(base: Path, target: Path, rng: random.Random, canary: Path) -> tuple[Path, str, bool]:
    """(the changed file, what was done, whether it must be refused)."""
    if base.is_dir():
        shutil.copytree(base, target)
        change = rng.choice(GRAPH_MUTATIONS)
        return target, change.__name__, change(target, rng, canary)
    target = target.with_suffix(base.suffix)
    if rng.random() < 0.2:
        shutil.copy(base, target)
        kind = rng.choice(FILE_MUTATIONS)
        return *_change_file(target, kind, rng), False
    config = _config(base)
    must, done = False, []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        change = rng.choice(CONFIG_MUTATIONS)
        try:
            must = change(config, rng, canary) or must
        except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            continue  # nothing of that kind was left to change
        done.append(change.__name__)
    if len(done) > 1 or not done:
        must = False  # a later change may have taken the harm away again
    text, how = as_text(config, rng)
    _write_config(base, target, text)
    return target, how or (done[0] if len(done) == 1 else "several"), must and not how


def _config(base: Path) -> Any:
    if base.suffix == ".keras":
        return json.loads(zipfile.ZipFile(base).read("config.json"))
    import h5py

    with h5py.File(base) as file:
        return json.loads(file.attrs["model_config"])


def _write_config(base: Path, target: Path, text: str) -> None:
    if base.suffix == ".keras":
        with zipfile.ZipFile(base) as old, zipfile.ZipFile(target, "w") as new:
            for name in old.namelist():
                new.writestr(name, text if name == "config.json" else old.read(name))
        return
    import h5py

    shutil.copy(base, target)
    with h5py.File(target, "r+") as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = text


def _change_file(path: Path, kind: str, rng: random.Random) -> tuple[Path, str]:
    content = bytearray(path.read_bytes())
    if kind == "bytes":
        for _ in range(rng.choice((1, 5, 50))):
            content[rng.randrange(len(content))] = rng.randrange(256)
    elif kind == "cut":
        del content[rng.randrange(len(content)) :]
    elif kind == "two at once":
        other = bytes.fromhex("894844460d0a1a0a") if path.suffix == ".keras" else b"PK\x05\x06" + bytes(18)
        content = bytearray(bytes(content) + other) if rng.random() < 0.5 else bytearray(other + bytes(content))
    path.write_bytes(content)
    if kind == "suffix":
        return path.rename(path.with_suffix(rng.choice((".h5", ".keras", ".zip", "")))), kind
    if kind in ("zip entries", "large"):
        _add_entries(path, kind, rng)
    return path, kind


def _add_entries(path: Path, kind: str, rng: random.Random) -> None:
    if not zipfile.is_zipfile(path):
        import h5py

        with h5py.File(path, "r+") as file:
            if kind == "large":
                file.create_dataset("more", (10**5, 10**6), "f4", chunks=(100, 1000), compression="gzip")
            else:
                file["more"] = rng.choice((h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink("/")))
        return
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        if kind == "large":
            archive.writestr("assets/zeros", bytes(2**24))
        else:
            name = rng.choice(("../../harm", "/tmp/harm", "assets/x.txt", "config.json", "C:\\harm", "inner.zip"))
            archive.writestr(name, b"harm")


# -------------------------------------------------------------------------------------------------------------- oracles


def work(bases: Path, seed: int, first: int, count: int) -> None:
    """Read the files of these numbers; a line of JSON about each."""
    for package in ("tensorflow", "keras", "tf_keras", "larq"):
        importlib.import_module(package)  # which opens sockets and asks the system what it is
    temporary = Path(tempfile.gettempdir())
    canary = bases / "canary"
    canary.mkdir(exist_ok=True)
    watch = Watch(temporary)
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        base = bases / rng.choice(BASES)
        folder = Path(tempfile.mkdtemp(dir=bases))
        path, kind, must = mutated(base, folder / "model", rng, canary)
        before = set(os.listdir(temporary))
        watch.seen.clear()
        watch.active = True
        outcome, broken = _read(path, predict=kind not in ("blow_up", "blow_up_constants", "several"))
        watch.active = False
        broken += watch.seen
        left = set(os.listdir(temporary)) - before  # those of autograph are TensorFlow's, as long as it runs
        broken += [f"left {name} behind" for name in left if not name.startswith("__autograph")]
        broken += [f"wrote {name.name}" for name in canary.iterdir()]
        if must and outcome == "model":
            broken.append("was read, and must be refused")
        peak = max((peak_rss_bytes() or 0) >> 10, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        if peak > MOST_KIB:
            broken.append(f"a process took {peak >> 10} MiB")
        line = {"number": number, "base": base.name, "kind": kind, "outcome": outcome, "broken": broken, "peak": peak}
        print("CASE " + json.dumps(line), flush=True)
        shutil.rmtree(folder)
        shutil.rmtree(canary)
        canary.mkdir()


def _read(path: Path, *, predict: bool) -> tuple[str, list[str]]:
    import traceback

    import numpy as np

    from harness.errors import BitlensError
    from harness.models.completion import complete
    from harness.models.declared import Declared
    from harness.models.lookup import own_file

    try:
        model = complete(own_file(path, Declared(), output="", trusted=False, module=None), []).keras_model
    except BitlensError as error:
        sentence = str(error).split("\n  try: ")[0]
        lines = [] if len(sentence.splitlines()) == 1 else [f"a sentence of several lines: {sentence!r}"]
        return _outcome(sentence), lines
    except Exception:
        return "traceback", [traceback.format_exc()[-1500:]]
    if predict:
        try:
            model(np.zeros((1, *model.input_shape[1:]), np.float32), training=False)
        except Exception:  # a model that does not work is none of ours; one that does harm leaves a trace
            return "model", []
    return "model", []


def _outcome(sentence: str) -> str:
    kinds = {"not on the list": "not on the list", " says: ": "refused by Keras", "could not be read": "unreadable"}
    return next((outcome for part, outcome in kinds.items() if part in sentence), "no classifier")


# --------------------------------------------------------------------------------------------------------------- driver
def run(*, count: int, seed: int, first: int = 0, progress: bool = False) -> list[dict[str, Any]]:
    """What became of each file of these numbers."""
    with tempfile.TemporaryDirectory(prefix="bitlens-fuzz-") as folder:
        bases = Path(folder)
        (bases / "tmp").mkdir()
        list(_worker(bases, ["--bases"]))
        results: list[dict[str, Any]] = []
        while len(results) < count:
            done, batch = len(results), min(BATCH, count - len(results))
            options = ["--work", str(seed), str(first + done), str(batch)]
            for result in _worker(bases, options):
                results.append(result)
                if progress and result["broken"]:
                    print("\n".join([f"{result['number']}: {result['base']}, {result['kind']}", *result["broken"]]))
            if len(results) < done + batch:  # the worker died or hangs at the next
                results.append(
                    {"number": first + len(results), "base": "?", "kind": "?", "outcome": "died", "broken": ["died"]}
                )
            if progress:
                broken = sum(bool(result["broken"]) for result in results)
                print(f"{len(results)} of {count} files, {broken} broke a promise", flush=True)
        return results


def _worker(bases: Path, options: list[str]) -> Iterator[dict[str, Any]]:
    environment = {**os.environ, "TMPDIR": str(bases / "tmp"), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.fuzz.model_files", "--folder", str(bases), *options]
    with (bases / "errors").open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=ROOT)
    assert process.stdout is not None
    with process:
        while select.select([process.stdout], [], [], PATIENCE)[0]:
            line = process.stdout.readline()
            if not line:
                break
            if line.startswith(b"CASE "):
                yield json.loads(line[5:])
        else:
            process.kill()


def table(results: list[dict[str, Any]]) -> str:
    """How many of each kind ended how."""
    outcomes = sorted({result["outcome"] for result in results})
    counts = Counter((result["kind"], result["outcome"]) for result in results)
    kinds = sorted({result["kind"] for result in results})
    rows = [["kind", *outcomes]]
    rows += [[kind, *(str(counts[kind, outcome] or "") for outcome in outcomes)] for kind in kinds]
    rows += [["all", *(str(sum(counts[kind, outcome] for kind in kinds)) for outcome in outcomes)]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file, to go on where a run ended")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bases", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bases or options.work:
        from harness import keras_packages

        keras_packages.set_up()
        make_bases(options.folder) if options.bases else work(options.folder, *options.work)
        return 0
    results = run(count=options.count, seed=options.seed, first=options.first, progress=True)
    print(table(results))
    broken = [result for result in results if result["broken"]]
    print(f"{max(result.get('peak', 0) for result in results) >> 10} MiB was the most that a process took")
    print(f"{len(broken)} of {len(results)} files broke a promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
