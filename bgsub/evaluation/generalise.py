"""Do the parameters hold where they were not chosen: leave one category out."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from statistics import fmean

from bgsub.errors import SourceError
from bgsub.evaluation.report import Report, Row, common, number


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A category, and the parameters that the others chose for it."""

    category: str
    chosen: str
    """Name of the report with the highest mean F over the other categories."""
    f_others: float
    """Its mean F over them."""
    f: float
    """Its F on this category: the mean over its sequences."""
    best: str
    """Name of the report that would have been best here."""
    f_best: float
    """Its F here."""


def leave_one_category_out(reports: list[Report]) -> list[LeftOut]:
    """Choose among parameter sets on all categories but one, and score the one left out.

    Parameters
    ----------
    reports
        One for each parameter set, over at least two categories. Only the sequences that all have
        are looked at; of equals the first is chosen.

    Raises
    ------
    SourceError
        No sequence in common, a name twice, one category alone, or one without F.
    """
    f = {
        report.name: {name: measures["f"] for name, measures in report.categories().items()}
        for report in common(reports)
    }
    categories = list(f[reports[0].name])
    if len(f) < len(reports):
        raise SourceError("expected parameter sets of different names, got one name twice")
    if len(categories) < 2:
        raise SourceError(f"expected at least two categories to choose by, got {categories[0]}")
    for name in categories:
        if any(isnan(scores[name]) for scores in f.values()):
            raise SourceError(f"{name} has no F: neither truth nor masks have foreground there")
    return [_leave_out(category, f) for category in categories]


def left_out_rows(left_out: list[LeftOut]) -> list[Row]:
    """A head, one row for each category, and the means."""
    rows = [["Left out", "chosen by the others", "F of others", "F here", "best here", "F"]]
    rows += [
        [x.category, x.chosen, number(x.f_others, 4), number(x.f, 4), x.best, number(x.f_best, 4)]
        for x in left_out
    ]
    means = [fmean(getattr(x, name) for x in left_out) for name in ("f_others", "f", "f_best")]
    rows.append(["mean", "", number(means[0], 4), number(means[1], 4), "", number(means[2], 4)])
    return rows


def _leave_out(category: str, f: dict[str, dict[str, float]]) -> LeftOut:
    """Of f[name][category]."""
    others = {
        name: fmean(value for other, value in scores.items() if other != category)
        for name, scores in f.items()
    }
    chosen = max(others, key=others.__getitem__)
    best = max(f, key=lambda name: f[name][category])
    return LeftOut(category, chosen, others[chosen], f[chosen][category], best, f[best][category])
