"""Maps per second of the gradient engine against tf-keras-vis, xplique and a plain tf.function, interleaved in one run.

    python benchmarks/saliency.py [--quick] [--memory] [--json] [--save] [--clock cpu] [--networks ...] [--methods ...]

Every contender lives in a process of its own, so that each has the thread settings it is best with and memory can be
told apart; only one of them works at a time. Models have random weights. Ratios above 1 mean that ours is faster.
All contenders differentiate the same logits, but tf-keras-vis on RealToBinaryNet, whose softmax layer it leaves in;
class activation maps are taken from the same layer. xplique and the plain function each use their best batch size.
--quick has three models. One round of SmoothGrad on VGG16 takes minutes, so the whole takes two hours.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Limits, Ratio, Samples, Turns, least, measured_once, middle, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, positive_int, publish
from benchmarks.saliency_contenders import IMAGES, work

MODELS = ("MobileNetV2", "EfficientNetB0", "ResNet50", "VGG16", "QuickNet", "RealToBinaryNet", "BinaryAlexNet")
QUICK = ("MobileNetV2", "QuickNet", "BinaryAlexNet")
CONTENDERS = ("ours", "tf-keras-vis", "xplique", "plain")
METHODS = ("gradient", "gradcam", "smoothgrad")
TOGETHER = "gradient+gradcam"


def main() -> None:
    options, watch = _options(), Watch()
    names = options.networks or (QUICK if options.quick else MODELS)
    measured, gflops = {}, {}
    for name in names:
        measured[name], gflops[name] = measure_model(name, options, watch)
    ratios = ratios_of(measured)
    figures: dict[str, Any] = {
        "images": IMAGES,
        "samples": options.samples,
        "clock": options.clock,
        "maps_per_second": {name: rates(by_method) for name, by_method in measured.items()},
        "gflops": gflops,
    }
    if options.memory:
        figures["peak_rss_mib"] = peaks = measure_memory()
        ratios["memory_vs_tfkerasvis"] = measured_once(
            "peak memory of SmoothGrad on VGG16, ours over tf-keras-vis: below 1 is less",
            peaks["ours"] / peaks["tf-keras-vis"],
        )
    publish(options, watch, ratios=ratios, figures=figures, tables=tables(figures))


def measure_model(name: str, options: argparse.Namespace, watch: Watch) -> tuple[dict[str, Turns], dict[str, float]]:
    """By method the seconds of each contender; and GFLOP/s that Gradient reaches, beside the machine's own."""
    contenders = ("ours",) if list(options.methods) == [TOGETHER] else CONTENDERS
    by_method = {}
    with _workers(name, contenders, options.samples) as workers:

        def job(contender: str, method: str) -> Callable[[], float]:
            return lambda: float(_ask(workers[contender], method)[options.clock == "cpu"])

        for method in options.methods:
            if method == TOGETHER:
                jobs = {each: job("ours", each) for each in (TOGETHER, "gradient", "gradcam")}
                comparisons = {
                    "apart": Comparison(_two_passes),
                    "gradient_alone": Comparison(over("gradient", TOGETHER)),
                }
            else:
                jobs = {contender: job(contender, method) for contender in CONTENDERS}
                comparisons = {contender: Comparison(over(contender, "ours")) for contender in CONTENDERS[1:]}
            label = f"{name} {method}"
            by_method[method] = take_turns(jobs, comparisons, limits_of(options), between=watch.look, label=label)
        about = _ask(workers["ours"], "about")
    gflops = {"machine": about["machine_gflops"]}
    if "gradient" in by_method:
        # Backwards to the input costs what the forward pass does; gradients of weights are not asked for.
        gflops["achieved"] = IMAGES / by_method["gradient"].median("ours") * 2 * about["forward_gflop"]
    return by_method, gflops


def _two_passes(samples: Samples) -> list[float]:
    """What both methods take one after the other, over one pass for both."""
    each = zip(samples["gradient"], samples["gradcam"], samples[TOGETHER], strict=True)
    return [(gradient + gradcam) / together for gradient, gradcam, together in each]


def rates(by_method: dict[str, Turns]) -> dict[str, dict[str, float]]:
    """Median maps per second, by method and contender."""
    return {
        method: {name: round(IMAGES / turns.median(name), 3) for name in turns.samples}
        for method, turns in by_method.items()
    }


def measure_memory() -> dict[str, float]:
    """Peak resident MiB of the whole process for SmoothGrad with 50 samples on VGG16, each in a fresh one."""
    peaks = {}
    for contender in ("ours", "tf-keras-vis"):
        with _workers("VGG16", contenders=(contender,)) as workers:
            _ask(workers[contender], "smoothgrad50")
            peaks[contender] = _ask(workers[contender], "about")["peak_rss_mib"]
    return peaks


def ratios_of(measured: dict[str, dict[str, Turns]]) -> dict[str, Ratio]:
    """How many times as fast ours is, over models; `vs_xplique` and `vs_plain_function` over the methods, too."""

    def against(contender: str, *methods: str) -> dict[str, Ratio]:
        return {
            name if len(methods) == 1 else f"{name} {method}": by_method[method].ratios[contender]
            for method in methods
            for name, by_method in measured.items()
            if method in by_method
        }

    compared = {
        f"{method}_vs_tfkerasvis": (f"{method}, over tf-keras-vis", against("tf-keras-vis", method))
        for method in METHODS
    }
    compared["vs_xplique"] = "all methods, over xplique", against("xplique", *METHODS)
    compared["vs_plain_function"] = "all methods, over a plain tf.function", against("plain", *METHODS)
    compared["together_vs_apart"] = "Gradient and GradCAM in one pass, over two", against("apart", TOGETHER)
    compared["together_vs_gradient_alone"] = (
        "both in one pass, over Gradient alone",
        against("gradient_alone", TOGETHER),
    )
    result = {}
    for name, (what, ratios) in compared.items():
        if ratios:
            result[f"{name}_median"] = middle(ratios, what=what)
            result[f"{name}_least"] = least(ratios, what=what)
    return result


def tables(figures: dict[str, Any]) -> list[Table]:
    """Maps per second of all contenders, and how near the machine's own matrix product that is."""
    measured = figures["maps_per_second"]
    ways = "one pass / Gradient / GradCAM"
    columns = [*(f"{method}: {' / '.join(CONTENDERS)}" for method in METHODS), f"{TOGETHER}: {ways}"]
    rows = [
        [name, *(" / ".join(f"{rate:.3g}" for rate in by_method.get(m, {}).values()) for m in (*METHODS, TOGETHER))]
        for name, by_method in measured.items()
    ]
    title = f"Maps per second, SmoothGrad with {figures['samples']} copies, by the {figures['clock']} clock"
    reached = [
        [name, *(f"{of[key]:.0f}" if key in of else "" for key in ("achieved", "machine"))]
        for name, of in figures["gflops"].items()
    ]
    return [
        Table(title, ["model", *columns], rows),
        Table("GFLOP/s of Gradient, by definition", ["model", "reached", "matrix product of NumPy"], reached),
    ]


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


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits(width=0.05, least_rounds=6, most_rounds=40, most_seconds=120))
    parser.add_argument("--memory", action="store_true", help="measure peak memory on VGG16 too")
    parser.add_argument("--samples", type=positive_int, default=20, help="noisy copies per image of SmoothGrad")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: CPU seconds of the process, for a busy machine"
    )
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="only these")
    parser.add_argument(
        "--methods", nargs="+", choices=(*METHODS, TOGETHER), default=[*METHODS, TOGETHER], help="only these"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
