"""`bitlens explain`: one model, a few pictures, an answer at once. It collects the options; others do the work."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.cli.options import Quiet, Verbose, listen_to
from harness.models.declared import FITS, INTERPOLATIONS, NORMALIZATIONS
from harness.parameters import MOST_SEED, MOST_SIDE

if TYPE_CHECKING:
    from harness.cli.explain_options import ExplainOptions

# Of modules that take long to import, for a line of help; a test compares.
PRECISIONS = ("float32", "bfloat16")
KINDS = (
    *("probabilities", "logits", "probability", "logit", "independent-probabilities", "independent-logits"),
    *("log-probabilities", "scaled-probabilities"),
)
OWN = "A model file of your own"
FLATBUFFER = "A .tflite file"


def checked_size(text: Optional[str]) -> Optional[str]:
    from harness.cli.explain_model import image_size

    try:
        image_size(text or "1")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def explain(
    model: Annotated[
        str, typer.Argument(help="A name from `bitlens list models`, or a Keras or .tflite file of your own.")
    ],
    images: Annotated[list[Path], typer.Argument(help="Pictures, of any size.", metavar="IMAGE...")],
    method: Annotated[
        Optional[list[str]],
        typer.Option(
            help="Saliency method of `bitlens list methods`; may be repeated. Default: gradient, smoothgrad, gradcam."
        ),
    ] = None,
    parameter: Annotated[
        Optional[list[str]],
        typer.Option(help="NAME=VALUE: a parameter of methods, such as noise_level=0.02; may be repeated."),
    ] = None,
    metric: Annotated[
        Optional[list[str]],
        typer.Option(help="Metric of `bitlens list metrics`; may be repeated. Default: the quick ones."),
    ] = None,
    target: Annotated[
        str, typer.Option(help="The class to explain, by its number or name, instead of the predicted one.")
    ] = "predicted",
    weights: Annotated[
        Optional[str], typer.Option(help='"trained", "imagenet", "random" or a file, for a model of the catalogue.')
    ] = None,
    labels: Annotated[
        Optional[Path], typer.Option(help="Names of the classes, one on each line, in the order of the outputs.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help=f"Precision of methods that take gradients: {', '.join(PRECISIONS)} (faster on some CPUs)."),
    ] = PRECISIONS[0],
    out: Annotated[Path, typer.Option(help="Folder for the pictures of the maps.")] = Path("explanations"),
    plain: Annotated[bool, typer.Option("--plain", help="Write the pictures without a title.")] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of the noise of methods such as smoothgrad.", min=0, max=MOST_SEED)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    experiment: Annotated[
        Optional[Path],
        typer.Option(help="Experiment file (TOML) whose [[model]] table describes MODEL.", rich_help_panel=OWN),
    ] = None,
    mean: Annotated[
        Optional[str],
        typer.Option(
            help="Mean of pixels: input = (pixels - mean) * scale; one number, or 127.5,127.5,127.5.",
            rich_help_panel=OWN,
        ),
    ] = None,
    scale: Annotated[
        Optional[str],
        typer.Option(help="Scale of pixels; the default, with mean 127.5, is 1/127.5: -1 to 1.", rich_help_panel=OWN),
    ] = None,
    bgr: Annotated[
        bool, typer.Option("--bgr", help="The model takes channels in the order blue, green, red.", rich_help_panel=OWN)
    ] = False,
    normalization: Annotated[
        Optional[str],
        typer.Option(
            help=f"Standard preparation of pixels, instead of mean and scale: {', '.join(NORMALIZATIONS)}.",
            rich_help_panel=OWN,
        ),
    ] = None,
    on_top: Annotated[
        bool, typer.Option("--on-top", help="Prepare pixels even if the model does so itself.", rich_help_panel=OWN)
    ] = False,
    size: Annotated[
        Optional[str],
        typer.Option(
            help="Size of the input, where the file leaves it open: 224, or 96x128.",
            callback=checked_size,
            rich_help_panel=OWN,
        ),
    ] = None,
    fit: Annotated[
        Optional[str],
        typer.Option(help=f"How a picture is fitted to that size: {', '.join(FITS)}.", rich_help_panel=OWN),
    ] = None,
    interpolation: Annotated[
        Optional[str], typer.Option(help=f"How a picture is resized: {', '.join(INTERPOLATIONS)}.", rich_help_panel=OWN)
    ] = None,
    resize: Annotated[
        Optional[int],
        typer.Option(
            help="Pixels of the shorter side before cropping; by default the picture just covers the input.",
            min=1,
            max=MOST_SIDE,
            rich_help_panel=OWN,
        ),
    ] = None,
    output: Annotated[
        Optional[str],
        typer.Option(
            help=f"What the outputs are, if not what their values say: {', '.join(KINDS)}.", rich_help_panel=OWN
        ),
    ] = None,
    module: Annotated[
        Optional[Path],
        typer.Option(help="Python file with layers that Keras does not have; needs --trusted.", rich_help_panel=OWN),
    ] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Load the model file even if it holds code.", rich_help_panel=OWN)
    ] = False,
    device: Annotated[
        Optional[str],
        typer.Option(
            help="Device that runs a flatbuffer: a name of `bitlens device list`.", rich_help_panel=FLATBUFFER
        ),
    ] = None,
    keras: Annotated[
        Optional[Path],
        typer.Option(help="Keras file of the same model, for methods that take gradients.", rich_help_panel=FLATBUFFER),
    ] = None,
    background_class: Annotated[
        Optional[bool],
        typer.Option(
            help="Class 0 is the background, and class 1 that of the first label.", rich_help_panel=FLATBUFFER
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Explain single pictures: what the model sees in them, where, and how well each map explains it.

    For each picture it prints the prediction and a table of scores, and writes one PNG per method: the picture as the
    model sees it, the map, and the map over the picture.
    """
    from harness.cli.explain_model import OwnModelOptions
    from harness.cli.explain_options import ExplainOptions

    listen_to(quiet=quiet, verbose=verbose)
    own = OwnModelOptions(
        mean=mean,
        scale=scale,
        normalization=normalization,
        on_top=on_top,
        bgr=bgr,
        size=size,
        resize=resize,
        fit=fit,
        interpolation=interpolation,
        output=output,
        module=module,
        trusted=trusted,
        keras=keras,
        background_class=background_class,
    )
    explain_pictures(
        ExplainOptions(
            model=model,
            images=tuple(images),
            methods=tuple(method or ()),
            parameters=tuple(parameter or ()),
            metrics=tuple(metric or ()),
            target=target,
            weights=weights,
            labels=labels,
            out=out,
            seed=seed,
            as_json=as_json,
            plain=plain,
            experiment=experiment,
            own=own,
            device=device,
            precision=precision,
        )
    )


