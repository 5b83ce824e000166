"""The Gaussian mixture: scikit-learn and slow twins are the judges."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bgsub.errors import ConfigError, DataError, NotFittedError
from bgsub.kernels import em as kernel
from bgsub.mixture import GaussianMixture, MixtureWarning, Progress

FORMS = ["full", "tied", "diag", "spherical"]
SIZES = [(700, 2, 3), (500, 9, 3)]


def blobs(samples, features, components, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.normal(scale=3, size=(components, features))
    turn = np.eye(features) + 0.3 * rng.normal(size=(components, features, features))
    label = rng.integers(components, size=samples)
    noise = rng.normal(size=(samples, features))
    return means[label] + np.einsum("nd,nde->ne", noise, turn[label]), means, label


def start(means, form):
    k, d = means.shape
    shape = {"full": np.stack([np.eye(d)] * k), "tied": np.eye(d), "diag": np.ones((k, d))}
    return {
        "weights_init": np.full(k, 1 / k),
        "means_init": means + 0.3,
        "precisions_init": shape.get(form, np.ones(k)),
        "covariance_type": form,
    }


def log_densities(x, mixture):
    """Weighted log densities (samples, components), from the definition."""
    d = x.shape[1]
    matrices = mixture._form.matrices(mixture.covariances_, *mixture.means_.shape)
    out = np.empty((len(x), len(matrices)))
    for k, matrix in enumerate(matrices):
        away = x - mixture.means_[k]
        distance = np.einsum("nd,nd->n", away, np.linalg.solve(matrix, away.T).T)
        out[:, k] = np.log(mixture.weights_[k]) - 0.5 * (
            distance + np.linalg.slogdet(2 * np.pi * matrix)[1]
        )
    assert d == matrices.shape[1]
    return out


def log_sum(joint):
    top = joint.max(1)
    return top + np.log(np.exp(joint - top[:, None]).sum(1))


@pytest.fixture(scope="module")
def sk():
    return pytest.importorskip("sklearn.mixture")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_every_iteration_agrees_with_scikit_learn(sk, size, form):
    x, means, _ = blobs(*size)
    given = {"max_iter": 25, "tol": 0, **start(means, form)}
    ours = GaussianMixture(len(means), **given).fit(x)
    theirs = sk.GaussianMixture(len(means), **given).fit(x)

    assert len(ours.lower_bounds_) == 25
    assert_allclose(ours.lower_bounds_, theirs.lower_bounds_, rtol=1e-11)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-11)
    assert_allclose([ours.bic(x), ours.aic(x)], [theirs.bic(x), theirs.aic(x)], rtol=1e-12)
    assert_allclose(ours.score_samples(x), theirs.score_samples(x), rtol=1e-9)
    assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-10)
    assert_array_equal(ours.predict(x), theirs.predict(x))


@pytest.mark.parametrize("method", ["kmeans", "k-means++", "random", "random_from_data"])
@pytest.mark.filterwarnings("ignore")
def test_the_same_seed_starts_where_scikit_learn_does(sk, method):
    x, _, _ = blobs(700, 2, 3)
    given = {"init_params": method, "random_state": 5, "max_iter": 0}
    ours = GaussianMixture(3, **given).fit(x)
    theirs = sk.GaussianMixture(3, **given).fit(x)

    assert_allclose(ours.means_, theirs.means_, rtol=1e-9)
    assert_allclose(ours.covariances_, theirs.covariances_, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.weights_, theirs.weights_, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_likelihood_never_falls(form):
    x, _, _ = blobs(700, 2, 3)
    mixture = GaussianMixture(
        4,
        covariance_type=form,
        init_params="random",
        random_state=1,
        tol=1e-9,
        max_iter=5000,
        reg_covar=0,
    )
    mixture.fit(x)

    assert len(mixture.lower_bounds_) > 20
    assert np.diff(mixture.lower_bounds_).min() > -1e-13


@pytest.mark.parametrize(("features", "diagonal"), [(2, False), (6, False), (2, True), (10, True)])
@pytest.mark.parametrize("single", [False, True])
def test_a_pass_adds_up_what_a_slow_twin_does(features, diagonal, single):
    if single and features > 2:
        pytest.skip("one type is enough for the tiled kernels")
    rng = np.random.default_rng(3)
    samples, components = 333, 3  # neither fills the last block
    x = rng.normal(size=(samples, features)) + 0.5
    weights = rng.uniform(0, 2, samples)
    means = rng.normal(size=(components, features))
    factors = rng.uniform(0.5, 1.5, (components, features))
    if not diagonal:
        upper = np.triu(0.3 * rng.normal(size=(components, features, features)), 1)
        factors = upper + factors[:, :, None] * np.eye(features)
    about = means + 0.1
    real = np.float32 if single else np.float64
    rows = kernel.Rows(x.astype(real), weights.astype(real), np.full(features, 0.5, real))
    sums = kernel.gather(rows, kernel.Gaussians(np.zeros(components), means, factors), about)

    away = x[:, None] - 0.5 - means
    turned = away * factors if diagonal else np.einsum("nki,kij->nkj", away, factors)
    roots = factors if diagonal else np.diagonal(factors, axis1=1, axis2=2)
    joint = (np.log(roots) - 0.5 * np.log(2 * np.pi)).sum(1) - 0.5 * (turned**2).sum(2)
    share = weights[:, None] * np.exp(joint - log_sum(joint)[:, None])
    moved = x[:, None] - 0.5 - about
    pairs = "nk,nkd,nkd->kd" if diagonal else "nk,nkd,nke->kde"
    rtol = 2e-5 if single else 1e-12
    assert_allclose(sums.log_likelihood, weights @ log_sum(joint), rtol=rtol)
    assert_allclose(sums.mass, share.sum(0), rtol=rtol)
    assert_allclose(sums.first, np.einsum("nk,nkd->kd", share, moved), rtol=rtol, atol=rtol * 100)
    assert_allclose(sums.second, np.einsum(pairs, share, moved, moved), rtol=rtol, atol=rtol * 100)


def test_a_pass_has_the_same_bits_on_any_number_of_threads():
    x, means, _ = blobs(40_000, 2, 3)
    fits = [
        GaussianMixture(3, threads=n, max_iter=3, tol=0, **start(means, "full")) for n in (1, 2, 3)
    ]
    for fit in fits:
        with pytest.warns(UserWarning, match="did not converge"):
            fit.fit(x)

    for other in fits[1:]:
        assert fits[0].covariances_.tobytes() == other.covariances_.tobytes()
        assert fits[0].lower_bounds_ == other.lower_bounds_
        assert fits[0].score_samples(x).tobytes() == other.score_samples(x).tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_whole_weights_equal_repeated_rows(form):
    x, means, _ = blobs(300, 2, 3)
    counts = np.random.default_rng(1).integers(0, 4, len(x))
    given = {"tol": 1e-6, "max_iter": 200, **start(means, form)}
    weighted = GaussianMixture(3, **given).fit(x, sample_weight=counts)
    repeated = GaussianMixture(3, **given).fit(np.repeat(x, counts, axis=0))

    assert weighted.n_iter_ == repeated.n_iter_
    assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-9)
    assert_allclose(weighted.weights_, repeated.weights_, rtol=1e-9)
    assert_allclose(
        weighted.score(x, sample_weight=counts), repeated.score(np.repeat(x, counts, 0))
    )
    assert_allclose(weighted.bic(x, counts), repeated.bic(np.repeat(x, counts, 0)), rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_criteria_are_those_counted_by_hand(form):
    x, means, _ = blobs(300, 2, 3)
    mixture = GaussianMixture(3, **start(means, form)).fit(x)
    joint = log_densities(x, mixture)
    total = log_sum(joint).sum()
    share = np.exp(joint - log_sum(joint)[:, None])
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum()
    parameters = 2 + 6 + {"full": 9, "tied": 3, "diag": 6, "spherical": 3}[form]

    assert_allclose(mixture.aic(x), -2 * total + 2 * parameters, rtol=1e-12)
    assert_allclose(mixture.bic(x), -2 * total + parameters * np.log(300), rtol=1e-12)
    assert_allclose(mixture.icl(x) - mixture.bic(x), 2 * entropy, rtol=1e-7)


def test_more_starts_find_what_one_misses():
    rng = np.random.default_rng(0)
    places = (0, 0), (9, 0), (0, 9), (9, 9), (20, 20), (22, 20)
    x = np.concatenate([rng.normal(place, 0.3, size=(60, 2)) for place in places])
    given = {"init_params": "random", "random_state": 1, "max_iter": 200}
    one, ten = (GaussianMixture(6, n_init=n, **given).fit(x) for n in (1, 10))

    assert ten.lower_bound_ > one.lower_bound_ + 1
    assert ten.score(x) == pytest.approx(ten.lower_bound_, abs=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_samples_have_the_moments_of_their_component(form):
    x, means, _ = blobs(400, 2, 3)
    mixture = GaussianMixture(3, random_state=4, **start(means, form)).fit(x)
    drawn, label = mixture.sample(60_000)
    matrices = mixture._form.matrices(mixture.covariances_, 3, 2)

    assert_allclose(np.bincount(label) / 60_000, mixture.weights_, atol=0.01)
    for k in range(3):
        own = drawn[label == k]
        scale = np.sqrt(np.diag(matrices[k]))
        assert_allclose(own.mean(0) / scale, mixture.means_[k] / scale, atol=0.04)
        assert_allclose(
            np.cov(own.T) / np.outer(scale, scale), matrices[k] / np.outer(scale, scale), atol=0.05
        )


def test_float32_stays_float32_and_near_float64():
    x, means, _ = blobs(3000, 2, 3)
    given = {"max_iter": 20, "tol": 0, **start(means, "full")}
    exact, single = GaussianMixture(3, **given), GaussianMixture(3, **given)
    with pytest.warns(UserWarning, match="did not converge"):
        exact.fit(x.astype(np.float32).astype(float))
    with pytest.warns(UserWarning, match="did not converge"):
        single.fit(x.astype(np.float32))

    assert single.means_.dtype == single.covariances_.dtype == np.float32
    assert single.score_samples(x.astype(np.float32)).dtype == np.float32
    assert_allclose(single.lower_bounds_, exact.lower_bounds_, rtol=1e-6)
    assert_allclose(single.covariances_, exact.covariances_, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("real", "offset", "rtol"), [("f4", 100, 1e-6), ("f8", 1e6, 1e-10)])
def test_an_offset_of_the_data_costs_no_digits(form, real, offset, rtol):
    x, means, _ = blobs(4000, 2, 2)
    far = (x + offset).astype(real)
    near = far.astype(float) - offset
    given = {"max_iter": 15, "tol": 0, "reg_covar": 0}
    fits = []
    for data, middle in ((near, means), (far, means + offset)):
        fit = GaussianMixture(2, **given, **(start(middle, form)))
        with pytest.warns(UserWarning, match="did not converge"):
            fits.append(fit.fit(data))
    scale = np.abs(fits[0].covariances_).max()

    assert_allclose(fits[1].covariances_ / scale, fits[0].covariances_ / scale, atol=rtol)


def test_a_tight_cluster_far_from_the_start_keeps_its_digits():
    rng = np.random.default_rng(0)
    tight = 1e-6 * rng.normal(size=(500, 2)) + 1000
    x = np.concatenate([tight, rng.normal(size=(500, 2)) - 1000])
    mixture = GaussianMixture(2, covariance_type="diag", reg_covar=0, random_state=0).fit(x)

    own = mixture.covariances_[mixture.predict(x[:1])[0]]
    assert_allclose(own, tight.var(0), rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_a_first_step_from_far_away_keeps_its_digits(form):
    x = 1e-3 * np.random.default_rng(0).normal(size=(500, 2))
    given = {**start(np.array([[1000.0, -1000.0]]), form), "reg_covar": 0, "max_iter": 1}
    with pytest.warns(UserWarning, match="did not converge"):
        mixture = GaussianMixture(1, **given).fit(x)
    away = x - x.mean(0)
    matrix = mixture._form.matrices(mixture.covariances_, 1, 2)[0]

    assert_allclose(np.trace(matrix), (away**2).mean(0).sum(), rtol=1e-9)


@pytest.mark.parametrize("form", ["full", "diag", "spherical"])
def test_a_component_without_samples_keeps_its_shape(form):
    x, means, _ = blobs(300, 2, 2)
    given = start(np.vstack([means, [[1e6, 1e6]]]), form)
    mixture = GaussianMixture(3, **given)
    with pytest.warns(MixtureWarning, match=r"components \[2\] have no samples left"):
        mixture.fit(x)

    assert_allclose(mixture._form.matrices(mixture.covariances_, 3, 2)[2], np.eye(2))
    assert mixture.weights_[2] < 1e-12


@pytest.mark.parametrize("form", ["diag", "spherical"])
def test_a_collapse_without_a_floor_ends_at_the_rounding_of_the_samples(form):
    x, _, _ = blobs(100, 2, 1)
    x = np.vstack([x, [[300.0, 200.0]]])
    mixture = GaussianMixture(2, covariance_type=form, reg_covar=0, random_state=0)
    with pytest.warns(MixtureWarning, match="collapsed onto single points"):
        mixture.fit(x)

    assert 0 < mixture.covariances_.min() < 1e-25
    assert np.isfinite(mixture.lower_bound_)
    assert_allclose(mixture.predict_proba(x).sum(1), 1)


# Beyond scikit-learn.


@pytest.mark.parametrize("form", ["diag", "spherical"])
def test_missing_values_are_left_out_of_the_likelihood(form):
    x, means, _ = blobs(600, 2, 3)
    holes = x.copy()
    holes[np.random.default_rng(1).uniform(size=x.shape) < 0.2] = np.nan
    mixture = GaussianMixture(3, tol=1e-9, max_iter=5000, reg_covar=0, **start(means, form))
    mixture.fit(holes)

    assert np.diff(mixture.lower_bounds_).min() > -1e-13
    variances = np.broadcast_to(mixture.covariances_.reshape(3, -1), (3, 2))
    joint = np.log(mixture.weights_) + np.nansum(
        -0.5 * (holes[:, None] - mixture.means_) ** 2 / variances
        - 0.5 * np.log(2 * np.pi * variances),
        axis=2,
    )
    assert_allclose(mixture.score_samples(holes), log_sum(joint), rtol=1e-10, atol=1e-12)
    # At the maximum the means are those of the values seen, weighted by the responsibilities.
    share = np.exp(joint - log_sum(joint)[:, None])[:, :, None] * ~np.isnan(holes)[:, None]
    seen = (share * np.nan_to_num(holes)[:, None]).sum(0) / share.sum(0)
    assert_allclose(mixture.means_, seen, atol=1e-3)
    whole = GaussianMixture(3, tol=1e-9, max_iter=5000, reg_covar=0, **start(means, form)).fit(x)
    assert_allclose(mixture.means_, whole.means_, atol=0.5)


def test_missing_values_are_refused_where_they_cannot_be_left_out():
    x, _, _ = blobs(100, 2, 2)
    x[3, 1] = np.nan
    with pytest.raises(DataError, match=r"contains NaN.*'diag' or 'spherical'"):
        GaussianMixture(2).fit(x)
    x[:, 1] = np.nan
    with pytest.raises(DataError, match=r"features \[1\] have no value"):
        GaussianMixture(2, covariance_type="diag").fit(x)


@pytest.mark.parametrize("form", FORMS)
def test_blocks_give_the_fit_of_the_whole(form):
    x, means, _ = blobs(700, 2, 3)
    whole = GaussianMixture(3, **start(means, form)).fit(x)
    cut = GaussianMixture(3, **start(means, form)).fit_blocks([x[:300], x[300:310], x[310:]])

    assert cut.n_iter_ == whole.n_iter_
    assert_allclose(cut.covariances_, whole.covariances_, rtol=1e-10)
    assert_allclose(cut.lower_bounds_, whole.lower_bounds_, rtol=1e-11)


def test_blocks_may_come_from_a_function_but_not_from_a_spent_iterator():
    x, _, _ = blobs(600, 2, 3)
    mixture = GaussianMixture(3, random_state=0)
    mixture.fit_blocks(lambda: (x[n : n + 200] for n in range(0, 600, 200)))
    assert mixture.score(x) > GaussianMixture(3, random_state=0).fit(x).score(x) - 0.01
    with pytest.raises(ConfigError, match="read only once"):
        mixture.fit_blocks(block for block in [x])


def test_empty_blocks_are_passed_over():
    x, means, _ = blobs(600, 2, 3)
    fits = [
        GaussianMixture(3, **start(means, "full")).fit_blocks(blocks)
        for blocks in ([x[:300], x[300:]], [x[:0], x[:300], x[:0], x[300:]])
    ]

    assert_array_equal(fits[0].means_, fits[1].means_)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "no samples at all"),
        ([np.empty((0, 2))], "no samples at all"),
        ([np.ones((9, 2)), np.ones((9, 3))], "block 1 has 3 features, those before have 2"),
        ([np.ones((9, 2)), np.full((1, 2), np.nan)], "contains NaN"),
    ],
)
def test_blocks_that_cannot_be_read_say_why(blocks, message):
    with pytest.raises(DataError, match=message):
        GaussianMixture(2).fit_blocks(blocks)


def test_a_function_that_gives_its_blocks_once_is_found_out():
    spent = iter([np.ones((9, 2))])
    with pytest.raises(DataError, match="new iterator at each call"):
        GaussianMixture(2).fit_blocks(lambda: spent)


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1e300])
@pytest.mark.parametrize("form", FORMS)
def test_the_size_of_all_weights_changes_nothing(form, size):
    x, _, _ = blobs(300, 2, 3)
    weights = np.random.default_rng(0).uniform(0.5, 2, len(x))
    given = {"covariance_type": form, "random_state": 0}
    plain = GaussianMixture(3, **given).fit(x, sample_weight=weights)
    scaled = GaussianMixture(3, **given).fit(x, sample_weight=weights * size)

    assert scaled.n_iter_ == plain.n_iter_
    assert_allclose(scaled.weights_, plain.weights_, rtol=1e-12)
    assert_allclose(scaled.covariances_, plain.covariances_, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(20), "not all zero"),
        (-np.ones(20), "not be negative"),
        (np.full(20, np.nan), "NaN or infinity"),
        (np.ones(3), r"shape == \(3,\), expected \(20,\)"),
        (["much"] * 20, "must hold numbers"),
        (np.full(20, 1e-60), "leaves the range of float32"),
    ],
)
def test_weights_that_weigh_nothing_are_refused(weights, message):
    x = blobs(20, 2, 2)[0].astype(np.float32)
    with pytest.raises(DataError, match=message):
        GaussianMixture(2).fit(x, sample_weight=weights)


@pytest.mark.parametrize("form", FORMS)
def test_learning_from_a_stream_comes_near_the_batch_fit(form):
    x, means, _ = blobs(12_000, 2, 3)
    batch = GaussianMixture(3, tol=1e-6, max_iter=300, **start(means, form)).fit(x)
    stream = GaussianMixture(3, **start(means, form))
    scores = []
    for first in range(0, len(x), 500):
        stream.partial_fit(x[first : first + 500])
        scores.append(stream.score(x))

    assert scores[-1] > batch.score(x) - 0.04
    assert scores[-1] > scores[0]
    assert_allclose(stream.weights_.sum(), 1)


def test_a_stream_follows_what_changes():
    rng = np.random.default_rng(0)
    mixture = GaussianMixture(1, random_state=0)
    for level in (0.0, 5.0):
        for _ in range(40):
            mixture.partial_fit(rng.normal(level, 1, size=(200, 2)))

    assert_allclose(mixture.means_, 5, atol=1)


def test_a_fit_begins_a_new_stream():
    first, second = blobs(500, 2, 3)[0], blobs(500, 2, 3, seed=1)[0]
    fresh = GaussianMixture(3, random_state=0).fit(first).partial_fit(second)
    used = GaussianMixture(3, random_state=0)
    for _ in range(5):
        used.partial_fit(second)
    used.fit(first).partial_fit(second)

    assert_array_equal(used.means_, fresh.means_)


def test_a_stream_may_begin_again_after_a_batch_that_was_too_small():
    x = blobs(300, 2, 3)[0]
    mixture = GaussianMixture(3, random_state=0)
    with pytest.raises(DataError, match="n_samples = 2"):
        mixture.partial_fit(x[:2])
    mixture.partial_fit(x)

    assert_array_equal(mixture.means_, GaussianMixture(3, random_state=0).fit(x).means_)


def test_marginal_and_condition_follow_from_the_joint_density():
    x, means, _ = blobs(600, 2, 3)
    mixture = GaussianMixture(3, **start(means, "full")).fit(x)
    first = mixture.marginal([1])
    given = mixture.condition([1], [0.7])
    at = np.linspace(-3, 3, 7)[:, None]

    joint = mixture.score_samples(np.column_stack([at, np.full(7, 0.7)]))
    assert_allclose(given.score_samples(at), joint - first.score_samples([[0.7]]), rtol=1e-9)
    grid = np.linspace(-60, 60, 200_001)
    density = np.exp(mixture.score_samples(np.column_stack([grid, np.full(len(grid), 0.7)])))
    assert_allclose(np.log(np.trapezoid(density, grid)), first.score_samples([[0.7]])[0], rtol=1e-6)


def test_condition_says_what_it_cannot_take():
    mixture = GaussianMixture.from_parameters([1.0], [[0.0, 0]], [np.eye(2)])
    for features, values, message in (
        ([0, 1], [1, 2], "nothing is left"),
        ([2], [1], "0 to 1"),
        ([0, 0], [1, 2], "twice"),
        ([0], [1, 2], "1 finite numbers"),
        ([0.5], [1], "indices"),
        ([0], [1e200], "none explains them"),
        ([0], ["one"], "values must be numbers"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            mixture.condition(features, values)


def test_pruning_drops_the_light_and_merging_joins_the_near():
    mixture = GaussianMixture.from_parameters(
        [0.5, 0.3, 0.1999, 0.0001],
        [[0.0, 0], [0.2, 0], [9, 9], [5, 5]],
        np.stack([np.eye(2)] * 4),
    )
    pruned = mixture.pruned(0.01)
    assert_allclose(pruned.means_, mixture.means_[:3])
    assert_allclose(pruned.weights_.sum(), 1)
    merged = pruned.merged(2)
    order = np.argsort(merged.means_[:, 0])
    assert_allclose(merged.means_[order], [[0.075, 0], [9, 9]], atol=1e-12)
    # Moments of the pair: between-variance w1 w2 / w^2 times the squared distance.
    assert_allclose(merged.covariances_[order][0], [[1 + 0.234375 * 0.04, 0], [0, 1]], atol=1e-12)
    with pytest.raises(ConfigError, match="heaviest"):
        mixture.pruned(0.6)
    with pytest.raises(ConfigError, match="min_weight must be numbers"):
        mixture.pruned("light")
    for components in (0, 5, 2.5, None):
        with pytest.raises(ConfigError, match="whole number from 1 to 4"):
            mixture.merged(components)


def test_sizes_are_counted_three_ways():
    means = [[0.0, 0], [10, 0]]
    mixture = GaussianMixture.from_parameters([0.5, 0.5], means, [1.0, 1.0], "spherical")
    x = np.array([[0.0, 0]] * 3 + [[10, 0]] + [[5, 0]] * 2)
    sizes = mixture.cluster_sizes(x)

    assert_allclose(sizes.mass, [4, 2])
    assert_allclose(sizes.effective, [16 / 3.5, 4 / 1.5])
    assert sizes.assigned.sum() == 6


def test_anomalies_are_beyond_the_quantile_of_the_training_data():
    x, means, _ = blobs(1000, 2, 3)
    mixture = GaussianMixture(3, **start(means, "full")).fit(x).calibrate_anomaly(x, 0.95)

    assert mixture.is_anomaly(x).mean() == pytest.approx(0.05, abs=0.002)
    assert mixture.is_anomaly([[100.0, 100.0]]).all()
    assert_allclose(mixture.anomaly_score(x), -mixture.score_samples(x))
    with pytest.raises(ConfigError, match="calibrate_anomaly"):
        mixture.fit(x * 100).is_anomaly(x)  # the threshold was that of the last fit


def test_a_whitened_start_finds_what_stretching_hides():
    rng = np.random.default_rng(2)
    label = np.repeat([0, 1], 400)
    x = np.column_stack([rng.normal(scale=100, size=800), label * 6 + rng.normal(size=800)])
    fits = {}
    for method in ("kmeans", "whitened"):
        fit = GaussianMixture(2, covariance_type="tied", init_params=method, random_state=0).fit(x)
        agree = (fit.predict(x) == label).mean()
        fits[method] = max(agree, 1 - agree)

    assert fits["whitened"] > 0.99
    assert fits["kmeans"] < 0.7


def test_a_whitened_start_takes_samples_that_are_all_the_same():
    with pytest.warns(MixtureWarning, match="no samples left"):
        mixture = GaussianMixture(2, init_params="whitened", random_state=0).fit(np.ones((9, 2)))

    assert_array_equal(mixture.means_, np.ones((2, 2)))


def test_a_callback_sees_every_iteration():
    x, means, _ = blobs(300, 2, 3)
    seen: list[Progress] = []
    mixture = GaussianMixture(3, **start(means, "full")).fit(x, callback=seen.append)

    assert [s.lower_bound for s in seen] == mixture.lower_bounds_
    assert [s.iteration for s in seen] == list(range(1, mixture.n_iter_ + 1))
    assert seen[-1].change < mixture.tol


def test_a_callback_ends_the_fit_with_what_was_reached():
    x, means, _ = blobs(300, 2, 3)

    def third(progress):
        if progress.iteration == 3:
            raise StopIteration

    given = {"tol": 0, "n_init": 4, **start(means, "full")}
    stopped = GaussianMixture(3, **given).fit(x, callback=third)
    with pytest.warns(UserWarning, match="did not converge"):
        whole = GaussianMixture(3, max_iter=3, **given).fit(x)

    assert (stopped.n_iter_, stopped.converged_) == (3, False)
    assert_array_equal(stopped.covariances_, whole.covariances_)


@pytest.mark.parametrize(
    ("change", "features"), [({"n_components": 2}, 2), ({"covariance_type": "tied"}, 2), ({}, 1)]
)
def test_a_warm_start_refuses_another_shape(change, features):
    x, _, _ = blobs(300, 2, 3)
    mixture = GaussianMixture(3, warm_start=True, random_state=0).fit(x)
    with pytest.raises(ConfigError, match=r"of 3 components and 2 features with .* 'full'"):
        mixture.set_params(**change).fit(x[:, :features])


@pytest.mark.parametrize(("before", "after"), [("diag", "tied"), ("tied", "diag")])
def test_a_warm_start_tells_forms_apart_whose_arrays_have_one_shape(before, after):
    """As many components as features: a matrix might as well be a variance for each of both."""
    x, _, _ = blobs(300, 3, 3)
    mixture = GaussianMixture(3, covariance_type=before, warm_start=True, random_state=0).fit(x)
    known = mixture.score_samples(x)
    mixture.set_params(covariance_type=after)

    for go_on in (mixture.fit, mixture.partial_fit):
        with pytest.raises(ConfigError, match=rf"type '{before}', but now .*type '{after}'"):
            go_on(x)
    assert_array_equal(mixture.score_samples(x), known)
    assert_allclose(mixture.bic(x), clone_of(mixture, before).bic(x), rtol=1e-12)
    missing = np.where(np.eye(*x.shape, dtype=bool), np.nan, x)
    if before == "diag":
        assert np.isfinite(mixture.score_samples(missing)).all()
    else:
        with pytest.raises(DataError, match="NaN"):
            mixture.score_samples(missing)
    mixture.set_params(warm_start=False).fit(x)
    assert mixture.covariances_.shape == (3, 3)
    assert not np.array_equal(mixture.score_samples(x), known)


def clone_of(mixture, covariance_type):
    parameters = mixture.weights_, mixture.means_, mixture.covariances_
    return GaussianMixture.from_parameters(*parameters, covariance_type)


def test_a_warm_start_goes_on_where_the_last_fit_stopped():
    x, means, _ = blobs(500, 2, 3)
    mixture = GaussianMixture(3, warm_start=True, max_iter=1, tol=0, **start(means, "full"))
    bounds = []
    for _ in range(6):
        with pytest.warns(UserWarning, match="did not converge"):
            bounds += mixture.fit(x).lower_bounds_
    straight = GaussianMixture(3, max_iter=6, tol=0, **start(means, "full"))
    with pytest.warns(UserWarning, match="did not converge"):
        straight.fit(x)

    assert_allclose(bounds, straight.lower_bounds_, rtol=1e-12)


def test_given_parameters_must_make_a_mixture():
    one, spread = [[0.0, 0.0]], [np.eye(2)]
    for weights, means, covariances, message in (
        ([1.0], [[0.0, np.nan]], spread, "'means' should be finite"),
        ([1.0], "middle", spread, "means must be numbers"),
        ([1.0], [0.0, 0.0], spread, "n_components, n_features"),
        ([0.9], one, spread, "normalized"),
        (None, one, spread, "'weights' should have the shape"),
        ([1.0], one, [[[1.0, 2.0], [2.0, 1.0]]], "positive-definite"),
        ([0.5, 0.5], [[0.0, 0.0], [1.0]], spread, "regular array"),
    ):
        with pytest.raises(ConfigError, match=message):
            GaussianMixture.from_parameters(weights, means, covariances)


def test_a_mixture_of_given_parameters_can_be_asked():
    mixture = GaussianMixture.from_parameters([0.3, 0.7], [[0.0], [4.0]], [[1.0], [4.0]], "diag")
    expected = 0.3 * np.exp(-0.5) / np.sqrt(2 * np.pi) + 0.7 * np.exp(-9 / 8) / np.sqrt(8 * np.pi)

    assert_allclose(mixture.score_samples([[1.0]]), np.log(expected))
    for weights, means, covariances, message in (
        ([0.3, 0.6], [[0.0], [4.0]], [[1.0], [4.0]], "normalized"),
        ([0.3, 0.7], [0.0, 4.0], [[1.0], [4.0]], "n_components, n_features"),
        ([0.3, 0.7], [[0.0], [4.0]], [[1.0], [-4.0]], "positive"),
        ([1.0], [[0.0], [4.0]], [[1.0], [4.0]], "shape"),
    ):
        with pytest.raises(ConfigError, match=message):
            GaussianMixture.from_parameters(weights, means, covariances, "diag")


# Ill-posed data: the right answer, or an error that says what to do.


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_any_scale_gives_the_same_fit(form, scale):
    x, _, _ = blobs(300, 2, 2)
    given = {"covariance_type": form, "reg_covar": 0, "random_state": 0}
    plain, scaled = GaussianMixture(2, **given).fit(x), GaussianMixture(2, **given).fit(x * scale)

    assert_allclose(scaled.means_ / scale, plain.means_, rtol=1e-9)
    assert_allclose(scaled.score(x * scale) + 2 * np.log(scale), plain.score(x), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_float32_beyond_its_squares_is_computed_in_float64(scale):
    x, _, _ = blobs(300, 2, 2)
    mixture = GaussianMixture(2, reg_covar=0, random_state=0).fit((x * scale).astype(np.float32))

    assert mixture.covariances_.dtype == float
    assert_allclose(
        mixture.means_ / scale,
        GaussianMixture(2, reg_covar=0, random_state=0).fit(x).means_,
        rtol=1e-5,
    )


@pytest.mark.parametrize("form", ["full", "tied"])
@pytest.mark.parametrize("blocks", [False, True], ids=["whole", "blocks"])
@pytest.mark.parametrize("noise", [0.0, 1e-2])
def test_float32_is_widened_where_features_follow_from_each_other(form, blocks, noise):
    x, means, _ = blobs(500, 2, 2)
    x = np.column_stack([x, x.sum(1) + noise * np.random.default_rng(0).normal(size=len(x))])
    x = x.astype(np.float32)
    means = np.column_stack([means, means.sum(1)])
    narrow, wide = (
        GaussianMixture(2, covariance_type=form, means_init=means, tol=1e-6, random_state=0)
        for _ in range(2)
    )
    for mixture, data in ((narrow, x), (wide, x.astype(float))):
        mixture.fit_blocks([data[:300], data[300:]]) if blocks else mixture.fit(data)

    assert narrow.means_.dtype == np.float32
    assert narrow.n_iter_ == wide.n_iter_
    assert_allclose(narrow.lower_bounds_[1:], wide.lower_bounds_[1:], rtol=0, atol=2e-6)


def test_each_fit_learns_in_the_type_of_its_samples():
    x = blobs(100, 2, 1)[0]
    mixture = GaussianMixture(1).fit(x)

    assert mixture.fit_blocks([x.astype(np.float32)]).means_.dtype == np.float32


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", ["duplicates", "constant", "one point", "K = N", "all alike"])
@pytest.mark.filterwarnings("ignore")
def test_degenerate_data_end_in_finite_parameters(form, what):
    x, _, _ = blobs(40, 2, 2)
    data, k = {
        "duplicates": (np.repeat(x[:3], 30, axis=0), 3),
        "constant": (np.column_stack([x[:, 0], np.full(40, 7.0)]), 2),
        "one point": (np.vstack([x, [[90.0, 90.0]]]), 2),
        "K = N": (x, 40),
        "all alike": (np.ones((50, 2)), 2),
    }[what]
    mixture = GaussianMixture(k, covariance_type=form, random_state=0).fit(data)

    for name in ("weights_", "means_", "covariances_", "precisions_", "lower_bound_"):
        assert np.isfinite(getattr(mixture, name)).all()
    assert_allclose(mixture.weights_.sum(), 1)
    assert_allclose(mixture.predict_proba(data).sum(1), 1)


def test_what_collapsed_or_died_is_reported():
    x, _, _ = blobs(200, 2, 1)
    with pytest.warns(MixtureWarning, match="collapsed onto single points"):
        GaussianMixture(2, random_state=0).fit(np.vstack([x, [[500.0, 500.0]]]))
    with pytest.warns(MixtureWarning, match="have no samples left"):
        GaussianMixture(2, random_state=0).fit(np.ones((50, 2)))
    with pytest.warns(MixtureWarning, match="reg_covar=1e-06 is more than the variance"):
        GaussianMixture(1).fit(x * 1e-5)
    with pytest.raises(DataError, match="ill-defined empirical covariance"):
        GaussianMixture(2, reg_covar=0).fit(np.ones((50, 2)))


def test_many_features_for_few_samples_bring_advice():
    x = np.random.default_rng(0).normal(size=(80, 10))
    with pytest.warns(MixtureWarning, match="131 parameters, for 80 samples.*'tied'"):
        GaussianMixture(2, random_state=0).fit(x)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((3, 2)), "Expected n_samples >= n_components but got n_components = 4"),
        (np.ones((1, 2)), "1 sample"),
        (np.ones((0, 2)), "0 sample"),
        (np.ones((5, 0)), r"0 feature\(s\)"),
        (np.ones(5), "Expected 2D array, got 1D.*Reshape"),
        (np.ones((5, 2, 2)), "got 3D"),
        ([["a", "b"]] * 5, "must hold numbers"),
        ([[1.0, 2.0], [3.0]], "rows of the same length"),
        (np.ones((5, 2)) * 1j, "Complex data not supported"),
        ([[1.0, np.inf]] * 5, "infinity"),
    ],
)
def test_data_that_cannot_be_fitted_say_why(data, message):
    with pytest.raises(DataError, match=message):
        GaussianMixture(4).fit(data)


def test_any_layout_and_type_of_input_is_read():
    x = np.rint(blobs(300, 2, 2)[0] * 10)
    expected = GaussianMixture(2, random_state=0).fit(x).means_
    locked = x.copy()
    locked.flags.writeable = False
    for given in (np.asfortranarray(x), locked, np.repeat(x, 2, 0)[::2], x.astype(int), x.tolist()):
        assert_array_equal(GaussianMixture(2, random_state=0).fit(given).means_, expected)


def test_what_a_masked_array_masks_is_missing():
    x = blobs(300, 2, 2)[0]
    masked = np.ma.masked_greater(x, 2)
    holes = np.where(x > 2, np.nan, x)
    given, expected = (
        GaussianMixture(2, covariance_type="diag", random_state=0).fit(data)
        for data in (masked, holes)
    )
    assert_array_equal(given.means_, expected.means_)
    with pytest.raises(DataError, match="contains NaN"):
        GaussianMixture(2).fit(masked)
    whole = np.ma.masked_array(x.astype(int))
    assert_allclose(GaussianMixture(1).fit(whole).means_, [x.astype(int).mean(0)])


def test_samples_that_no_component_explains_have_shares_not_nan():
    mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [1.0]], [1.0, 1.0], "spherical")

    assert_array_equal(mixture.predict_proba([[1e200]]), [[0.5, 0.5]])
    assert mixture.score_samples([[1e200]])[0] == -np.inf


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 0}, "'n_components' parameter of GaussianMixture must be an int"),
        ({"covariance_type": "round"}, "'diag', 'full', 'spherical', 'tied'"),
        ({"tol": -1}, "'tol'"),
        ({"reg_covar": -1}, "'reg_covar'"),
        ({"max_iter": 1.5}, "'max_iter'"),
        ({"n_init": 0}, "'n_init'"),
        ({"init_params": "luck"}, "'init_params'"),
        ({"random_state": "x"}, "random_state"),
        ({"weights_init": [0.5, 0.6]}, "normalized"),
        ({"means_init": [[0.0]]}, "'means' should have the shape"),
        ({"means_init": np.full((2, 2), np.nan)}, "'means' should be finite"),
        ({"reg_covar": np.inf}, "'reg_covar'"),
        ({"precisions_init": -np.ones((2, 2, 2))}, "positive-definite"),
        ({"means_init": "here"}, "means_init must be numbers"),
        ({"warm_start": "yes"}, "'warm_start'.*instance of 'bool'"),
    ],
)
def test_parameters_out_of_range_are_refused(params, message):
    with pytest.raises(ConfigError, match=message):
        GaussianMixture(**{"n_components": 2, **params}).fit(np.ones((9, 2)))


def test_nothing_can_be_asked_before_fit():
    with pytest.raises(NotFittedError, match="This GaussianMixture instance is not fitted yet"):
        GaussianMixture().predict(np.ones((3, 2)))
    mixture = GaussianMixture(random_state=0).fit(blobs(50, 2, 1)[0])
    with pytest.raises(DataError, match="X has 3 features, but GaussianMixture is expecting 2"):
        mixture.predict(np.ones((3, 3)))


@pytest.mark.parametrize("features", [2, 10])
def test_the_likelihood_of_many_components_stays_finite(features):
    """All in one place, each norm is their number, whose product of many leaves any type."""
    many, x = 400, np.random.default_rng(3).normal(size=(20_000, features))
    alike = np.zeros((many, features)), np.ones((many, features))
    rows = kernel.Rows(x, np.empty(0), np.zeros(features))
    gaussians = kernel.Gaussians(np.full(many, -np.log(many)), *alike)
    sums = kernel.gather(rows, gaussians, workers=1)
    expected = -0.5 * (x**2).sum() - 0.5 * x.size * np.log(2 * np.pi)

    assert_allclose(sums.log_likelihood, expected, rtol=1e-12)
    assert_allclose(sums.mass, np.full(many, len(x) / many), rtol=1e-12)
    assert_allclose(sums.first, np.tile(x.sum(0) / many, (many, 1)), rtol=1e-9)
    assert_allclose(sums.second, np.tile((x**2).sum(0) / many, (many, 1)), rtol=1e-12)
