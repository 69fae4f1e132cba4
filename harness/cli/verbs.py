"""The verbs of `bitlens`: where each is, what the overview says of it, and how it is used.

They stand here, so that `bitlens --help` imports none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

START, STUDY, SINGLE, DEVICES = "Begin", "Experiments and their runs", "One model or picture", "Devices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb: `load` is its function or typer app as "module:name", `summary` the first paragraph of its help.

    section   of the overview.
    examples  command lines; those of an app stand with its own verbs.
    """

    load: str
    section: str
    summary: str
    examples: tuple[str, ...] = ()


VERBS = {
    "demo": Verb(
        load="harness.cli.run:demo",
        section=START,
        summary="Run the built-in experiment: our twin models, float and binarized, on generated images. No download.",
        examples=(
            "bitlens demo",
            "bitlens demo --out runs/first --workers 2",
        ),
    ),
    "init": Verb(
        load="harness.cli.drafting:init",
        section=START,
        summary="Write a first experiment file for pictures and models, with a comment on each key.",
        examples=(
            "bitlens init pictures/ --model my.keras",
            "bitlens init pictures/ --model planted-binary --device pi4 --out study.toml",
        ),
    ),
    "list": Verb(
        load="harness.cli.listing:list_",
        section=START,
        summary="List the models, formats, methods, metrics, data sets or runtimes that an experiment file may name.",
        examples=(
            "bitlens list models",
            "bitlens list layers planted-binary",
            "bitlens list methods --json",
        ),
    ),
    "schema": Verb(
        load="harness.cli.drafting:schema",
        section=START,
        summary="Print the JSON schema of experiment files, which editors use to complete, explain and check them.",
        examples=("bitlens schema > bitlens.schema.json",),
    ),
    "plan": Verb(
        load="harness.cli.plan:plan",
        section=STUDY,
        summary="List the units of an experiment, what is done, how long the rest will take, and what costs most.",
        examples=(
            "bitlens plan study.toml",
            "bitlens plan study.toml --calibrate",
        ),
    ),
    "run": Verb(
        load="harness.cli.run:run",
        section=STUDY,
        summary="Convert, measure, explain and report what the experiment file asks for.",
        examples=(
            "bitlens run study.toml",
            "bitlens run study.toml --out runs/monday --workers 4 --quiet",
            "bitlens run study.toml --retry-failed",
        ),
    ),
    "report": Verb(
        load="harness.cli.reports:report",
        section=STUDY,
        summary="Write the CSV files and the HTML page of a run again.",
        examples=(
            "bitlens report runs/demo --open",
            "bitlens report runs/demo --figures",
        ),
    ),
    "compare": Verb(
        load="harness.cli.compare:compare",
        section=STUDY,
        summary="Show what changed between runs, with intervals, and what cannot be compared and why.",
        examples=(
            "bitlens compare runs/before runs/after",
            'bitlens compare runs/before runs/after --fail-if "p50 > +5%" --fail-if "top1 < -1%"',
        ),
    ),
    "serve": Verb(
        load="harness.cli.reports:serve",
        section=STUDY,
        summary="Browse runs, live while one is running. Only you, on this machine, can read them.",
        examples=("bitlens serve runs --open",),
    ),
    "export": Verb(
        load="harness.cli.exporting:export",
        section=STUDY,
        summary="Write the artifacts of a run as <model>-<format>.tflite, ready for a board or another tool.",
        examples=("bitlens export runs/demo --out artifacts",),
    ),
    "bench": Verb(
        load="harness.cli.benching:bench",
        section=SINGLE,
        summary="Measure any model on any device: load, first run, p50, p90, p99, and how valid the numbers are.",
        examples=(
            "bitlens bench mine.tflite",
            "bitlens bench mobilenet-v2 quicknet --format int8,lce --device pi4 --threads 1,4",
        ),
    ),
    "explain": Verb(
        load="harness.cli.explain:explain",
        section=SINGLE,
        summary="Explain single pictures: what the model sees in them, where, and how well each map explains it.",
        examples=(
            "bitlens explain planted-binary photo.png --method smoothgrad --parameter noise_level=0.02",
            "bitlens explain mine.h5 photo.jpg --mean 0 --scale 0.00392157 --labels names.txt",
            "bitlens explain mine.tflite photo.jpg --method rise --device pi4",
        ),
    ),
    "inspect": Verb(
        load="harness.cli.inspection:inspect",
        section=SINGLE,
        summary="Show what is inside a flatbuffer: operators, multiply-accumulates, memory, and what can execute it.",
        examples=(
            "bitlens inspect mine.tflite",
            "bitlens inspect mine.tflite --graph --input-shape 1x224x224x3",
        ),
    ),
    "convert": Verb(
        load="harness.cli.convert:convert",
        section=SINGLE,
        summary="Convert models, compare every artifact with its Keras model, and say what is inside.",
        examples=(
            "bitlens convert study.toml",
            "bitlens convert --all --model quicknet --format lce --out runs/quicknet",
        ),
    ),
    "doctor": Verb(
        load="harness.cli.devices:doctor",
        section=DEVICES,
        summary="Find what would spoil a run before it starts: system, runtimes, governor, power, disk, clock, lock.",
        examples=(
            "bitlens doctor",
            "bitlens doctor pi4",
        ),
    ),
    "device": Verb(
        load="harness.cli.devices:device_app",
        section=DEVICES,
        summary="Prepare, list and remove the devices that artifacts run on.",
    ),
    "build-ops": Verb(
        load="harness.cli.convert:build_ops",
        section=DEVICES,
        summary="Build the LCE operators for a target; runs do so automatically. Prints the path of the library.",
        examples=("bitlens build-ops --target aarch64",),
    ),
}
