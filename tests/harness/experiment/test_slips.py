"""Slips in an experiment file, each with what was likely meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.experiment.reader import read_experiment

GOOD = """
models = ["planted-float"]
formats = ["fp32"]
[dataset]
kind = "planted"
"""
OWN = '[dataset]\nkind = "planted"\n[[model]]\npath = "m.h5"\n'
SLIPS = {
    GOOD + '[device]\nname = "a"': "[device]: expected a table in double brackets|try: [[device]]",
    GOOD + "[[latency]]\nrounds = 2": "[[latency]]: expected one table in single brackets|try: [latency]",
    GOOD + "[quality.judge]": "[quality.judge]: expected a table in double brackets|try: [[quality.judge]]",
    GOOD + "[[agreement]]": "[[agreement]]: expected one table|try: [agreement]",
    OWN + '[[model.preprocessing]]\nfit = "pad"': "[[model.preprocessing]]: expected one|try: [model.preprocessing]",
    '[[models]]\npath = "m.h5"\n[dataset]\nkind = "planted"': "models: expected a list of names|try: [[model]]",
    'model = "quicknet"\n' + OWN.partition("[[")[0]: 'expected tables, got "quicknet"|try: models = ["quicknet"]',
    'device = ["pi4"]\n' + GOOD: 'expected tables, got "pi4"|try: devices = ["pi4"]',
    'dataset = "pictures"': 'dataset: expected a table, got "pictures"|try: [dataset]',
    "latency = true" + GOOD: "latency: expected a table, got true|try: [latency]",
    GOOD.replace('["fp32"]', '"fp32"'): 'formats: expected a list in [brackets], got "fp32"|try: formats = ["fp32"]',
    GOOD + "[latency]\nthreads = 2": "expected a list in [brackets], got 2|try: threads = [2]",
    GOOD + "[saliency.methods]": "[saliency] methods: expected a list|try: methods = [",
    GOOD + '[device]\nname="a"\n[device]\nname="b"': "Cannot declare|try: [[device]] before each of them",
    GOOD + "[latency]\n[latency]": "Cannot declare|try: one [latency], with all its keys",
    GOOD + '[[dataset]]\nkind="planted"': "Cannot overwrite|try: [[dataset]] before each of them",
    "[dataset]]": "not valid TOML|try: [dataset]",
    "models = quicknet": 'not valid TOML: Invalid value|try: texts in quotes: "quicknet"',
    "[latency]\nenergy = True": "Invalid value|try: true",
    "seed = 1\nseed = 2": "Cannot overwrite|try: every key of a table once",
    GOOD + 'formats = ["int8"]': '[dataset] formats: no such key|try: "formats" before the first [table]',
    "threads = [2]\n" + GOOD: 'threads: no such key|try: "threads" in [latency]',
    GOOD + "[latency]\ncalibration_images = 3": 'no such key|try: "calibration_images" in [conversion]',
    GOOD + "[conversion]\nimages = 3": '[conversion] images: no such key|try: "calibration_images"',
    GOOD + '[preprocessing]\nfit = "pad"': "preprocessing: no such key|try: [model.preprocessing]",
    GOOD + "[[on_device]]": "on_device: no such key|try: [[saliency.on_device]]",
    'models = ["planted-float"]': "[dataset]: expected this table|try: [dataset] with path =",
    GOOD + "[amplification]": "noise_levels: expected a value, got none|try: noise_levels = [",
    GOOD + '[[device]]\nkind = "ssh"': '[device.1] name: expected a value, got none|try: name = "pi4"',
    GOOD + '[[device]]\nname = "p"\nkind = "ssh"': 'device "p" host: expected an alias|try: host = "pi@',
    GOOD + '[[device]]\nname = "p"\nhost = "pi"': 'device "p" host: kind "local" has no such key|try: kind = "ssh"',
    'models = ["m"]\n' + OWN: 'got "m", which a [[model]] table is about|try: models without "m"',
    'models = ["m.h5"]\n' + OWN: 'models: expected a model of the|try: [[model]] with path = "m.h5"',
    'devices = ["p"]\n' + GOOD + '[[device]]\nname = "p"': '"p" of a [[device]] table|try: devices without "p"',
    'devices = ["pi@pi4"]\n' + GOOD: 'got the address "pi@pi4"|try: [[device]] with name = "pi4", kind = "ssh"',
    GOOD.replace('"fp32"', '"fp32", "lce"'): '"lce" fits none of the models|try: formats = ["fp32"]',
    GOOD.replace('"fp32"', '"tflite"'): '"tflite" fits none of the models: nothing is converted to it|try: one of fp32',
    OWN + 'weights = "random"': "[[model]] 1: expected no `weights` beside `path`|a file holds its own",
    OWN.replace('path = "m.h5"', 'name = "quicknet"\ntrusted = true'): "a `path` beside `trusted`|catalogue",
    OWN.replace('path = "m.h5"', 'name = "quicknet"\nquantization_aware = false'): "`quantization_aware`|catalogue",
    GOOD + '[saliency]\nmethods = ["gradient"]\n[[quality.judge]]': "[[quality.judge]]: nothing to judge|try: metric",
    GOOD + '[saliency]\nmethods = ["gradient"]\n[agreement]': "[agreement]: nothing to compare|or twins = true",
    OWN + 'twin = "other"': 'model "m" twin: expected a model of this experiment|got "other"',
    OWN + 'seed_of = "other"': 'model "m" seed_of: expected a model of this experiment|got "other"',
    OWN + 'seed_of = "m"': 'model "m" seed_of: expected another model|got its own name',
    OWN + 'seed_of = "n"\n[[model]]\npath = "n.h5"\nseed_of = "m"': 'which is a seed of "m"|try: seed_of = "m"',
    GOOD + 'path = "x"': '[dataset] path: kind "planted" generates its pictures|try: no path',
    OWN.replace('kind = "planted"', 'kind = "npz"\nseed = 1'): 'seed: kind "npz" generates no pictures|try: seed',
    OWN.replace('kind = "planted"', 'path = "nowhere"'): "[dataset] path: found nothing at|try: a path from",
}  # fmt: skip


@pytest.mark.parametrize("text", SLIPS)
def test_a_slip_is_named_with_what_was_meant(tmp_path: Path, text: str) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_experiment(path)
    problem, meant = SLIPS[text].split("|")
    assert problem in str(caught.value)
    assert meant in str(caught.value)
