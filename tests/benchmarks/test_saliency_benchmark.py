"""How the rates of contenders become the ratios that are claimed, with workers that only say how long they took."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import saliency

SECONDS = {  # of a job: by contender, on the first model; a second one takes twice as long but for ours
    "ours": {"gradient": 1.0, "gradcam": 0.5, "smoothgrad": 10.0, "gradient+gradcam": 1.0},
    "tf-keras-vis": {"gradient": 4.0, "gradcam": 4.0, "smoothgrad": 30.0},
    "xplique": {"gradient": 2.0, "gradcam": 1.0, "smoothgrad": 20.0},
    "plain": {"gradient": 1.5, "gradcam": 0.6, "smoothgrad": 15.0},
}
ABOUT = {"peak_rss_mib": 100.0, "forward_gflop": 0.5, "machine_gflops": 200.0}


@contextmanager
def workers(name: str, contenders: tuple[str, ...], samples: int) -> Iterator[dict[str, tuple[str, str]]]:
    yield {contender: (name, contender) for contender in contenders}


def ask(worker: tuple[str, str], request: str) -> object:
    name, contender = worker
    if request == "about":
        return ABOUT
    slower = 2 if name == "QuickNet" and contender != "ours" else 1
    return 100.0, slower * SECONDS[contender][request]  # by the clock, and CPU seconds


def test_ratios_are_medians_and_least_over_models_and_methods(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(saliency, "_workers", workers)
    monkeypatch.setattr(saliency, "_ask", ask)
    command = "saliency.py --json --clock cpu --networks MobileNetV2 QuickNet"
    monkeypatch.setattr("sys.argv", command.split())
    saliency.main()
    told = json.loads(capsys.readouterr().out)
    ratios, rates = told["ratios"], told["figures"]["maps_per_second"]["MobileNetV2"]
    assert (ratios["gradient_vs_tfkerasvis_least"], ratios["smoothgrad_vs_tfkerasvis_least"]) == (4.0, 3.0)
    assert (ratios["vs_xplique_least"], ratios["vs_plain_function_least"]) == (2.0, 1.2)
    assert ratios["vs_plain_function_median"] == 1.5  # of 1.2, 1.5, 1.5, 2.4, 3, 3
    assert (ratios["together_vs_apart_least"], ratios["together_vs_gradient_alone_least"]) == (1.5, 1.0)
    assert list(rates["gradient"].items()) == [("ours", 8.0), ("tf-keras-vis", 2.0), ("xplique", 4.0), ("plain", 5.333)]
    assert told["figures"]["gflops"]["MobileNetV2"] == {"machine": 200.0, "achieved": 8.0}
    assert told["figures"]["intervals"]["vs_plain_function_least"]["what"].endswith("least, MobileNetV2 gradcam")
