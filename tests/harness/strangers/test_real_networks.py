"""Trained networks of public repositories reach the accuracies that a plain loop of the runtime gave, to the image."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.dataset_kinds import kind_of, open_dataset
from harness.datasets.geometry import fit_image
from harness.devices.client import predict
from harness.devices.device import make_device
from harness.devices.known import THIS_HOST
from harness.models.catalogue import Model
from harness.models.completion import complete
from harness.models.declared import Declared
from harness.outputs import ranked

DATA = Path(os.environ.get("BITLENS_DATA", ""))
PHOTOS, CIFAR = "imagenet-sample", "cifar10-jpeg.zip"
NETWORKS = [  # file, what a person says of it, images, right answers of one guess and of five
    ("imagenet_mobilenet_v1_0.25_224_float.tflite", {"resize": 256}, PHOTOS, 551, 801),
    ("imagenet_mobilenet_v1_0.25_128_uint8.tflite", {"resize": 146}, PHOTOS, 441, 708),
    ("cifar10_resnet8_float.tflite", {"normalization": "none"}, CIFAR, 7548, None),
    ("cifar10_resnet8_int8.tflite", {}, CIFAR, 7542, None),
]


@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA / "real-models").is_dir(),
    reason="needs BITLENS_DATA=FOLDER with real-models/ and the images they were tested on",
)
@pytest.mark.parametrize(("file", "said", "images", "top1", "top5"), NETWORKS, ids=[row[0] for row in NETWORKS])
def test_a_real_network_is_as_accurate_as_it_is(
    file: str, said: dict[str, object], images: str, top1: int, top5: int | None
) -> None:
    path = str(DATA / images)
    dataset = open_dataset(kind_of(path), path=path, seed=0)
    splits = ("train", "test") if images == PHOTOS else ("test",)
    samples = [dataset.sample(split, index) for split in splits for index in range(dataset.size(split))]
    model = Model(
        name=file,
        family="",
        preprocessing={},
        classes=0,
        weights=str(DATA / "real-models" / file),
        output="",
        declared=Declared(**said),  # type: ignore[arg-type]
    )
    done = complete(model, [(sample.key, sample.image) for sample in samples[:8]], dataset).model
    pixels = np.stack([fit_image(sample.image, done.preprocessing) for sample in samples])
    outputs = predict(make_device(THIS_HOST), Path(done.weights), pixels, preprocessing=done.preprocessing).scores
    best, labels = ranked(outputs, done.output, done.class_map), np.array([[sample.label] for sample in samples])
    assert (best[:, :1] == labels).sum() == top1
    if top5 is not None:
        assert (best[:, :5] == labels).sum() == top5
