"""Maps per second of the gradient engine against tf-keras-vis, xplique and a plain tf.function, interleaved in one run.

    python benchmarks/saliency.py [--quick] [--memory] [--json] [--output figures.json]
    python benchmarks/saliency.py --combine mobilenet.json resnet.json     one run per model, read together

Every contender lives in a process of its own, so that each has the thread settings it is best with and memory can be
told apart; only one of them works at a time. Models have random weights. Ratios above 1 mean that ours is faster.
All contenders differentiate the same logits, but tf-keras-vis on RealToBinaryNet, whose softmax layer it leaves in;
class activation maps are taken from the same layer. xplique and the plain function each use their best batch size.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.saliency_contenders import IMAGES, work

MODELS = ("MobileNetV2", "EfficientNetB0", "ResNet50", "VGG16", "QuickNet", "RealToBinaryNet", "BinaryAlexNet")
QUICK = ("MobileNetV2", "QuickNet", "BinaryAlexNet")
CONTENDERS = ("ours", "tf-keras-vis", "xplique", "plain")
METHODS = ("gradient", "gradcam", "smoothgrad")
TOGETHER = "gradient+gradcam"


def main() -> None:
    arguments = _arguments()
    figures = combined(arguments.combine) if arguments.combine else measure(arguments)
    result = {"ratios": ratios(figures), "figures": figures}
    if arguments.output:
        Path(arguments.output).write_text(json.dumps(result, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(result))
    else:
        print(table(figures["maps_per_second"]))
        print(json.dumps(result["ratios"], indent=1))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of a run: maps per second by model, method and contender, and what they were taken on."""
    names = arguments.networks or (QUICK if arguments.quick else MODELS)
    return {
        "schema": 1,
        "machine": _machine(),
        "images": IMAGES,
        "samples": arguments.samples,
        "clock": arguments.clock,
        "maps_per_second": {name: measure_model(name, arguments) for name in names},
        "peak_rss_mib": measure_memory() if arguments.memory else {},
    }


def combined(paths: list[str]) -> dict[str, Any]:
    """The figures of several runs as one; what they were taken on is that of the first."""
    runs = [json.loads(Path(path).read_text())["figures"] for path in paths]
    rates: dict[str, dict[str, Any]] = {}
    for run in runs:
        for name, by_method in run["maps_per_second"].items():
            rates.setdefault(name, {}).update(by_method)
    peaks = {contender: peak for run in runs for contender, peak in run["peak_rss_mib"].items()}
    return {**runs[0], "maps_per_second": rates, "peak_rss_mib": peaks}


