"""Choosing the number of components, and the benchmark."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from bgsub.errors import ConfigError
from bgsub.mixture import GaussianMixture, MixtureWarning, benchmark, select_components

X = np.random.default_rng(0).normal(size=(600, 2)) + np.repeat([[0, 0], [7, 0], [0, 8]], 200, 0)


@pytest.mark.parametrize("criterion", ["bic", "aic", "icl", "cv"])
def test_the_true_number_is_chosen(criterion):
    found = select_components(X, range(1, 6), criterion, covariance_types=("spherical",))

    if criterion in ("bic", "icl"):
        assert found.best.n_components == 3
    assert 3 <= found.best.n_components <= 5
    assert found.mixture.n_components == found.best.n_components
    assert_allclose(found.mixture.score(X), found.best.log_likelihood)
    if criterion == "cv":
        by_hand = [row.cv for row in found.table]
        assert by_hand[2] > by_hand[1] + 0.1
        assert found.best.cv_error > 0


def test_the_true_form_is_chosen():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(8, 3, (300, 2))])
    found = select_components(x, [1, 2, 3], covariance_types=("full", "tied", "diag", "spherical"))

    assert found.best[:2] == (2, "spherical")
    assert len(found.table) == 12
    assert_allclose(found.best.bic, found.mixture.bic(x))
    plain = GaussianMixture(2, covariance_type="spherical", random_state=0).fit(x)
    assert found.best.bic <= plain.bic(x) + 1e-6
    assert_allclose(found.table[0].bic, GaussianMixture(1).fit(x).bic(x))


def test_more_components_never_fit_worse():
    found = select_components(X, range(1, 8), max_iter=3000, tol=1e-6)
    likelihoods = [row.log_likelihood for row in found.table]

    assert np.diff(likelihoods).min() > -1e-6


def test_jobs_side_by_side_give_the_same_table():
    given = {"components": [2, 3], "criterion": "cv", "folds": 3, "covariance_types": ("diag",)}
    assert select_components(X, **given).table == select_components(X, n_jobs=3, **given).table


def test_common_ways_to_ask_are_understood():
    given = {"components": [2, 3], "max_iter": 3}
    with pytest.warns(UserWarning, match="did not converge"):
        expected = select_components(X, covariance_types=("diag",), **given).best.bic
    with pytest.warns(UserWarning, match="did not converge"):
        found = select_components(X, covariance_types="diag", n_jobs=-1, **given)

    assert found.best.bic == expected


def test_a_table_is_printed_and_a_curve_drawn():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    found = select_components(X, [1, 2, 3])
    axes = found.plot()

    assert_allclose(axes.lines[0].get_ydata(), [row.bic for row in found.table])
    assert str(found).count("<- best") == 1
    assert len(str(found).splitlines()) == 4
    matplotlib.pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"components": []}, "components must be"),
        ({"criterion": "luck"}, "criterion must be one of bic"),
        ({"covariance_types": ("round",)}, "covariance_types must be of full"),
        ({"folds": 1}, "folds must be a whole number from 2 up"),
        ({"folds": 2.5}, "folds must be a whole number"),
        ({"n_jobs": 0}, "n_jobs, unless it is -1, must be a whole number from 1 up"),
        ({"n_jobs": None}, "n_jobs, unless"),
        ({"components": [2.5]}, "each of components must be a whole number from 1 up, got 2.5"),
        ({"components": [0, 1]}, "each of components"),
        ({"components": ["two"]}, "each of components"),
        ({"components": 5}, "such as range"),
        ({"components": [2, 601]}, "601 components cannot be fitted to 600 samples"),
        ({"components": [481], "criterion": "cv"}, "480 samples .those left by 5 folds"),
        ({"criterion": "cv", "folds": 601}, "601 folds need as many samples"),
        ({"covariance_type": "diag"}, "as covariance_types"),
    ],
)
def test_what_it_refuses(given, message):
    with pytest.raises(ConfigError, match=message):
        select_components(X, **given)


def test_samples_without_weight_are_as_if_they_were_not_there():
    x = X[:60]
    weights = np.repeat([1.0, 0.0], [20, 40])
    given = select_components(x, [1, 2], "cv", sample_weight=weights)
    expected = select_components(x[:20], [1, 2], "cv", sample_weight=np.ones(20))

    assert [row.cv for row in given.table] == [row.cv for row in expected.table]
    with pytest.raises(ConfigError, match="21 components cannot be fitted to 20 samples"):
        select_components(x, [21], sample_weight=weights)


def test_advice_points_at_the_line_that_asked():
    with pytest.warns(MixtureWarning) as caught:
        select_components(np.ones((30, 2)), [1, 2])

    assert {warning.filename for warning in caught} == {__file__}


def test_the_benchmark_compares_equal_fits(monkeypatch, tmp_path):
    pytest.importorskip("sklearn")
    from bgsub.cli import main

    small = (
        benchmark.Case("mixture", 2000, 2, 3, "diag"),
        benchmark.Case("bayesian", 2000, 2, 3, "diag"),
        benchmark.Case("kmeans", 2000, 2, 3),
    )
    monkeypatch.setattr(benchmark, "CASES", small)
    path = tmp_path / "bench.json"
    done = CliRunner().invoke(
        main, ["bench", "mixture", "--repeats", "1", "--no-converge", "--json", str(path)]
    )

    assert done.exit_code == 0, done.output
    rows = json.loads(path.read_text())["cases"]
    assert [row["case"].split()[0] for row in rows] == ["mixture", "bayesian", "kmeans"]
    assert max(row["likelihood_error"] for row in rows) < 1e-10
    missing = CliRunner().invoke(main, ["bench", "mixture", "--only", "zzz", "--no-converge"])
    assert missing.exit_code == 2
    assert "no case has 'zzz'" in missing.output


PAGE = Path(benchmark.__file__).parent / "README.md"


def test_the_code_of_the_page_runs(tmp_path):
    """Each example of the narrative page, in order, in one namespace."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    rng = np.random.default_rng(0)
    files = [tmp_path / "a.npy", tmp_path / "b.npy"]
    for path in files:
        np.save(path, rng.normal(size=(100, 2)))
    holes = rng.normal(size=(100, 2))
    holes[3, 1] = np.nan
    names = {
        "w": np.ones(800),
        "batch": rng.normal(size=(100, 2)),
        "files": files,
        "x_with_nan": holes,
        "weights": [0.5, 0.5],
        "means": [[0.0, 0], [5, 5]],
        "covariances": np.stack([np.eye(2)] * 2),
    }
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    matplotlib.pyplot.close("all")

    assert names["found"].best.n_components == 2
    assert len(names["bayesian"].as_gaussian_mixture(0.02).weights_) == 2


def test_the_pictures_of_the_page_exist():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE.read_text())

    assert len(pictures) == 5
    assert all((PAGE.parent / name).stat().st_size < 150_000 for name in pictures)
