"""The estimators among scikit-learn's, and without it."""

import ast
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from test_mixture import blobs

import bgsub.mixture
from bgsub.errors import ConfigError, NotFittedError
from bgsub.kernels import em, kmeans
from bgsub.mixture import BayesianGaussianMixture, ConvergenceWarning, GaussianMixture, KMeans

checks = pytest.importorskip("sklearn.utils.estimator_checks")
ESTIMATORS = [GaussianMixture(), BayesianGaussianMixture(), KMeans(3)]
# scikit-learn expects its own KMeans to fail this one: seeds follow the order of the rows.
UNFAIR = "check_sample_weight_equivalence_on_dense_data"

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # they do not inherit from BaseEstimator: that is the point
    CASES = [
        pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}")
        for estimator in ESTIMATORS
        for estimator, check in checks.estimator_checks_generator(estimator)
        if not (isinstance(estimator, KMeans) and check.func.__name__ == UNFAIR)
    ]


@pytest.fixture(autouse=True)
def one_kernel(monkeypatch):
    """The kernel for any number of features serves all: manners do not depend on it."""
    monkeypatch.setattr(em, "NARROW_FULL", 0)
    monkeypatch.setattr(em, "NARROW_DIAGONAL", 0)
    monkeypatch.setattr(kmeans, "NARROW", 0)


@pytest.mark.parametrize(("estimator", "check"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_it_behaves_as_scikit_learn_expects_of_an_estimator(estimator, check):
    try:
        check(estimator)
    except Exception as error:
        if type(error).__name__ == "SkipTest":
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_clones_pickles_and_pipelines(estimator):
    sklearn = pytest.importorskip("sklearn")
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, _, _ = blobs(300, 2, 3)
    fitted = estimator.set_params(random_state=0).fit(x)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict(x), fitted.predict(x))
    copy = sklearn.base.clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "n_features_in_")
    scores = cross_val_score(make_pipeline(StandardScaler(), copy), x, cv=3)
    assert np.isfinite(scores).all()
    assert len(scores) == 3


@pytest.mark.parametrize("type_", [GaussianMixture, BayesianGaussianMixture])
def test_parameters_and_defaults_are_scikit_learns(type_):
    theirs = getattr(pytest.importorskip("sklearn.mixture"), type_.__name__)()
    ours = type_().get_params()

    assert ours.pop("threads") is None
    assert ours == theirs.get_params()


def test_errors_and_warnings_are_of_scikit_learns_types_too():
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.raises(exceptions.NotFittedError) as raised:
        GaussianMixture().predict([[0.0]])
    assert isinstance(raised.value, NotFittedError)
    with pytest.warns(exceptions.ConvergenceWarning) as warned:
        GaussianMixture(2, max_iter=1, random_state=0).fit(blobs(90, 2, 2)[0])
    assert issubclass(warned[0].category, ConvergenceWarning)


def test_without_scikit_learn_they_are_ours(monkeypatch):
    monkeypatch.delitem(sys.modules, "sklearn.exceptions")
    with pytest.raises(NotFittedError) as raised:
        GaussianMixture().predict([[0.0]])
    assert raised.type is NotFittedError


def test_scikit_learn_is_imported_only_when_asked_for():
    folder = Path(bgsub.mixture.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "sklearn" not in ast.dump(node), path


def test_an_unknown_parameter_is_named_with_those_known():
    with pytest.raises(ConfigError, match=r"Invalid parameter 'k'.*'n_components'"):
        GaussianMixture().set_params(k=3)


def test_names_of_columns_are_remembered_and_compared():
    class Table(np.ndarray):
        """An array with named columns, as pandas has."""

        columns: tuple[str, ...] = ()

    def table(*names):
        out = x.view(Table)
        out.columns = names
        return out

    x = blobs(60, 2, 1)[0]
    mixture = GaussianMixture(random_state=0).fit(table("a", "b"))
    assert_array_equal(mixture.feature_names_in_, ["a", "b"])
    mixture.predict(table("a", "b"))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        mixture.predict(x)
    with pytest.raises(ValueError, match="should match those that were passed during fit"):
        mixture.predict(table("b", "a"))


def test_warnings_name_the_line_that_asked():
    x = blobs(90, 2, 2)[0]
    asks = (
        lambda mixture: mixture.fit(x * 1e-5),
        lambda mixture: mixture.fit_predict(x * 1e-5),
        lambda mixture: mixture.partial_fit(x * 1e-5),
        lambda mixture: mixture.fit_blocks([x * 1e-5]),
    )
    for ask in asks:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            ask(GaussianMixture(2, max_iter=1, tol=0, random_state=0))
        assert {"ConvergenceWarning", "MixtureWarning"} == {w.category.__name__ for w in warned}
        assert {w.filename for w in warned} == {__file__}


def test_a_representation_shows_what_was_set():
    assert repr(GaussianMixture(3, tol=0.1)) == "GaussianMixture(n_components=3, tol=0.1)"


def test_verbose_prints_each_start_and_its_end(capsys):
    x = blobs(200, 2, 2)[0]
    GaussianMixture(2, n_init=2, verbose=2, verbose_interval=1, random_state=0).fit(x)
    lines = capsys.readouterr().out.splitlines()

    assert [line for line in lines if line.startswith("Initialization 1")]
    assert sum("converged" in line for line in lines) == 2
    assert any("ll change" in line for line in lines)
