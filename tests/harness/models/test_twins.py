"""The twins differ in binarization alone, and their committed weights are as good as their cards say."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from device.preprocessing import preprocess
from harness.datasets.dataset import stack
from harness.datasets.dataset_kinds import open_dataset
from harness.models.catalogue import CATALOGUE, catalogue_model, model_card
from harness.models.loading import load_model

PAIRS = [("planted-float", "planted-binary"), ("cifar-float", "cifar-binary"), ("photo-float", "photo-binary")]
CIFAR = os.environ.get("BITLENS_CIFAR10", "")
PHOTOS = os.environ.get("BITLENS_TINY_IMAGENET", "")


def load(name: str) -> Any:
    return load_model(catalogue_model(name, CATALOGUE[name]))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_twins_have_the_same_layers_and_the_same_shapes(first: str, second: str) -> None:
    one, other = load(first), load(second)
    assert [(type(a), a.name, a.output_shape) for a in one.layers] == [
        (type(b), b.name, b.output_shape) for b in other.layers
    ]
    assert [w.shape for w in one.weights] == [w.shape for w in other.weights]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_each_twin_names_the_other(first: str, second: str) -> None:
    assert (CATALOGUE[first].twin, CATALOGUE[second].twin) == (second, first)


def test_only_the_first_and_the_last_layer_of_the_binarized_twin_are_full_precision() -> None:
    layers = {
        layer.name: layer for layer in load("planted-binary").layers if layer.weights and "norm" not in layer.name
    }
    binarized = {name for name, layer in layers.items() if getattr(layer, "kernel_quantizer", None) is not None}
    assert set(layers) - binarized == {"stem", "classifier"}


def measured_top1(name: str, images: np.ndarray, labels: np.ndarray) -> float:
    predicted = (
        load(name).predict(preprocess(images, CATALOGUE[name].preprocessing), batch_size=100, verbose=0).argmax(1)
    )
    return float((predicted == labels).mean())


def check_card(name: str, kind: str, path: str | None, *, within: float) -> None:
    """The committed weights have the accuracy of their card on the first 1,000 test images."""
    images, labels = stack(open_dataset(kind, path=path, seed=0), "test", range(1000))
    card = model_card(name)
    assert card is not None
    assert measured_top1(name, images, labels) == pytest.approx(card["top1"], abs=within)


@pytest.mark.parametrize("name", PAIRS[0])
def test_committed_planted_weights_reach_the_accuracy_of_their_card(name: str) -> None:
    # three standard errors of a fraction near 0.95 over 1000 images are 0.02
    check_card(name, "planted", None, within=0.02)


@pytest.mark.skipif(not CIFAR, reason="needs BITLENS_CIFAR10=/path/to/cifar10-jpeg.zip")
@pytest.mark.parametrize("name", PAIRS[1])
def test_committed_cifar_weights_reach_the_accuracy_of_their_card(name: str) -> None:
    check_card(name, "cifar10-archive", CIFAR, within=0.045)


@pytest.mark.parametrize("name", PAIRS[2])
def test_the_photo_twins_reach_what_a_compact_network_should_on_twenty_classes(name: str) -> None:
    card = model_card(name)
    assert card is not None
    assert card["top1"] >= (0.54 if CATALOGUE[name].family == "binarized" else 0.62)


@pytest.mark.skipif(not PHOTOS, reason="needs BITLENS_TINY_IMAGENET=/path/to/tiny-imagenet-20, an image folder")
@pytest.mark.parametrize("name", PAIRS[2])
def test_committed_photo_weights_reach_the_accuracy_of_their_card(name: str) -> None:
    check_card(name, "image-folder", PHOTOS, within=0.002)  # all of its test images, of which two may tie
