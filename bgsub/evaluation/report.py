"""Scores as tables: sums per sequence, means over sequences and over categories."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from math import isnan, nan
from pathlib import Path
from statistics import fmean
from typing import Any

from bgsub.errors import SourceError
from bgsub.evaluation.counts import MEASURES, Counts
from bgsub.evaluation.reliability import Reliability
from bgsub.evaluation.score import Score

HEADS = {
    "recall": "Recall",
    "specificity": "Spec",
    "fpr": "FPR",
    "fnr": "FNR",
    "pwc": "PWC",
    "precision": "Prec",
    "f": "F",
}
FORMAT = "bgsub-eval"
COUNTS = tuple(f.name for f in fields(Counts))

Row = list[str]


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of one contender, or of one folder of results."""

    name: str
    scores: list[Score]

    def categories(self) -> dict[str, dict[str, float]]:
        """Each category's measures: the mean over its sequences."""
        names = sorted({score.category for score in self.scores})
        return {
            name: mean(s.counts.measures() for s in self.scores if s.category == name)
            for name in names
        }

    def groups(self) -> list[str]:
        """The categories whose mean says more than a sequence and less than the mean of all."""
        sizes = Counter(score.category for score in self.scores)
        return sorted(name for name, size in sizes.items() if 1 < size < len(self.scores))

    def over_categories(self) -> dict[str, float]:
        """Each measure's mean over the categories, as CDnet ranks."""
        return mean(self.categories().values())

    def over_sequences(self) -> dict[str, float]:
        """Each measure's mean over the sequences."""
        return mean(score.counts.measures() for score in self.scores)

    def milliseconds(self) -> float:
        """Mean over the sequences of the time of a frame; NaN for masks from disk."""
        return fmean(score.milliseconds for score in self.scores)

    def reliability(self) -> Reliability | None:
        """Of all sequences together; None where no probability was judged."""
        parts = [s.reliability for s in self.scores if s.reliability is not None]
        return sum(parts, Reliability.none()) if parts else None

    def rows(self) -> list[Row]:
        """A head, one row a sequence, and the means."""
        rows = [["Sequence", *HEADS.values(), "shadow FP", "frames", "ms"]]
        for s in sorted(self.scores, key=str):
            shadow = f"{s.counts.shadow_fp / s.counts.fp:.0%}" if s.counts.fp else "-"
            measures = _cells(s.counts.measures())
            rows.append(
                [str(s), *measures, shadow, str(s.counts.frames), number(s.milliseconds, 2)]
            )
        if len(self.scores) > 1:
            categories = self.categories()
            rows += [
                [f"mean of {name}", *_cells(categories[name]), "", "", ""] for name in self.groups()
            ]
            last = ["", "", number(self.milliseconds(), 2)]
            rows.append(["mean of categories", *_cells(self.over_categories()), *last])
            rows.append(["mean of sequences", *_cells(self.over_sequences()), *last])
        return rows


def to_text(reports: list[Report]) -> str:
    """Every report's table, and where there are several, all side by side."""
    parts = []
    for report in reports:
        parts += [f"{report.name}\n{table(report.rows())}"]
        if (total := report.reliability()) is not None:
            parts += [reliability_text(total)]
    if len(reports) > 1:
        parts += [side_by_side(reports)]
    return "\n\n".join(parts)


def to_json(reports: list[Report]) -> str:
    """Counts, measures, means, times and reliability as JSON; `load` reads it."""
    runs = [_plain(report) for report in reports]
    return json.dumps({"format": FORMAT, "version": 1, "runs": runs}, indent=1) + "\n"


