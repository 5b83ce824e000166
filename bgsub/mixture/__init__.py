"""General batch-EM Gaussian mixtures; knows nothing of video."""

from bgsub.mixture.bayesian import BayesianGaussianMixture
from bgsub.mixture.compat import ConvergenceWarning, MixtureWarning
from bgsub.mixture.em import Progress
from bgsub.mixture.gaussian import GaussianMixture
from bgsub.mixture.kmeans import KMeans

__all__ = [
    "BayesianGaussianMixture",
    "ConvergenceWarning",
    "GaussianMixture",
    "KMeans",
    "MixtureWarning",
    "Progress",
]
