"""The tables of an experiment file that ask for explanations and judge them, as they are written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.experiment.keys import InEditors, key
from harness.experiment.parameter_schemas import JUDGING_METRIC, METHOD, METRIC
from harness.experiment.values import Batch, Images, Table
from harness.quality.agreement_metrics import AGREEMENTS

ALL = "all of the experiment"
EXAMPLE_METHODS = ["gradient", {"name": "smoothgrad", "noise_level": [0.02, 0.2], "samples": 25}]


class NamedTable(BaseModel):
    """A method or metric; its parameters are checked against its own row of its table. A list of values is a sweep."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        """A text is the method or metric of that name with its defaults."""
        return {"name": value} if isinstance(value, str) else value


class MetricTable(NamedTable):
    """A metric of [quality]. `methods` names those whose maps it scores, where not all: some metrics cost a lot."""

    methods: list[str] | None = None


Method = Annotated[NamedTable, InEditors(METHOD)]
Metric = Annotated[MetricTable, InEditors(METRIC)]
JudgingMetric = Annotated[NamedTable, InEditors(JUDGING_METRIC)]


class OnDeviceTable(Table):
    """Maps that boards compute from the artifacts alone, by methods that need no gradients."""

    methods: list[Method] = key(says="The methods.", example=["occlusion"])
    formats: list[str] | None = key(None, says="Which artifacts.", example=["int8"], without=ALL)
    devices: list[str] | None = key(None, says="Which devices.", example=["pi4"], without=ALL)


class SaliencyTable(Table):
    """Which saliency maps are made, of how many images, and for which class."""

    images: Images = key(32, says="How many pictures of the test split are explained.", unit="images", example=64)
    batch: Batch = key(
        32, says="How many of them form one unit of work. This does not change results.", unit="images", example=10
    )
    target: Literal["predicted", "label"] = key(
        "predicted", says="The class that is explained: the predicted one or the true one.", example="label"
    )
    methods: list[Method] = key(
        [],
        says="The methods, each by its name or as a table with parameters; a list of values makes one method for each.",
        example=EXAMPLE_METHODS,
    )
    controls: bool = key(
        False,
        says="Score control maps as well: a random one, a centred one and, where objects are marked, their mask.",
        example=True,
    )
    precision: Literal["float32", "bfloat16"] = key(
        "float32",
        says="The precision of the gradient engine's products; bfloat16 works neither for binarized models nor on "
        "every CPU.",
        example="bfloat16",
    )
    on_device: list[OnDeviceTable] = Field(default=[])


class JudgeTable(Table):
    """Deployed artifacts that judge the maps on their devices, besides the float model."""

    methods: list[Method] | None = key(
        None,
        says="The methods whose maps are judged on the device, with their parameters from [saliency].",
        example=["gradient"],
        without=ALL,
    )
    metrics: list[JudgingMetric] | None = key(
        None,
        says="The metrics of [quality] that judge them.",
        example=["insertion_auc"],
        without="all that ask a judge",
    )
    formats: list[str] | None = key(None, says="Which artifacts.", example=["int8"], without=ALL)
    devices: list[str] | None = key(None, says="Which devices.", example=["pi4"], without=ALL)


class QualityTable(Table):
    """Which metrics score the saliency maps, and which artifacts judge them."""

    metrics: list[Metric] = key(
        [],
        says="The metrics, each by its name or as a table with parameters and the `methods` whose maps it scores.",
        example=["insertion_auc", {"name": "deletion_auc", "steps": 8}],
    )
    judge: list[JudgeTable] = Field(default=[])


class AgreementTable(Table):
    """How alike two saliency maps of one picture are."""

    metrics: list[Annotated[str, InEditors({"enum": list(AGREEMENTS)})]] = key(
        list(AGREEMENTS), says="By which numbers.", example=["spearman"]
    )
    reference: Method | None = key(
        None, says="Compare every method's map with this one's of the same model.", example="gradient", without="none"
    )
    twins: bool = key(False, says="Compare the maps of a binarized model with those of its float twin.", example=True)


CHECKS = ["parameter_randomisation", "emprt", "data_randomisation"]


class SanityTable(Table):
    """Does a method depend on what the model has learned?"""

    checks: list[Literal["parameter_randomisation", "emprt", "data_randomisation"]] = key(
        CHECKS, says="Which checks; data_randomisation is for the twins alone.", example=["emprt"]
    )
    methods: list[Method] | None = key(
        None, says="Which methods of [saliency].", example=["gradient"], without="all of [saliency]"
    )
    images: Images = key(16, says="How many pictures of the test split.", unit="images", example=8)


class AmplificationTable(Table):
    """How the layers of a model amplify noise on its input."""

    noise_levels: list[Annotated[float, Field(gt=0, le=10)]] = key(
        says="Standard deviations of the noise.", unit="fraction of each picture's range", example=[0.02, 0.1]
    )
    images: Images = key(32, says="How many pictures of the test split.", unit="images", example=16)
