"""Makes the files that pages take for granted, in a clone: python staged_files.py CLONE."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "tests" / "device" / "artifacts"
STUDY = """models = ["planted-float"]
[dataset]
kind = "planted"
[accuracy]
images = 8
"""


def pictures(folder: Path) -> None:
    """Two classes of six noisy pictures."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(6):
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(folder / name / f"{number}.png")


def models(folder: Path) -> None:
    """A small model for images of 64x64 pixels and two classes, in each of the forms that pages name."""
    from harness import keras_packages

    keras_packages.set_up()
    import tensorflow as tf

    from converters.tflite import fp32

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((64, 64, 3)),
            layers.Conv2D(4, 3, strides=4, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.save(folder / "mine.h5")
    model.save(folder / "mine.keras")
    for name in ("mine.tflite", "my.tflite", "model.tflite"):
        (folder / name).write_bytes(fp32(model, None))


def cifar10(path: Path) -> None:
    """An archive with as many images as the examples ask for, in CIFAR-10's binary form, which is told by its files."""
    from harness.datasets.cifar10_layout import BATCHES
    from tests.harness.datasets.cifar10_files import archive

    path.parent.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    batch = b"".join(bytes([number % 10]) + rng.bytes(3072) for number in range(1000))
    archive(path, {f"{name}.bin": batch for name in BATCHES})


def photographs(folder: Path) -> None:
    """One small picture for each class of ImageNet, named as in the repository that examples/paper.toml names."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(1000):
        pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"n{number:08d}_class-{number}.JPEG")


def mobilenet(path: Path) -> None:
    """What takes the pictures and gives the classes of the model that examples/deployment-gap.toml fetches."""
    from harness import keras_packages

    keras_packages.set_up()
    import tensorflow as tf

    layers = tf.keras.layers
    small = [layers.Conv2D(4, 3, strides=4, activation="relu"), layers.GlobalAveragePooling2D()]
    tf.keras.Sequential([layers.Input((224, 224, 3)), *small, layers.Dense(1000, activation="softmax")]).save(path)


def tiny_imagenet(folder: Path) -> None:
    """Small pictures with boxes, as many as the examples ask for, laid out as examples/tiny_imagenet.py does it."""
    from examples.tiny_imagenet import CLASSES

    rng = np.random.default_rng(0)
    boxes = ["path,class_index,class_name,x_min,y_min,x_max,y_max"]
    for index, (number, name) in enumerate(CLASSES.items()):
        for split in ("train", "test"):
            place = Path(split) / f"{number}_{name}"
            (folder / place).mkdir(parents=True)
            for position in range(25):
                picture = place / f"{position}.png"
                Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(folder / picture)
                boxes.append(f"{picture},{index},{name},8,8,56,56")
    (folder / "labels.csv").write_text("\n".join(boxes))


def quicknet() -> bytes:
    """The artifact of QuickNet with random weights: what it takes does not depend on them."""
    from converters.lce import lce
    from harness.models.catalogue import CATALOGUE, catalogue_model
    from harness.models.loading import load_model

    return lce(load_model(catalogue_model("quicknet", CATALOGUE["quicknet"], weights="random")))


def main(folder: Path) -> None:
    for name in ("pictures", "photos"):
        pictures(folder / name)
    Image.open(folder / "pictures/cat/0.png").save(folder / "photo.png")
    Image.open(folder / "pictures/cat/0.png").save(folder / "photo.jpg")
    (folder / "names.txt").write_text("cat\ndog\n")
    models(folder)
    shutil.copy(ARTIFACTS / "lce.tflite", folder / "lce.tflite")
    (folder / "quicknet.tflite").write_bytes(quicknet())
    (folder / "study.toml").write_text(STUDY)
    cifar10(folder / "data" / "cifar-10-python.tar.gz")
    photographs(folder / "data" / "imagenet-sample-images")
    mobilenet(folder / "data" / "mobilenet_v1_0.25_224.h5")
    tiny_imagenet(folder / "data" / "tiny-imagenet-20")
    label = [sys.executable, "examples/label_imagenet.py", "data/imagenet-sample-images"]
    subprocess.run(label, cwd=folder, check=True)
    devices = Path(os.environ["XDG_CONFIG_HOME"]) / "bitlens" / "devices.toml"
    devices.parent.mkdir(parents=True, exist_ok=True)
    devices.write_text('[[device]]\nname = "pi4"\nkind = "local"\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
