"""Masks against truth by the rules of CDnet 2014."""

from bgsub.evaluation.ablation import ablation
from bgsub.evaluation.counts import Counts, count
from bgsub.evaluation.dataset import Sequence, find_sequences
from bgsub.evaluation.generalise import leave_one_category_out
from bgsub.evaluation.page import to_html
from bgsub.evaluation.reliability import Reliability
from bgsub.evaluation.report import Report, load, side_by_side, to_csv, to_json, to_text
from bgsub.evaluation.runs import Contender, contenders, run_all, score_run
from bgsub.evaluation.score import Score, find_results, score_results

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
    "to_html",
    "to_json",
    "to_text",
]