def explain_pictures(options: ExplainOptions) -> None:
    """Check all that is asked for, then load the model, then answer picture by picture."""
    from harness.cli import explain_files, explain_text
    from harness.cli.explain_image import Explainer
    from harness.cli.explain_model import opened
    from harness.datasets.geometry import fit_image
    from harness.execution.progress import count_progress
    from harness.saying import say

    record = options.model_record()
    methods, metrics, device = options.chosen_methods(record), options.chosen_metrics(), options.chosen_device(record)
    options.check_precision(record, methods)
    explain_files.check_pictures(options.images)
    explain_files.check_folder(options.out)
    pictures = [(f'image: "{path}"', explain_files.read(path)) for path in options.images]
    done = opened(record, pictures)
    model = done.model
    if done.inferred:
        say(done.inferred)
    names = options.class_names(model)
    target = options.target_class(names, model.classes)
    pixels = [fit_image(picture, model.preprocessing, name=name) for name, picture in pictures]

    with count_progress() as on_progress:
        explainer = Explainer(
            model, done.keras_model, device=device, precision=options.precision, on_progress=on_progress
        )
        if not options.as_json:
            print(explain_text.headline(done, explainer.where))
        records = []
        stems = explain_files.stems(options.images, model.name)
        for path, image, stem in zip(options.images, pixels, stems, strict=True):
            explanation = explainer.explain(
                image, methods, key=path.name, target=target, metrics=metrics, seed=options.seed
            )
            written = explain_files.write(
                options.out,
                stem,
                image,
                explanation,
                caption=partial(explain_text.caption, path, explanation, names, model.name),
                plain=options.plain,
            )
            records.append(explain_text.record(path, explanation, names, written, done))
            if not options.as_json:
                print(f"\n{explain_text.as_text(records[-1])}", flush=True)
    print(json.dumps(records, indent=2) if options.as_json else f"\n{explain_text.NOTE}")
