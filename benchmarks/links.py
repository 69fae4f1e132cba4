"""What the way to a board costs: an accuracy job's seconds over those of its inferences alone, over links of any speed.

    python benchmarks/links.py [--json] [--images FOLDER] [--count 1000] [--inference-ms 10] [--links local ssh ...]

A link is an SSH server of our own on loopback, behind a proxy that holds everything back for a time (each way) and
lets so many bits pass a second. The board is an agent whose runtime sleeps instead of computing, for that takes no core
of this machine from the wire; its preprocessing is real. Three ways take turns:

    one by one   16 MiB of pixels, then their scores, then the next: as it was
    in flight    requests on their way while the board computes, pixels as they are
    bitlens      the same, compressed while the board waits for the link

`cost_...` is a job's time, connecting included, over count x inference-ms. The second table is of the pixels: the part
of their bytes that is left, what packing and unpacking take (CPU, per image), and the seconds of 1,000 images over
10 Mbit/s. Without --images they are drawn, and compress better than photographs do.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from device.perturbation import pack, unpack
from harness.datasets.planted import draw
from harness.devices import in_flight
from harness.devices.client import predict
from harness.devices.device import Device, make_device
from harness.devices.job import Job
from harness.devices.rounds import interleaved
from harness.devices.runtime_choice import AUTO
from tests.harness.devices.devices_under_test import FLOAT, free_port, running_ssh_server

SIDE = 224
RECORD = {"height": SIDE, "width": SIDE, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}
OLD_REQUEST = 16 << 20
Images = NDArray[np.uint8]
Seconds = float

# A runtime that is asked as any other is.
SLEEPING = """
import time
import numpy as np
class Graph:
    def NumNodes(self): return 0
class Interpreter:
    _interpreter = Graph()
    def __init__(self, **how): pass
    def allocate_tensors(self): pass
    def _get_ops_details(self): return []
    def get_input_details(self):
        shape = np.array([1, {side}, {side}, 3])
        return [dict(name="x", index=0, shape=shape, shape_signature=shape, dtype=np.float32, quantization=(0.0, 0))]
    def get_output_details(self):
        return [dict(name="y", index=1, shape=np.array([1, 5]), dtype=np.float32, quantization=(0.0, 0))]
    def set_tensor(self, index, array): self._array = array.copy()
    def invoke(self): time.sleep({seconds})
    def get_tensor(self, index): return self._array[:, 0, :5, 0]
"""
PYTHON = '#!/bin/sh\nPYTHONPATH={site} exec {python} "$@"\n'
SSH = """Host board
    HostName 127.0.0.1
    Port {port}
    IdentityFile {folder}/client_key
    IdentitiesOnly yes
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking no
    LogLevel ERROR
