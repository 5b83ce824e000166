"""k-means: scikit-learn's, and as the limit of a mixture."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_mixture import blobs

from bgsub.errors import ConfigError, DataError
from bgsub.kernels import em as kernel
from bgsub.mixture import ConvergenceWarning, KMeans
from bgsub.mixture import kmeans as module


@pytest.mark.parametrize(("features", "single"), [(2, False), (2, True), (10, False)])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_finds_what_scikit_learn_finds_from_the_same_seed(features, single, weighted):
    cluster = pytest.importorskip("sklearn.cluster")
    x, _, _ = blobs(5000, features, 6)
    x = x.astype(np.float32 if single else float)
    weights = np.random.default_rng(0).uniform(0.5, 2, len(x)) if weighted else None
    a = KMeans(6, random_state=3).fit(x, sample_weight=weights)
    b = cluster.KMeans(6, random_state=3, n_init=1).fit(x, sample_weight=weights)

    if not single:
        assert a.n_iter_ == b.n_iter_
    rtol = 1e-4 if single else 1e-10
    assert_allclose(a.cluster_centers_, b.cluster_centers_, rtol=rtol, atol=rtol)
    assert_allclose(a.inertia_, b.inertia_, rtol=rtol)
    assert (a.labels_ == b.labels_).mean() > (0.999 if single else 0.99999)
    assert_array_equal(a.predict(x), a.labels_)
    assert_allclose(a.transform(x[:9]).argmin(1), a.labels_[:9])
    assert a.score(x, sample_weight=weights) == pytest.approx(-a.inertia_)


def test_greedy_seeds_are_scikit_learns():
    cluster = pytest.importorskip("sklearn.cluster")
    x, _, _ = blobs(9000, 2, 6)
    rows = kernel.Rows(x, np.empty(0), x.mean(0))
    for seed in range(5):
        found = module.plus_plus(rows, 6, np.random.RandomState(seed))
        _, expected = cluster.kmeans_plusplus(x, 6, random_state=seed)
        assert_array_equal(found, expected)


def test_it_is_the_limit_of_a_mixture_with_one_vanishing_variance():
    """Bishop (2006), section 9.3.2: responsibilities harden, and the likelihood is the inertia."""
    x, _, _ = blobs(800, 2, 4)
    found = KMeans(4, random_state=0, tol=0).fit(x)
    variance = 1e-7
    mixture = kernel.Gaussians(
        np.full(4, np.log(0.25)),
        found.cluster_centers_,
        np.full((4, 2), variance**-0.5),
    )
    rows = kernel.Rows(x, np.empty(0), np.zeros(2))
    sums = kernel.gather(rows, mixture)
    share = kernel.report(rows, mixture, responsibilities=True).responsibilities

    assert_array_equal(share.argmax(1), found.labels_)
    assert np.sort(share, axis=1)[:, -1].min() > 1 - 1e-9
    # The M step leaves the centres where they are: Lloyd's and EM share the fixed point.
    assert_allclose(sums.first / sums.mass[:, None], 0, atol=1e-9)
    constant = len(x) * (np.log(0.25) - np.log(2 * np.pi * variance))
    inertia = -2 * variance * (sums.log_likelihood - constant)
    assert_allclose(inertia, found.inertia_, rtol=1e-9)


def test_the_same_bits_on_any_number_of_threads():
    x, _, _ = blobs(40_000, 2, 5)
    one, three = (KMeans(5, random_state=0, threads=n).fit(x) for n in (1, 3))

    assert one.cluster_centers_.tobytes() == three.cluster_centers_.tobytes()
    assert_array_equal(one.labels_, three.labels_)


def test_an_empty_cluster_takes_the_farthest_sample():
    x = np.array([[0.0], [0.1], [0.2], [10.0]])
    found = KMeans(3, init=[[0.1], [50.0], [60.0]]).fit(x)

    assert len(np.unique(found.labels_)) == 3
    assert found.labels_[3] not in found.labels_[:3]


def test_given_and_random_starts():
    x, means, _ = blobs(2000, 2, 3)
    given = KMeans(3, init=means).fit(x)
    drawn = KMeans(3, init="random", random_state=0).fit(x)

    assert_allclose(given.inertia_, drawn.inertia_, rtol=1e-3)


def test_what_it_refuses():
    x = np.ones((4, 2))
    with pytest.raises(DataError, match="n_samples=4 should be >= n_clusters=5"):
        KMeans(5).fit(x)
    with pytest.raises(ConfigError, match="init must be"):
        KMeans(2, init="luck").fit(x)
    with pytest.raises(ConfigError, match=r"shape \(2, 2\)"):
        KMeans(2, init=[[0.0]]).fit(x)
    with pytest.raises(DataError, match="NaN"):
        KMeans(2).fit(x * np.nan)
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        KMeans(2, random_state=0).fit(x)