def measure_model(name: str, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Median maps per second by method and contender; whoever is compared takes turns."""
    rounds, clock = arguments.rounds, ("wall", "cpu").index(arguments.clock)
    rates: dict[str, dict[str, float]] = {}
    contenders = ("ours",) if list(arguments.methods) == [TOGETHER] else CONTENDERS
    with _workers(name, contenders, arguments.samples) as workers:

        def seconds(takers: list[tuple[str, str]], repeats: int) -> list[float]:
            """The median of each (contender, job)."""
            taken: dict[tuple[str, str], list[float]] = {taker: [] for taker in takers}
            for turn in range(repeats):
                for i in range(len(takers)):
                    contender, job = takers[(i + turn) % len(takers)]
                    taken[contender, job].append(_ask(workers[contender], job)[clock])
            return [statistics.median(times) for times in taken.values()]

        for method in METHODS:
            if method in arguments.methods:
                measured = seconds(
                    [(c, method) for c in CONTENDERS], min(rounds, 2) if method == "smoothgrad" else rounds
                )
                rates[method] = {c: IMAGES / taken for c, taken in zip(CONTENDERS, measured, strict=True)}
        if TOGETHER in arguments.methods:
            both, gradient, gradcam = seconds([("ours", job) for job in (TOGETHER, "gradient", "gradcam")], rounds)
            taken = {"one pass": both, "two": gradient + gradcam, "gradient alone": gradient}
            rates[TOGETHER] = {way: IMAGES / took for way, took in taken.items()}
        about = _ask(workers["ours"], "about")
    if "gradient" in rates:
        # Backwards to the input costs what the forward pass does; gradients of weights are not asked for.
        achieved = rates["gradient"]["ours"] * 2 * about["forward_gflop"]
        rates["gflops"] = {"achieved": achieved, "machine": about["machine_gflops"]}
    print(name, json.dumps(rates), file=sys.stderr, flush=True)
    return rates


def measure_memory() -> dict[str, float]:
    """Peak resident MiB of the whole process for SmoothGrad with 50 samples on VGG16, each in a fresh one."""
    peaks = {}
    for contender in ("ours", "tf-keras-vis"):
        with _workers("VGG16", contenders=(contender,)) as workers:
            _ask(workers[contender], "smoothgrad50")
            peaks[contender] = _ask(workers[contender], "about")["peak_rss_mib"]
    return peaks


def ratios(figures: dict[str, Any]) -> dict[str, float]:
    """How many times as fast ours is, over models; `vs_xplique` and `vs_plain_function` over the methods, too."""
    rates: dict[str, dict[str, dict[str, float]]] = figures["maps_per_second"]

    def against(contender: str, *methods: str) -> list[float]:
        return [
            by_method[method]["ours"] / by_method[method][contender]
            for method in methods
            for by_method in rates.values()
            if method in by_method
        ]

    compared = {f"{method}_vs_tfkerasvis": against("tf-keras-vis", method) for method in METHODS}
    compared |= {"vs_xplique": against("xplique", *METHODS), "vs_plain_function": against("plain", *METHODS)}
    result = {
        f"{name}_{of}": take(factors)
        for name, factors in compared.items()
        if factors
        for of, take in (("median", statistics.median), ("least", min))
    }
    if together := [by_method[TOGETHER] for by_method in rates.values() if TOGETHER in by_method]:
        for name, way in (("apart", "two"), ("gradient_alone", "gradient alone")):
            faster = [rate["one pass"] / rate[way] for rate in together]
            result[f"together_vs_{name}_median"] = statistics.median(faster)
    if peaks := figures["peak_rss_mib"]:
        result["memory_vs_tfkerasvis"] = peaks["ours"] / peaks["tf-keras-vis"]
    return {name: round(value, 3) for name, value in result.items()}


def table(rates: dict[str, dict[str, dict[str, float]]]) -> str:
    """Maps per second: ours / tf-keras-vis / xplique / plain; and by both methods in one pass, in two, by one alone."""
    ways = "one pass / two / gradient alone"
    columns = [*(f"{method}: {' / '.join(CONTENDERS)}" for method in METHODS), f"{TOGETHER}: {ways}"]
    lines = [f"| model | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name, by_method in rates.items():
        cells = [
            " / ".join(f"{rate:.3g}" for rate in by_method.get(method, {}).values()) for method in (*METHODS, TOGETHER)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@contextmanager
def _workers(name: str, contenders: tuple[str, ...] = CONTENDERS, samples: int = 4) -> Iterator[dict[str, Any]]:
    """Pipes to one warmed-up process per contender, started one after the other."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    try:
        for contender in contenders:
            pipes[contender], theirs = context.Pipe()
            processes.append(context.Process(target=work, args=(theirs, contender, name, samples), daemon=True))
            processes[-1].start()
            theirs.close()  # ours alone would keep the pipe of a dead process open, and us waiting
            assert pipes[contender].recv() == "ready"
        yield pipes
    finally:
        for pipe in pipes.values():
            with suppress(BrokenPipeError):
                pipe.send(None)
        for process in processes:
            process.join(10)


def _ask(pipe: Any, request: str) -> Any:
    pipe.send(request)
    return pipe.recv()


def _machine() -> dict[str, Any]:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three models")
    parser.add_argument("--memory", action="store_true", help="measure peak memory on VGG16 too")
    parser.add_argument("--samples", type=int, default=20, help="noisy copies per image of SmoothGrad")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: CPU seconds of the process, for a busy machine"
    )
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="only these")
    parser.add_argument(
        "--methods", nargs="+", choices=(*METHODS, TOGETHER), default=(*METHODS, TOGETHER), help="only these"
    )
    parser.add_argument("--rounds", type=int, default=9, help="repeats per method and contender; SmoothGrad at most 2")
    parser.add_argument("--json", action="store_true", help="print ratios and figures as JSON, and nothing else")
    parser.add_argument("--output", help="write the same here")
    parser.add_argument("--combine", nargs="+", metavar="FILE", help="measure nothing: read what --output wrote")
    return parser.parse_args()


if __name__ == "__main__":
    main()