"""


@dataclass(frozen=True)
class Link:
    """`delay_s` each way; `bits_per_s` None for as many as the machine moves."""

    delay_s: float = 0.0
    bits_per_s: float | None = None


LINKS = {
    "ssh": Link(),
    "ssh-20ms": Link(delay_s=0.02),
    "ssh-100mbit": Link(bits_per_s=100e6),
    "ssh-10mbit": Link(bits_per_s=10e6),
}


def one_by_one(device: Device, images: Images) -> Images:
    size, found = OLD_REQUEST // images[0].nbytes, []
    job = Job(device=device, artifact=FLOAT, runtime=AUTO, num_threads=1, preprocessing=RECORD)
    with job.loaded() as (session, _):
        for first in range(0, len(images), size):
            answer = session.request("predict", deadline_s=3600, images=pack(images[first : first + size]))
            found.append(in_flight.scores_of(answer))
    return np.concatenate(found)


def bitlens(device: Device, images: Images) -> NDArray[np.float32]:
    return predict(device, FLOAT, images, preprocessing=RECORD).scores


def never_compressed(device: Device, images: Images) -> NDArray[np.float32]:
    compressed, in_flight.compressed = in_flight.compressed, pack
    try:
        return bitlens(device, images)
    finally:
        in_flight.compressed = compressed


WAYS: dict[str, Callable[[Device, Images], Any]] = {
    "one by one": one_by_one,
    "in flight": never_compressed,
    "bitlens": bitlens,
}


@contextmanager
def proxy(link: Link, target: int) -> Iterator[int]:
    """The port of a process that passes on what it gets to the port `target`, as slowly as the link."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(link, port, target), daemon=True)
    process.start()
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def _serve(link: Link, port: int, target: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(_pass_on(link, reader, there_writer), _pass_on(link, there_reader, writer))

    async def serve() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
            await server.serve_forever()

    asyncio.run(serve())


async def _pass_on(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes in leaves when the link has moved it, and its delay has passed; so much at most is under way."""
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

    async def take() -> None:
        free_at = 0.0
        while True:
            content = await reader.read(1 << 14)
            took = 8 * len(content) / link.bits_per_s if link.bits_per_s else 0.0
            free_at = max(free_at, time.monotonic()) + took
            await waiting.put((free_at + link.delay_s, content))
            if not content:
                return
            await asyncio.sleep(max(0.0, free_at - time.monotonic()))

    async def give() -> None:
        while True:
            due, content = await waiting.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not content:
                writer.close()
                return
            writer.write(content)
            await writer.drain()

    await asyncio.gather(take(), give(), return_exceptions=True)


@contextmanager
def device_over(name: str, server: Any, folder: Path, python: Path) -> Iterator[Device]:
    """The board at the end of the link."""
    row = {"name": name, "python": str(python), "cache": str(folder / "cache")}
    if name == "local":
        yield make_device({**row, "kind": "local"})
        return
    with proxy(LINKS[name], server.port) as port:
        config = folder / name
        config.write_text(SSH.format(port=port, folder=server.folder))
        yield make_device({**row, "kind": "ssh", "host": "board", "config": str(config)})


def measure(options: argparse.Namespace, images: Images) -> dict[str, list[Seconds]]:
    """The seconds of each way over each link, once per round."""
    times: dict[str, list[Seconds]] = {}
    with tempfile.TemporaryDirectory(prefix="bitlens-links-") as place, running_ssh_server(Path(place)) as server:
        python = board_python(Path(place), options.inference_ms / 1000)
        for name in options.links:
            with device_over(name, server, Path(place), python) as device:
                expected = bitlens(device, images[:1])  # sends the agent and the artifact
                for number, way in interleaved(list(WAYS), rounds=options.rounds, seed=0):
                    began = time.monotonic()
                    scores = WAYS[way](device, images)
                    times.setdefault(f"{name} {way}", []).append(time.monotonic() - began)
                    assert np.array_equal(scores[:1], expected)
                    print(f"{name}, round {number + 1}: {way} {times[f'{name} {way}'][-1]:.2f} s", file=sys.stderr)
    return times


def board_python(folder: Path, seconds: Seconds) -> Path:
    """An interpreter whose runtime sleeps."""
    package = folder / "site" / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    text = SLEEPING.replace("{side}", str(SIDE)).replace("{seconds}", str(seconds))
    (package / "interpreter.py").write_text(text)
    python = folder / "python"
    python.write_text(PYTHON.format(site=folder / "site", python=sys.executable))
    python.chmod(0o755)
    return python


def png(image: Images) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def formats(images: Images) -> dict[str, dict[str, float]]:
    """What is left of the pixels in each form, and what packing and unpacking an image takes."""

    def rated(packing: Callable[[], list[Any]], unpacking: Callable[[Any], Any], size: Callable[[Any], int]) -> Any:
        began = time.process_time()
        packed = packing()
        between = time.process_time()
        again = np.concatenate([np.asarray(unpacking(part)).reshape(-1, *images.shape[1:]) for part in packed])
        done = time.process_time()
        assert np.array_equal(again, images)
        left = sum(map(size, packed)) / images.nbytes
        each = 1000 / len(images)
        return {
            "left": left,
            "pack_ms": each * (between - began),
            "unpack_ms": each * (done - between),
            "s_at_10mbit": 1000 * left * images[0].nbytes * 8 / 10e6,
        }

    def inflated(content: bytes) -> Images:
        return np.frombuffer(zlib.decompress(content), np.uint8)

    parts = [images[piece] for piece in in_flight.pieces(len(images), images[0].nbytes)]
    return {
        "pixels": rated(lambda: parts, lambda part: part, lambda part: part.nbytes),
        "zlib": rated(lambda: [zlib.compress(part.tobytes()) for part in parts], inflated, len),
        "PNG": rated(lambda: [png(image) for image in images], lambda file: Image.open(io.BytesIO(file)), len),
        "bitlens": rated(
            lambda: [in_flight.compressed(part) for part in parts], unpack, lambda packed: len(packed["content"])
        ),
    }


def pictures(folder: Path | None, count: int) -> Images:
    """(count, SIDE, SIDE, 3): those of the folder over and over, the middle of each; or ones drawn side by side."""
    if folder is None:
        drawn = [draw(0, "test", index)[0] for index in range(160)]
        rows = [np.concatenate(drawn[first : first + 4], axis=1) for first in range(0, 160, 4)]
        taken = np.stack([np.concatenate(rows[first : first + 4])[:SIDE, :SIDE] for first in range(0, 40, 4)])
        return np.ascontiguousarray(taken[np.arange(count) % len(taken)])
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    chosen = np.random.default_rng(0).permutation(len(files))[:100]
    taken = np.stack([_middle(files[i]) for i in chosen])
    return np.ascontiguousarray(taken[np.arange(count) % len(taken)])


def _middle(path: Path) -> Images:
    image = Image.open(path).convert("RGB")
    factor = 256 / min(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))


def main() -> None:
    options = _options()
    images = pictures(options.images, options.count)
    sizes = formats(images[:100])
    times = measure(options, images)
    pure = options.count * options.inference_ms / 1000
    costs = {name: sorted(taken / pure for taken in rounds) for name, rounds in times.items()}
    if options.json:
        ratios = {f"cost_{name}".replace(" ", "_"): statistics.median(found) for name, found in costs.items()}
        print(json.dumps({"ratios": ratios, "figures": {"seconds": times, "pixels": sizes}}))
        return
    print(f"{options.count} images of {SIDE}x{SIDE}, {options.inference_ms:g} ms each: {pure:.1f} s")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print(f"{'link':14}" + "".join(f"{way:>24}" for way in WAYS))
    for link in options.links:
        found = [costs[f"{link} {way}"] for way in WAYS]
        print(
            f"{link:14}" + "".join(f"{statistics.median(c):10.2f} [{c[0]:.2f}, {c[-1]:.2f}]".rjust(24) for c in found)
        )
    print(f"\n{'pixels':10}{'left':>8}{'pack ms':>10}{'unpack ms':>11}{'s at 10 Mbit/s':>16}")
    for name, row in sizes.items():
        shown = f"{row['left']:8.3f}{row['pack_ms']:10.2f}{row['unpack_ms']:11.2f}{row['s_at_10mbit']:16.1f}"
        print(f"{name:10}{shown}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print only {ratios, figures}")
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--count", type=int, default=1000, help="images of the job")
    parser.add_argument("--inference-ms", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    known = ("local", *LINKS)
    parser.add_argument("--links", nargs="+", choices=known, default=known, metavar="LINK", help=", ".join(known))
    return parser.parse_args()


if __name__ == "__main__":
    main()
