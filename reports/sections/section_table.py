"""The sections of the page in their order, one row each.

A new one is a file in this folder, a template, and a row here.
"""

from __future__ import annotations

from reports.sections import explanations, latency, maps, measured, published, recommendation, table, tradeoff
from reports.sections.section import Section

SECTIONS: tuple[Section, ...] = (
    Section(
        anchor="recommendation",
        contents="Recommendation",
        title="Recommendation",
        template="recommendation.html",
        facts=recommendation.facts,
    ),
    Section(
        anchor="tradeoff",
        contents="Trade-off",
        title="Accuracy against latency",
        template="tradeoff.html",
        facts=tradeoff.facts,
        charts=tradeoff.charts,
    ),
    Section(anchor="table", contents="Table", title="All deployments", template="table.html", facts=table.facts),
    Section(
        anchor="latency",
        contents="Latency",
        title="Latency",
        template="latency.html",
        facts=latency.facts,
        charts=latency.charts,
    ),
    Section(
        anchor="explanations",
        contents="Explanations",
        title="Explanation quality",
        template="explanations.html",
        facts=explanations.facts,
        charts=explanations.charts,
    ),
    Section(anchor="maps", contents="Saliency maps", title="Saliency maps", template="maps.html", facts=maps.facts),
    Section(
        anchor="published",
        contents="Published figures",
        title="Published figures",
        template="published.html",
        facts=published.facts,
        charts=published.charts,
    ),
    Section(
        anchor="measured",
        contents="How it was measured",
        title="How it was measured",
        template="measured.html",
        facts=measured.facts,
    ),
)
