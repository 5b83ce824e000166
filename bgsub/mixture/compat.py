"""How the estimators get along with scikit-learn without needing it.

scikit-learn is never imported for its own sake. Where the caller has imported it, errors and
warnings are of its types too, so that `except sklearn.exceptions.NotFittedError` works.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from typing import Any

from bgsub.errors import NotFittedError


class MixtureWarning(UserWarning):
    """Advice on data or settings that make a fit doubtful."""


class ConvergenceWarning(MixtureWarning):
    """EM stopped before it converged."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn of the line outside this package that led here."""
    level, frame = 1, sys._getframe()
    inside = __name__.rpartition(".")[0]
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(inside):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@cache
def _joined(ours: type, theirs: type) -> type:
    return type(ours.__name__, (ours, theirs), {"__doc__": ours.__doc__})


def _with_sklearn(ours: type) -> Any:
    theirs = sys.modules.get("sklearn.exceptions")
    return ours if theirs is None else _joined(ours, getattr(theirs, ours.__name__))


def not_fitted(name: str) -> NotFittedError:
    """The error of an estimator called `name` that was asked before fit()."""
    error: NotFittedError = _with_sklearn(NotFittedError)(
        f"This {name} instance is not fitted yet. Call 'fit' with appropriate arguments before "
        "using this estimator."
    )
    return error


def convergence_warning() -> type[Warning]:
    """The category of the warning that EM stopped early."""
    category: type[Warning] = _with_sklearn(ConvergenceWarning)
    return category


def tags(kind: str, *, missing: bool, transforms: bool) -> Any:
    """What scikit-learn wants to know of an estimator; only scikit-learn asks."""
    from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

    return Tags(
        estimator_type=kind,
        target_tags=TargetTags(required=False),
        transformer_tags=TransformerTags() if transforms else None,
        input_tags=InputTags(allow_nan=missing),
    )
