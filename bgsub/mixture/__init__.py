"""General batch-EM Gaussian mixtures; knows nothing of video."""
