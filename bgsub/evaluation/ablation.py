"""What each ingredient is worth: the model without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bgsub.errors import ConfigError
from bgsub.evaluation.report import Report, Row, common, number
from bgsub.evaluation.runs import Contender
from bgsub.models import INGREDIENTS

CLEANING: dict[str, dict[str, Any]] = {
    "majority filter": {"majority": 1},
    "weak foreground joined": {"weak_share": 0.5},
    "shadows bridged": {"bridge_shadows": 0.0},
    "dropping small blobs": {"min_blob": 0.0},
    "filling holes": {"max_hole": 0.0},
}
"""Steps of the mask's cleaning, each with the settings that switch it off."""


def ablation(whole: Contender) -> list[Contender]:
    """The whole first, then without each ingredient that it has.

    Raises ConfigError for one of OpenCV's models.
    """
    model, masks = whole.model, whole.masks
    if isinstance(model, str):
        raise ConfigError(f"expected settings of an AdaptiveMixture, got {model}")
    without = [
        Contender(f"without {ingredient}", replace(model, **off), masks)
        for ingredient, off in INGREDIENTS.items()
    ]
    without += [
        Contender(f"without {step}", model, replace(masks, **off)) for step, off in CLEANING.items()
    ]
    return [
        whole,
        *(c for c in without if (c.model, c.masks) != (model, masks)),
    ]


def ablation_rows(reports: list[Report]) -> tuple[list[Row], list[Row]]:
    """Rows of an ablation: means, categories and times; and F of each sequence.

    Parameters
    ----------
    reports
        Of what `ablation` made, in its order: differences are to the first.

    Raises
    ------
    ConfigError
        There is no report.
    """
    if not reports:
        raise ConfigError("expected the reports of an ablation, got none")
    shared = common(reports)
    whole = shared[0].over_sequences()["f"]
    categories = list(shared[0].categories())
    means = [["F", "sequences", "change", "categories", *categories, "ms"]]
    each = [["F", *(score.name for score in shared[0].scores)]]
    for n, report in enumerate(shared):
        f = report.over_sequences()["f"]
        by_category = report.categories()
        means.append(
            [
                report.name,
                number(f, 4),
                f"{f - whole:+.4f}" if n else "",
                number(report.over_categories()["f"], 4),
                *(number(by_category[name]["f"], 4) for name in categories),
                number(report.milliseconds(), 2),
            ]
        )
        each.append([report.name, *(number(score.counts.f, 4) for score in report.scores)])
    return means, each
