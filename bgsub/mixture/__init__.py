"""General batch-EM Gaussian mixtures; knows nothing of video."""

from bgsub.mixture.bayesian import BayesianGaussianMixture
from bgsub.mixture.compat import ConvergenceWarning, MixtureWarning
from bgsub.mixture.em import Progress
from bgsub.mixture.gaussian import GaussianMixture
from bgsub.mixture.kmeans import KMeans
from bgsub.mixture.pixels import PixelMixtures, fit_pixels
from bgsub.mixture.selection import Candidate, Selection, select_components

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
