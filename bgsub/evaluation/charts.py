"""Charts of a report, as SVG."""

from __future__ import annotations

from html import escape
from math import isnan

from bgsub.evaluation.reliability import Reliability
from bgsub.evaluation.report import Report

COLORS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7400", "#888888"),
    *("#003f63", "#805800", "#005740", "#71435d", "#30647f", "#763400", "#4d4000", "#4b4b4b"),
)
"""One for each report: those of Okabe and Ito, told apart with every kind of colour vision, then
darker."""

BAR, GAP = 12, 12  # pixels
LABEL, WIDTH, ROOM = 220, 420, 60
SIDE, MARGIN = 300, 46
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def color(n: int) -> str:
    """Of the n-th report."""
    return COLORS[n % len(COLORS)]


def legend(names: dict[int, str]) -> str:
    """The names of reports, by their place, beside their colours, as HTML."""
    items = [
        f'<span><i style="background:{color(n)}"></i>{escape(name)}</span>'
        for n, name in names.items()
    ]
    return f'<p class="legend">{"".join(items)}</p>'


def f_chart(shared: list[Report]) -> str:
    """Bars of F: a group for each sequence, a bar for each of reports that share them."""
    step = BAR * len(shared) + GAP
    rows = list(zip(*(report.scores for report in shared), strict=True))
    groups = [(str(scores[0]), [score.counts.f for score in scores]) for scores in rows]
    if len(rows) > 1:
        groups.append(("mean of sequences", [r.over_sequences()["f"] for r in shared]))
    height = step * len(groups)
    parts = [
        f'<line x1="{_x(tick)}" y1="0" x2="{_x(tick)}" y2="{height}" class="grid"/>'
        f'<text x="{_x(tick)}" y="{height + 16}" text-anchor="middle">{tick:.1f}</text>'
        for tick in TICKS
    ]
    for g, (name, values) in enumerate(groups):
        top = g * step + GAP // 2
        middle = top + BAR * len(shared) / 2 + 4
        parts.append(
            f'<text x="{LABEL - 8}" y="{middle:g}" text-anchor="end">{escape(name)}</text>'
        )
        for n, value in enumerate(values):
            y = top + n * BAR
            known = 0.0 if isnan(value) else value
            parts.append(
                f'<rect x="{LABEL}" y="{y}" width="{known * WIDTH:.1f}" height="{BAR - 1}" '
                f'fill="{color(n)}"/>'
                f'<text x="{_x(known) + 4:.1f}" y="{y + BAR - 2}" class="value">'
                f"{'-' if isnan(value) else f'{value:.3f}'}</text>"
            )
    return _svg(LABEL + WIDTH + ROOM, height + 22, parts)


def reliability_chart(totals: dict[int, Reliability]) -> str:
    """Observed over claimed share of foreground, a line for each report by its place."""
    parts = [
        f'<rect x="{MARGIN}" y="8" width="{SIDE}" height="{SIDE}" class="frame"/>',
        f'<line x1="{_at(0)}" y1="{_up(0)}" x2="{_at(1)}" y2="{_up(1)}" class="ideal"/>',
        f'<text x="{_at(0.5)}" y="{_up(0) + 34}" text-anchor="middle">claimed probability</text>',
        f'<text transform="translate(12 {_up(0.5)}) rotate(-90)" text-anchor="middle">'
        "foreground in truth</text>",
    ]
    parts += [
        f'<text x="{_at(tick)}" y="{_up(0) + 16}" text-anchor="middle">{tick:.1f}</text>'
        f'<text x="{MARGIN - 6}" y="{_up(tick) + 4}" text-anchor="end">{tick:.1f}</text>'
        for tick in TICKS
    ]
    for n, total in totals.items():
        points = [
            (_at(row["claimed"]), _up(row["observed"])) for row in total.rows() if row["pixels"]
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color(n)}"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color(n)}"/>' for x, y in points
        ]
    return _svg(MARGIN + SIDE + 16, SIDE + 48, parts)


def _x(share: float) -> float:
    return LABEL + share * WIDTH


def _at(share: float) -> float:
    return MARGIN + share * SIDE


def _up(share: float) -> float:
    return 8 + (1 - share) * SIDE


def _svg(width: int, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(parts)}</svg>'
    )
