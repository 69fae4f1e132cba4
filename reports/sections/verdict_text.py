"""What a run ends with: what to deploy on each device, in a sentence and a few lines of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.data.aligned import aligned
from reports.sections.recommendation import Choice, Recommendation, most_telling

MOST_CHOICES = 5


def verdict_text(recommendations: Sequence[Recommendation]) -> str:
    """A paragraph for each device, with an empty line after it; nothing where no device took part."""
    return "".join(f"{paragraph}\n\n" for paragraph in map(_paragraph, recommendations))


def _paragraph(recommendation: Recommendation) -> str:
    return "\n".join(_lines(recommendation))


def _lines(recommendation: Recommendation) -> Iterator[str]:
    yield f"{recommendation.device}: {recommendation.summary}"
    shown = most_telling(recommendation.choices, lambda choice: bool(choice.praises), MOST_CHOICES)
    if shown:
        head = ["model", "deployment", "median latency", _accuracy_head(shown), "explanation", ""]
        lines = [_cells(choice) for choice in shown]
        kept = [at for at in range(len(head)) if any(line[at] for line in lines)]
        table = aligned([head[at] for at in kept], [[line[at] for at in kept] for line in lines])
        yield from (f"  {line}" for line in table.splitlines())
    more = len(recommendation.choices) - len(shown) + recommendation.left_out
    if more:
        yield f"  and {more} more in the report"
    yield from (f"  {remark}" for remark in recommendation.remarks)


def _accuracy_head(choices: Sequence[Choice]) -> str:
    """What the accuracies are, and of how many images where these are the same for all."""
    numbers = {choice.accuracy_images for choice in choices} - {None}
    return f"top-1 of {numbers.pop()} images" if len(numbers) == 1 else "top-1"


def _cells(choice: Choice) -> list[str]:
    words = [*choice.praises, *([f"latency {choice.validity}"] if choice.caution else [])]
    return [choice.model, choice.deployment, choice.latency, choice.accuracy, choice.explanation, ", ".join(words)]
