"""k-means: scikit-learn's, and as the limit of a mixture."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_mixture import blobs

from bgsub.errors import ConfigError, DataError
from bgsub.kernels import em as kernel
from bgsub.kernels import kmeans as rounds
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


@pytest.mark.parametrize("seed", range(6))
def test_whole_weights_equal_repeated_rows(seed):
    """The draws of k-means++ and the tolerance too, so the rounds are the same."""
    rng = np.random.default_rng(seed)
    x, _, _ = blobs(400, 2, 6, seed)
    x[0] = 1e3, -1e3  # far out, so that a weight decides how far apart all are
    counts = np.concatenate([[rng.integers(2) * 9], rng.integers(0, 4, len(x) - 1)])
    given = {"random_state": seed, "tol": 1e-3}
    weighted = KMeans(5, **given).fit(x, sample_weight=counts)
    repeated = KMeans(5, **given).fit(np.repeat(x, counts, axis=0))

    assert weighted.n_iter_ == repeated.n_iter_
    assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, rtol=1e-10)
    assert_array_equal(np.repeat(weighted.labels_, counts), repeated.labels_)
    assert_allclose(weighted.inertia_, repeated.inertia_, rtol=1e-10)


@pytest.mark.parametrize("scale", [2.0**-500, 2.0**500])
def test_any_scale_whose_squares_exist_gives_the_same_clusters(scale):
    x, _, _ = blobs(300, 2, 3)
    small, large = KMeans(3, random_state=0).fit(x), KMeans(3, random_state=0).fit(x * scale)

    assert_array_equal(large.labels_, small.labels_)
    assert_allclose(large.cluster_centers_ / scale, small.cluster_centers_)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_out_of_range_are_refused(scale):
    with pytest.raises(DataError, match="squared distances leave the range of float64"):
        KMeans(2).fit(blobs(60, 2, 2)[0] * scale)


@pytest.mark.parametrize("draw", ["random", "k-means++"])
def test_samples_without_weight_are_never_drawn(draw):
    x = np.arange(40.0)[:, None]
    weights = np.where(np.arange(40) % 10 == 3, 1.0, 0.0)
    model = KMeans(4, init=draw, max_iter=1, tol=0, random_state=0).fit(x, sample_weight=weights)

    assert_array_equal(np.sort(model.cluster_centers_[:, 0]), [3, 13, 23, 33])
    with pytest.raises(DataError, match="5 samples are to be drawn, but only 4 have a weight"):
        KMeans(5, init="random").fit(x, sample_weight=weights)


def test_greedy_seeds_are_scikit_learns():
    cluster = pytest.importorskip("sklearn.cluster")
    x, _, _ = blobs(9000, 2, 6)
    rows = kernel.Rows(x, np.empty(0), x.mean(0))
    for seed in range(5):
        found = module.plus_plus(rows, 6, np.random.RandomState(seed))
        _, expected = cluster.kmeans_plusplus(x, 6, random_state=seed)
        assert_array_equal(found, expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("features", [2, 10])
@pytest.mark.parametrize("clusters", [1, 2, 7])
def test_samples_passed_over_keep_their_nearest_centre(features, weighted, clusters):
    """Whole numbers make every distance exact, and ties many; the first centre wins a tie."""
    rng = np.random.default_rng(features + clusters)
    x = rng.integers(-6, 7, size=(9001, features)).astype(float)
    weights = rng.integers(1, 4, size=len(x)).astype(float) if weighted else np.empty(0)
    rows = kernel.Rows(x, weights, np.zeros(features))
    spread = rounds.spread(rows, 1)
    known = rounds.unassigned(rows, clusters, spread.radius)
    centers = rng.integers(-6, 7, size=(clusters, features)).astype(float)
    before, passed_over = np.full(len(x), -1), 0
    for walk in (0, 9, 1, 0, 1, 1, 3, 1):
        walkers = rng.random((clusters, features)) < 0.3
        centers = centers + walkers * rng.integers(-walk, walk + 1, centers.shape)
        stale = known.until.copy()
        moved = rounds.assign(rows, centers, known, 1)
        away = ((x[:, None] - centers) ** 2).sum(2)
        expected = away.argmin(1)

        assert_array_equal(known.labels, expected)
        assert moved == (expected != before).sum()
        share = np.eye(clusters)[expected] * (weights if weighted else np.ones(len(x)))[:, None]
        mass, first = known.sums()
        assert_array_equal(mass, share.sum(0))
        assert_array_equal(first, share.T @ x)
        inertia = (share * away).sum()
        assert rounds.inertia(rows, centers, known.labels, 1) == inertia
        passed_over += (before >= 0) & (known.until == stale)
        before = expected

    repeated = np.repeat(x, weights.astype(int), axis=0) if weighted else x
    assert spread.variance == pytest.approx(repeated.var(0).mean())
    assert spread.radius == pytest.approx(np.linalg.norm(x, axis=1).max())
    assert np.mean(passed_over) > 1


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-12, 0), (1e9, 0), (1, 1e4)])
def test_passing_samples_over_changes_no_bit(single, scale, offset):
    x, _, _ = blobs(30_000, 2, 6)
    x = ((x + np.repeat([0, 300], [29_999, 1])[:, None]) * scale + offset).astype(
        np.float32 if single else float
    )
    rows = kernel.Rows(x, np.empty(0, x.dtype), x.mean(0))
    spread = rounds.spread(rows, 1)
    start = x[:9].astype(float) - rows.center
    fast, plain = (
        module.lloyd(rows, start, module.Spread(spread.variance, radius), max_iter=60, tol=0)
        for radius in (spread.radius, np.inf)
    )

    assert fast.centers.tobytes() == plain.centers.tobytes()
    assert_array_equal(fast.labels, plain.labels)
    assert (fast.inertia, fast.rounds) == (plain.inertia, plain.rounds)
    assert fast.rounds > 5


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


def test_sparse_samples_and_centres_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    x = np.eye(4)
    fitted = KMeans(2, random_state=0).fit(x)

    for ask in (KMeans(2).fit, fitted.predict, fitted.transform, fitted.score):
        for form in (sparse.csr_matrix, sparse.csc_array):
            with pytest.raises(DataError, match=r"Sparse data was passed for X.*X\.toarray"):
                ask(form(x))
    with pytest.raises(DataError, match=r"Sparse data was passed for init.*init\.toarray"):
        KMeans(2, init=sparse.csr_matrix(x[:2])).fit(x)


def test_what_it_refuses():
    x = np.ones((4, 2))
    with pytest.raises(DataError, match="n_samples=4 should be >= n_clusters=5"):
        KMeans(5).fit(x)
    with pytest.raises(ConfigError, match="init must be"):
        KMeans(2, init="luck").fit(x)
    with pytest.raises(ConfigError, match="array of centres"):
        KMeans(2, init=lambda x, n, rng: x[:n]).fit(x)
    with pytest.raises(ConfigError, match=r"shape \(2, 2\)"):
        KMeans(2, init=[[0.0]]).fit(x)
    with pytest.raises(DataError, match="NaN"):
        KMeans(2).fit(x * np.nan)
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        KMeans(2, random_state=0).fit(x)
