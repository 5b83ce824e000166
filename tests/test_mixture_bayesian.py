"""The variational mixture, against scikit-learn, scipy and known truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bgsub.errors import ConfigError
from bgsub.kernels import em as kernel
from bgsub.mixture import BayesianGaussianMixture, bayesian

FORMS = ["full", "tied", "diag", "spherical"]
PRIORS = ["dirichlet_process", "dirichlet_distribution"]


def three(samples=900, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=samples)
    return np.array([[0, 0], [6, 0], [0, 7]])[label] + rng.normal(size=(samples, 2)), label


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.filterwarnings("ignore")
def test_every_iteration_agrees_with_scikit_learn(form, prior):
    theirs = pytest.importorskip("sklearn.mixture").BayesianGaussianMixture
    x, _ = three()
    given = {
        "n_components": 5,
        "covariance_type": form,
        "weight_concentration_prior_type": prior,
        "random_state": 2,
        "max_iter": 40,
        "tol": 0,
    }
    a, b = BayesianGaussianMixture(**given).fit(x), theirs(**given).fit(x)

    assert_allclose(a.lower_bounds_, np.ravel(b.lower_bounds_), rtol=1e-9)
    for name in ("weights_", "means_", "covariances_", "precisions_", "mean_precision_"):
        assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-7, atol=1e-9)
    for name in ("degrees_of_freedom_", "covariance_prior_", "mean_prior_"):
        assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-12)
    assert np.shape(a.weight_concentration_) == np.shape(b.weight_concentration_)
    assert_allclose(a.score_samples(x), b.score_samples(x), rtol=1e-8)
    assert_allclose(a.predict_proba(x), b.predict_proba(x), atol=1e-8)


def test_given_priors_are_used_as_scikit_learn_uses_them():
    theirs = pytest.importorskip("sklearn.mixture").BayesianGaussianMixture
    x, _ = three()
    given = {
        "n_components": 3,
        "weight_concentration_prior": 20.0,
        "mean_precision_prior": 50.0,
        "mean_prior": [1.0, -2.0],
        "degrees_of_freedom_prior": 9.0,
        "covariance_prior": [[3.0, 1.0], [1.0, 2.0]],
        "random_state": 0,
    }
    a, b = BayesianGaussianMixture(**given).fit(x), theirs(**given).fit(x)

    assert_allclose(a.means_, b.means_, rtol=1e-8)
    assert_allclose(a.covariances_, b.covariances_, rtol=1e-8, atol=1e-10)
    assert_allclose(a.lower_bounds_, b.lower_bounds_, rtol=1e-10)


@pytest.mark.parametrize("prior", PRIORS)
def test_components_that_the_data_do_not_need_are_emptied(prior):
    x, label = three()
    mixture = BayesianGaussianMixture(
        n_components=10,
        weight_concentration_prior_type=prior,
        weight_concentration_prior=1e-3,
        max_iter=2000,
        random_state=0,
    ).fit(x)
    left = mixture.as_gaussian_mixture(min_weight=0.02)

    assert len(left.weights_) == 3
    assert_allclose(np.sort(left.weights_), np.sort(np.bincount(label) / len(label)), atol=0.02)


def test_more_data_bring_more_components():
    rng = np.random.default_rng(0)
    counts = []
    for groups in (1, 3, 5):
        x = np.concatenate([rng.normal(8 * g, 1, size=(200, 1)) for g in range(groups)])
        mixture = BayesianGaussianMixture(
            n_components=8, weight_concentration_prior=1e-2, max_iter=3000, random_state=0
        ).fit(x)
        counts.append(len(mixture.as_gaussian_mixture(0.03).weights_))

    assert counts == [1, 3, 5]


@pytest.mark.parametrize("form", FORMS)
def test_the_bound_never_falls(form):
    x, _ = three()
    mixture = BayesianGaussianMixture(
        n_components=5,
        covariance_type=form,
        init_params="random",
        random_state=1,
        reg_covar=0,
        max_iter=600,
    ).fit(x)
    bounds = np.array(mixture.lower_bounds_)

    assert len(bounds) > 10
    assert (np.diff(bounds) > -1e-9 * abs(bounds[1:])).all()


def test_float32_data_converge_like_float64():
    x, _ = three()
    given = {"n_components": 4, "random_state": 0, "max_iter": 1000}
    single = BayesianGaussianMixture(**given).fit(x.astype(np.float32))
    double = BayesianGaussianMixture(**given).fit(x.astype(np.float32).astype(float))

    assert single.n_iter_ == double.n_iter_
    assert single.means_.dtype == np.float32
    assert_allclose(single.means_, double.means_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("diagonal", [False, True])
def test_entropy_is_that_of_the_responsibilities(diagonal):
    x, _ = three(400)
    rng = np.random.default_rng(1)
    factors = rng.uniform(0.3, 0.6, (3, 2))
    if not diagonal:
        factors = factors[:, :, None] * np.eye(2) + np.triu(np.full((2, 2), 0.1), 1)
    found = kernel.Gaussians(np.log([0.2, 0.3, 0.5]), rng.normal(size=(3, 2)), factors)
    rows = kernel.Rows(x, np.empty(0), np.zeros(2))
    sums = kernel.gather(rows, found, about=found.means + 0.4)
    sums = sums._replace(log_likelihood=sums.log_likelihood / len(x))
    share = kernel.report(rows, found, responsibilities=True).responsibilities
    expected = -(share * np.log(np.maximum(share, 1e-300))).sum()

    assert_allclose(bayesian.entropy(sums, found), expected, rtol=1e-10)


def test_digamma_is_scipys():
    special = pytest.importorskip("scipy.special")
    x = np.geomspace(1e-3, 1e8, 500)

    assert_allclose(bayesian.digamma(x), special.digamma(x), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"degrees_of_freedom_prior": 0.5}, "should be greater than 1"),
        ({"mean_prior": [0.0]}, "'means' should have the shape"),
        ({"mean_prior": [0.0, np.nan]}, "'mean_prior' should be finite"),
        ({"covariance_prior": -np.eye(2)}, "symmetric, positive-definite"),
        ({"covariance_prior": np.eye(3)}, "'full covariance_prior' should have the shape"),
        ({"weight_concentration_prior": -1}, "'weight_concentration_prior'"),
        ({"weight_concentration_prior_type": "x"}, "'weight_concentration_prior_type'"),
    ],
)
def test_priors_out_of_range_are_refused(params, message):
    with pytest.raises(ConfigError, match=message):
        BayesianGaussianMixture(n_components=2, **params).fit(three(50)[0])


@pytest.mark.parametrize("form", ["full", "tied"])
def test_flat_data_leave_empty_components_a_shape(form):
    x = np.vstack([np.ones((40, 2)), [[5.0, 5.0]]])
    mixture = BayesianGaussianMixture(n_components=3, covariance_type=form, random_state=0).fit(x)

    assert_allclose(mixture.weights_.max(), 0.95, atol=0.05)
    assert_allclose(np.linalg.inv(mixture.precisions_), mixture.covariances_, rtol=1e-3, atol=1e-6)