def to_csv(reports: list[Report]) -> str:
    """One row for each report and sequence: counts, measures, milliseconds."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("run", "category", "sequence", *COUNTS, *MEASURES, "milliseconds"))
    for report in reports:
        for s in report.scores:
            counts = [getattr(s.counts, name) for name in COUNTS]
            measures = [number(value, 6, "") for value in s.counts.measures().values()]
            time = number(s.milliseconds, 3, "")
            rows.writerow((report.name, s.category, s.name, *counts, *measures, time))
    return text.getvalue()


def load(path: str | Path) -> list[Report]:
    """The reports that were saved as JSON, without pictures and reliability.

    Raises SourceError for anything else.
    """
    try:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        if about["format"] != FORMAT or about["version"] != 1:
            raise ValueError(FORMAT)
        reports = [
            Report(str(run["name"]), [_score(sequence) for sequence in run["sequences"]])
            for run in about["runs"]
        ]
        if not reports or not all(report.scores for report in reports):
            raise ValueError("runs")
        return reports
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path} is no report that `bgsub eval --json` wrote") from error


def common(reports: list[Report]) -> list[Report]:
    """The reports with only the sequences that all have, in one order.

    Raises SourceError when there is none.
    """
    by_name = [{str(score): score for score in report.scores} for report in reports]
    shared = [name for name in by_name[0] if all(name in scores for scores in by_name)]
    if not shared:
        raise SourceError("the reports have no sequence in common")
    return [
        Report(report.name, [scores[name] for name in sorted(shared)])
        for report, scores in zip(reports, by_name, strict=True)
    ]


def best_of(name: str, reports: list[Report]) -> Report:
    """A report with the best of several on each sequence, chosen in knowledge of the truth."""
    each = zip(*(report.scores for report in common(reports)), strict=True)
    return Report(name, [max(scores, key=lambda s: s.counts.f) for scores in each])


def side_by_side(reports: list[Report]) -> str:
    """F, recall, precision and time of the sequences that all have, a column for each report.

    Two reports get a column of differences. Raises SourceError when no sequence is shared.
    """
    shared = common(reports)
    parts = [table(f_rows(shared))]
    for name in ("recall", "precision"):
        parts += [table(_measure_rows(shared, name))]
    if not all(isnan(report.milliseconds()) for report in shared):
        parts += [table(_time_rows(shared))]
    left_out = sorted(
        {str(s) for r in reports for s in r.scores} - {str(s) for s in shared[0].scores}
    )
    if left_out:
        parts += [f"not in all reports, and left out here: {', '.join(left_out)}"]
    return "\n\n".join(parts)


def f_rows(shared: list[Report]) -> list[Row]:
    """Rows of F, a column for each of reports that have the same sequences; means last."""
    return _measure_rows(shared, "f")


def reliability_text(total: Reliability) -> str:
    """Claimed and observed share of foreground in each tenth of the probability."""
    return (
        f"{table(reliability_rows(total))}\n"
        f"Brier score {total.brier:.5f}, calibration error {total.calibration_error:.5f}"
    )


def reliability_rows(total: Reliability) -> list[Row]:
    """A head, and one row for each tenth of the probability."""
    rows = [["Probability", "pixels", "claimed", "observed"]]
    rows += [
        [
            f"{r['from']:.1f} to {r['to']:.1f}",
            f"{r['pixels']:.0f}",
            number(r["claimed"], 3),
            number(r["observed"], 3),
        ]
        for r in total.rows()
    ]
    return rows


def table(rows: list[Row]) -> str:
    """Rows of cells, aligned: the first column left, the others right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def mean(measures: Iterable[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure over those that have one."""
    listed = list(measures)
    means = {}
    for name in MEASURES:
        values = [m[name] for m in listed if not isnan(m[name])]
        means[name] = fmean(values) if values else nan
    return means


def number(value: float, digits: int, missing: str = "-") -> str:
    """`value` with `digits` decimals; NaN as `missing`."""
    return missing if isnan(value) else f"{value:.{digits}f}"


def _measure_rows(shared: list[Report], measure: str) -> list[Row]:
    title = {"f": "F", "recall": "Recall", "precision": "Precision"}[measure]
    rows = [[title, *(report.name for report in shared)]]
    values = [
        (str(scores[0]), [getattr(s.counts, measure) for s in scores])
        for scores in zip(*(report.scores for report in shared), strict=True)
    ]
    if len(shared[0].scores) > 1:
        categories = [report.categories() for report in shared]
        values += [
            (f"mean of {name}", [of[name][measure] for of in categories])
            for name in shared[0].groups()
        ]
        for text, means in (
            ("categories", [r.over_categories() for r in shared]),
            ("sequences", [r.over_sequences() for r in shared]),
        ):
            values += [(f"mean of {text}", [m[measure] for m in means])]
    rows += [[name, *(number(v, 4) for v in of)] for name, of in values]
    return _with_difference(rows, [of for _, of in values], "+.4f")


def _time_rows(shared: list[Report]) -> list[Row]:
    rows = [["ms a frame", *(report.name for report in shared)]]
    rows += [
        [str(scores[0]), *(number(s.milliseconds, 2) for s in scores)]
        for scores in zip(*(report.scores for report in shared), strict=True)
    ]
    if len(rows) > 2:
        rows.append(["mean of sequences", *(number(r.milliseconds(), 2) for r in shared)])
    return rows


def _with_difference(rows: list[Row], values: list[list[float]], form: str) -> list[Row]:
    """The rows with a column of second minus first, where there are just two."""
    if len(rows[0]) != 3:
        return rows
    rows[0].append("difference")
    for row, (a, b) in zip(rows[1:], values, strict=True):
        row.append("-" if isnan(b - a) else format(b - a, form))
    return rows


def _cells(measures: dict[str, float]) -> Row:
    return [number(value, 4) for value in measures.values()]


def _plain(report: Report) -> dict[str, Any]:
    """A report as JSON has it, NaN as null."""
    made: dict[str, Any] = {
        "name": report.name,
        "sequences": [
            {
                "category": s.category,
                "name": s.name,
                "counts": asdict(s.counts),
                **_rounded(s.counts.measures()),
                **_rounded({"milliseconds": s.milliseconds}),
            }
            for s in report.scores
        ],
        "categories": {name: _rounded(m) for name, m in report.categories().items()},
        "over_categories": _rounded(report.over_categories()),
        "over_sequences": _rounded(report.over_sequences()),
    }
    if (total := report.reliability()) is not None:
        made["reliability"] = {
            "bins": [_rounded(row) for row in total.rows()],
            "brier": total.brier,
            "calibration_error": total.calibration_error,
        }
    return made


def _rounded(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if isnan(v) else round(v, 6) for name, v in values.items()}


def _score(sequence: dict[str, Any]) -> Score:
    time = sequence["milliseconds"]
    return Score(
        str(sequence["category"]),
        str(sequence["name"]),
        Counts(**{name: int(n) for name, n in sequence["counts"].items()}),
        nan if time is None else float(time),
    )
