"""General batch-EM Gaussian mixtures; knows nothing of video."""

from bgsub.mixture.pixels import PixelMixtures, fit_pixels

__all__ = ["PixelMixtures", "fit_pixels"]
