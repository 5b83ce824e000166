"""A report as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bgsub.evaluation import charts
from bgsub.evaluation.counts import MOVING, OUTSIDE, SHADOW, UNKNOWN
from bgsub.evaluation.dataset import Labels
from bgsub.evaluation.report import Report, Row, common, f_rows, reliability_rows
from bgsub.evaluation.score import BadFrame

# BGR. Told apart with every kind of colour vision, and from white and black.
RIGHT, MISSED, FALSE, FALSE_IN_SHADOW, UNSCORED = (
    (255, 255, 255),
    (233, 180, 86),
    (0, 94, 213),
    (66, 228, 240),
    (96, 96, 96),
)
MEANING = {
    "moving, found": RIGHT,
    "missed": MISSED,
    "false": FALSE,
    "false, in a shadow": FALSE_IN_SHADOW,
    "not scored": UNSCORED,
}

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
tr.mean td { background: var(--soft); } td.best { font-weight: 700; }
.legend span { margin-right: 1.2rem; white-space: nowrap; }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em;
  border: 1px solid var(--line); }
svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif;
  fill: currentColor; } svg .value { font-size: 10px; }
.grid, .frame { stroke: var(--line); fill: none; } .ideal { stroke: #888; stroke-dasharray: 4 4; }
polyline { stroke-width: 2; }
.pair { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
.four { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .4rem; }
.four img { width: 100%; display: block; outline: 1px solid var(--line); }
figure { margin: 0 0 1rem; }
figcaption { font-size: 13px; margin-bottom: .2rem; }
"""


def to_html(title: str, reports: list[Report], about: str = "") -> str:
    """The page: F side by side, each report's table, reliability, the worst frames.

    Parameters
    ----------
    title
        What was scored.
    reports
        At least one; what they do not share is left out of the charts alone.
    about
        A line on where and how it was measured.

    Raises
    ------
    SourceError
        The reports have no sequence in common.
    """
    shared = common(reports)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(about)}</p>" if about else "",
        "<h2>F-measure</h2>",
        charts.legend(dict(enumerate(report.name for report in reports))),
        charts.f_chart(shared),
        _table(f_rows(shared), best=True) if len(reports) > 1 else "",
        "<h2>The seven measures</h2>",
    ]
    parts += [f"<h3>{escape(report.name)}</h3>{_table(report.rows())}" for report in reports]
    parts += [_reliability(reports), "<h2>Worst frames</h2>"]
    parts += [_colors(), *_worst(reports)]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f'</title><meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def colored_errors(truth: Labels, mask: Labels) -> NDArray[np.uint8]:
    """(height, width, 3) BGR picture of what a mask has right and wrong; see `MEANING`."""
    found = mask > 127
    picture = np.zeros((*truth.shape, 3), np.uint8)
    picture[found & (truth == MOVING)] = RIGHT
    picture[~found & (truth == MOVING)] = MISSED
    picture[found & (truth != MOVING)] = FALSE
    picture[found & (truth == SHADOW)] = FALSE_IN_SHADOW
    picture[(truth == UNKNOWN) | (truth == OUTSIDE)] = UNSCORED
    return picture


def _table(rows: list[Row], *, best: bool = False) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = []
    for row in rows[1:]:
        compared = [cell for cell, name in zip(row, rows[0], strict=True) if name != "difference"]
        top = max(compared[1:]) if best else None
        cells = "".join(
            f"<td{' class=best' if n and cell == top else ''}>{escape(cell)}</td>"
            for n, cell in enumerate(row)
        )
        kind = " class=mean" if row[0].startswith("mean of ") else ""
        body.append(f"<tr{kind}>{cells}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(body)}</table></div>'


def _reliability(reports: list[Report]) -> str:
    totals = {n: t for n, r in enumerate(reports) if (t := r.reliability()) is not None}
    if not totals:
        return ""
    names = {n: reports[n].name for n in totals}
    parts = [
        "<h2>Reliability of the probabilities</h2>",
        "<p>Pixels by the probability of foreground that they were given, and how many are "
        "foreground in truth. On the diagonal, a claim of 0.7 is right in 70 of 100 cases.</p>",
        charts.legend(names),
        f'<div class="pair">{charts.reliability_chart(totals)}',
    ]
    for n, total in totals.items():
        parts.append(
            f"<div><h3>{escape(names[n])}</h3>{_table(reliability_rows(total))}"
            f"<p>Brier score {total.brier:.5f}, calibration error "
            f"{total.calibration_error:.5f}</p></div>"
        )
    return "".join([*parts, "</div>"])


def _colors() -> str:
    items = [
        f'<span><i style="background:rgb({red},{green},{blue})"></i>{name}</span>'
        for name, (blue, green, red) in MEANING.items()
    ]
    return f'<p class="legend">{"".join(items)}</p>'


def _worst(reports: list[Report]) -> list[str]:
    """Every sequence's worst frames; of several reports the worst frame of each."""
    shown = None if len(reports) == 1 else 1
    parts = []
    for name in sorted({str(score) for report in reports for score in report.scores}):
        parts.append(f"<h3>{escape(name)}</h3>")
        for report in reports:
            for score in report.scores:
                if str(score) == name:
                    parts += [_bad(report.name, bad) for bad in score.worst[:shown]]
    return parts


def _bad(name: str, bad: BadFrame) -> str:
    pictures = [
        ("input", _embed(bad.image, ".jpg")),
        ("truth", _embed(bad.truth, ".png")),
        ("mask", _embed(bad.mask, ".png")),
        ("errors", _embed(colored_errors(bad.truth, bad.mask), ".png")),
    ]
    images = "".join(f'<img src="{source}" alt="{kind}">' for kind, source in pictures)
    return (
        f"<figure><figcaption>{escape(name)}, frame {bad.number}: {bad.wrong} pixels wrong. "
        f'Input, truth, mask, errors</figcaption><div class="four">{images}</div></figure>'
    )


def _embed(picture: NDArray[Any], suffix: str) -> str:
    """A picture as a data URL, at most 8 bits a channel."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    data = cv2.imencode(suffix, picture)[1].tobytes()
    kind = "jpeg" if suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
