"""General batch-EM Gaussian mixtures; knows nothing of video."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bgsub.mixture.bayesian import BayesianGaussianMixture
    from bgsub.mixture.compat import ConvergenceWarning, MixtureWarning
    from bgsub.mixture.em import Progress
    from bgsub.mixture.gaussian import GaussianMixture
    from bgsub.mixture.kmeans import KMeans
    from bgsub.mixture.pixels import PixelMixtures, fit_pixels
    from bgsub.mixture.selection import Candidate, Selection, select_components

# Each comes with its module when it is asked for: a model of a video needs next to nothing of them.
_HOME = {
    "BayesianGaussianMixture": "bayesian",
    "Candidate": "selection",
    "ConvergenceWarning": "compat",
    "GaussianMixture": "gaussian",
    "KMeans": "kmeans",
    "MixtureWarning": "compat",
    "PixelMixtures": "pixels",
    "Progress": "em",
    "Selection": "selection",
    "fit_pixels": "pixels",
    "select_components": "selection",
}

__all__ = [
    "BayesianGaussianMixture",
    "Candidate",
    "ConvergenceWarning",
    "GaussianMixture",
    "KMeans",
    "MixtureWarning",
    "PixelMixtures",
    "Progress",
    "Selection",
    "fit_pixels",
    "select_components",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bgsub.mixture' has no attribute {name!r}")
    value = getattr(import_module(f"bgsub.mixture.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
