"""Masks against truth by the rules of CDnet 2014."""

from bgsub.evaluation.ablation import ablation
from bgsub.evaluation.counts import Counts, count
from bgsub.evaluation.dataset import Sequence, find_sequences
from bgsub.evaluation.generalise import leave_one_category_out
from bgsub.evaluation.reliability import Reliability
from bgsub.evaluation.report import Report, load, side_by_side, to_csv, to_json, to_text
from bgsub.evaluation.score import (
    Contender,
    Score,
    contenders,
    find_results,
    run_all,
    score_results,
    score_run,
)

__all__ = [
    "Contender",
    "Counts",
    "Reliability",
    "Report",
    "Score",
    "Sequence",
    "ablation",
    "contenders",
    "count",
    "find_results",
    "find_sequences",
    "leave_one_category_out",
    "load",
    "run_all",
    "score_results",
    "score_run",
    "side_by_side",
    "to_csv",
    "to_json",
    "to_text",
]
