"""What the way to a board costs: an accuracy job's seconds over those of its inferences alone, over links of any speed.

    python benchmarks/links.py [--quick] [--json] [--save] [--images FOLDER] [--count 1000] [--links local ssh ...]

A link is an SSH server of our own on loopback, behind a proxy that holds everything back for a time (each way) and
lets so many bits pass a second. The board is an agent whose runtime sleeps instead of computing, for that takes no core
of this machine from the wire; its preprocessing is real. Three ways take turns with the inferences alone:

    one by one   16 MiB of pixels, then their scores, then the next: as it was
    in flight    requests on their way while the board computes, pixels as they are
    bitlens      the same, compressed while the board waits for the link

`cost_...` is a job's time, connecting included, over that of as many inferences in a process of their own, within a
round. The last table is of the pixels: the part of their bytes that is left, what packing and unpacking take (CPU, per
image), and the seconds of 1,000 images over 10 Mbit/s. Without --images they are drawn, and compress better than
photographs do.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Contender, Limits, Turns, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, positive, positive_int, publish
from benchmarks.slow_links import LINKS, SIDE, Seconds, alone, board_python, device_over
from device.perturbation import pack, unpack
from harness.datasets.planted import draw
from harness.devices import in_flight
from harness.devices.client import predict
from harness.devices.device import Device
from harness.devices.job import Job
from harness.devices.runtime_choice import AUTO
from tests.harness.devices.devices_under_test import FLOAT, running_ssh_server

RECORD = {"height": SIDE, "width": SIDE, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}
OLD_REQUEST = 16 << 20
Images = NDArray[np.uint8]


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


def measure(options: argparse.Namespace, images: Images, watch: Watch) -> dict[str, Turns]:
    """By link the seconds of each way, and of the inferences alone."""
    turns = {}
    with tempfile.TemporaryDirectory(prefix="bitlens-links-") as place, running_ssh_server(Path(place)) as server:
        python = board_python(Path(place), options.inference_ms / 1000)
        for name in options.links:
            with device_over(name, server, Path(place), python) as device:
                expected = bitlens(device, images[:1])  # sends the agent and the artifact
                contenders: dict[str, Contender] = {"alone": partial(alone, python, len(images))}
                contenders |= {way: timed(run, device, images, expected) for way, run in WAYS.items()}
                costs = {
                    f"cost_{name}_{way}".replace(" ", "_"): Comparison(
                        over(way, "alone"), f"{name}, {way}: over the inferences alone; 1 is perfect"
                    )
                    for way in WAYS
                }
                turns[name] = take_turns(contenders, costs, limits_of(options), between=watch.look, label=name)
    return turns


def timed(
    run: Callable[[Device, Images], Any], device: Device, images: Images, expected: NDArray[np.float32]
) -> Contender:
    def seconds() -> Seconds:
        began = time.monotonic()
        scores = run(device, images)
        taken = time.monotonic() - began
        assert np.array_equal(scores[:1], expected)
        return taken

    return seconds


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
    options, watch = _options(), Watch()
    images = pictures(options.images, options.count)
    sizes = formats(images[:100])
    turns = measure(options, images, watch)
    seconds = {link: {way: round(of.median(way), 2) for way in of.samples} for link, of in turns.items()}
    publish(
        options,
        watch,
        ratios={name: ratio for of in turns.values() for name, ratio in of.ratios.items()},
        figures={"seconds": seconds, "pixels": sizes},
        tables=tables(options, seconds, sizes),
    )


def tables(
    options: argparse.Namespace, seconds: dict[str, dict[str, float]], sizes: dict[str, dict[str, float]]
) -> list[Table]:
    ways, keys = ["alone", *WAYS], ("left", "pack_ms", "unpack_ms", "s_at_10mbit")
    return [
        Table(
            f"Seconds of {options.count} images of {SIDE}x{SIDE}, {options.inference_ms:g} ms each",
            ["link", *ways],
            [[link, *(f"{taken[way]:.2f}" for way in ways)] for link, taken in seconds.items()],
        ),
        Table(
            "The pixels on their way, for each image",
            ["form", "left of them", "pack ms", "unpack ms", "s of 1,000 at 10 Mbit/s"],
            [[name, *(f"{row[key]:.2f}" for key in keys)] for name, row in sizes.items()],
        ),
    ]


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits(width=0.05, least_rounds=6, most_rounds=20, most_seconds=300))
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--count", type=positive_int, default=1000, help="images of the job")
    parser.add_argument("--inference-ms", type=positive, default=10.0)
    known = ["local", *LINKS]
    parser.add_argument("--links", nargs="+", choices=known, default=known, metavar="LINK", help=", ".join(known))
    return parser.parse_args()


if __name__ == "__main__":
    main()
