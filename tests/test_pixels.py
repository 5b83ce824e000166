"""Promised: what scikit-learn's GaussianMixture does to each pixel's series, for all at once."""

import json

import numpy as np
import pytest
from test_cli import bgsub_run

from bgsub.errors import ConfigError, FrameError
from bgsub.mixture import PixelMixtures, fit_pixels
from bgsub.mixture.pixels import bic, result_bytes

sklearn_mixture = pytest.importorskip("sklearn.mixture")

SIZE = (9, 11)  # 99 pixels: more than a tile, and no multiple of one


def video(n_frames=60, channels=3, seed=0, dtype=np.uint8, modes=3):
    """Frames whose pixels come from up to `modes` colours, by their column."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    shown = rng.integers(20, 230, (modes, height, width, channels))
    known = 1 + np.arange(width) % modes
    which = (rng.random((n_frames, height, width)) * known).astype(int)
    levels = np.take_along_axis(shown, which[..., None], axis=0)
    levels = levels + rng.normal(0, 2.5, levels.shape)
    if np.dtype(dtype).kind == "u":
        levels = np.clip(np.rint(levels), 0, 255)
    frames = levels.astype(dtype)
    return frames[..., 0] if channels == 1 else frames


def starts(frames, k, covariance_type, seed=1):
    """Random starts for every pixel."""
    rng = np.random.default_rng(seed)
    series = frames.reshape(*frames.shape[:3], -1).astype(np.float32)
    channels = series.shape[3]
    picks = rng.integers(0, len(frames), (*SIZE, k))
    means = np.stack(
        [np.take_along_axis(series, picks[None, ..., n, None], axis=0)[0] for n in range(k)], axis=2
    )
    weights = rng.dirichlet(np.full(k, 4.0), SIZE).astype(np.float32)
    form = (*SIZE, k, channels) if covariance_type == "diag" else (*SIZE, k)
    return PixelMixtures(
        weights=weights,
        means=means,
        variances=rng.uniform(20, 300, form).astype(np.float32),
        n_components=np.full(SIZE, k, np.uint8),
        log_likelihood=np.zeros(SIZE, np.float32),
        n_iter=np.zeros(SIZE, np.int32),
        converged=np.zeros(SIZE, bool),
    )


def oracle(frames, start, row, col, **options):
    """scikit-learn's fit of one pixel from the same start."""
    x = frames.reshape(*frames.shape[:3], -1)[:, row, col].astype(float)
    weights = start.weights[row, col].astype(float)
    mixture = sklearn_mixture.GaussianMixture(
        len(weights),
        covariance_type=start.covariance_type,
        weights_init=weights / weights.sum(),
        means_init=start.means[row, col],
        precisions_init=1 / start.variances[row, col].astype(float),
        reg_covar=1.0,
        **options,
    )
    return mixture.fit(x), x


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("k", "channels", "covariance_type", "dtype"),
    [
        (3, 3, "diag", "uint8"),
        (2, 3, "spherical", "float32"),
        (2, 1, "spherical", "uint16"),
    ],
)
def test_each_pixel_is_fitted_as_by_scikit_learn_from_the_same_start(
    k, channels, covariance_type, dtype
):
    frames = video(n_frames=61, channels=channels, dtype=dtype)
    start = starts(frames, k, covariance_type)
    for most in (1, 100):
        found = fit_pixels(frames, k, covariance_type, start=start, max_iter=most)
        for row, col in [(0, 0), (0, 2), (3, 5), (5, 10), (8, 7), (8, 10)]:
            wanted, x = oracle(frames, start, row, col, max_iter=most)
            assert found.n_iter[row, col] == wanted.n_iter_
            assert found.converged[row, col] == wanted.converged_
            assert found.log_likelihood[row, col] == pytest.approx(wanted.score(x), rel=1e-5)
            order = np.argsort(-wanted.weights_)
            alive = wanted.weights_[order] > 1e-6  # a dead component may be anywhere
            np.testing.assert_allclose(
                found.weights[row, col], wanted.weights_[order], rtol=1e-3, atol=1e-5
            )
            np.testing.assert_allclose(
                found.means[row, col][alive], wanted.means_[order][alive], rtol=1e-4
            )
            np.testing.assert_allclose(
                found.variances[row, col][alive], wanted.covariances_[order][alive], rtol=2e-3
            )


def test_own_starts_reach_the_likelihood_of_scikit_learns():
    frames = video(n_frames=80)
    found = fit_pixels(frames, 3, "diag")
    own, other = [], []
    for row, col in np.ndindex(SIZE):
        x = frames[:, row, col].astype(float)
        fitted = sklearn_mixture.GaussianMixture(
            3, covariance_type="diag", reg_covar=1.0, init_params="k-means++", random_state=0
        ).fit(x)
        own.append(found.log_likelihood[row, col])
        other.append(fitted.score(x))
    assert np.mean(own) > np.mean(other) - 0.02


def test_the_number_of_threads_changes_no_bit():
    frames = video(seed=3)
    one, three = (fit_pixels(frames, 3, "diag", threads=n) for n in (1, 3))
    for name in PixelMixtures.__slots__:
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


def test_another_random_state_gives_other_seeds():
    frames = video(seed=3)
    first, again, other = (
        fit_pixels(frames, 3, "diag", random_state=n, max_iter=1) for n in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.means, again.means)
    assert (first.means != other.means).any()


def test_rows_fitted_apart_are_those_of_the_whole():
    frames = video(seed=3)
    whole = fit_pixels(frames, 3, "diag")
    part = fit_pixels(frames[:, 4:], 3, "diag", first_pixel=4 * SIZE[1])
    for name in PixelMixtures.__slots__:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[4:])


def test_bic_finds_how_many_colours_a_pixel_shows():
    frames = video(n_frames=120)
    found = fit_pixels(frames, "bic", "diag", max_components=3)
    right = found.n_components == 1 + np.arange(SIZE[1]) % 3
    assert right.mean() > 0.97
    np.testing.assert_allclose(found.weights.sum(axis=2), 1, atol=1e-5)
    unused = np.arange(3) >= found.n_components[:, :, None]
    assert (found.weights[unused] == 0).all()
    for k in (1, 2, 3):
        alone = fit_pixels(frames, k, "diag")
        assert (bic(found, 120) <= bic(alone, 120) + 1e-6).all()
        chosen = found.n_components == k
        np.testing.assert_array_equal(found.means[chosen][:, :k], alone.means[chosen])


def test_bic_is_the_one_of_scikit_learn():
    frames = video()
    start = starts(frames, 3, "diag")
    found = fit_pixels(frames, 3, "diag", start=start)
    wanted, x = oracle(frames, start, 2, 2)
    assert bic(found, len(frames))[2, 2] == pytest.approx(wanted.bic(x), rel=1e-5)


def test_components_come_heaviest_first():
    found = fit_pixels(video(), 3, "diag")
    assert (np.diff(found.weights, axis=2) <= 0).all()


def test_constant_pixels_and_few_frames_stay_finite():
    still = np.full((4, *SIZE, 3), 255, np.uint8)
    found = fit_pixels(still, 3, "diag")
    for name in ("weights", "means", "variances", "log_likelihood"):
        assert np.isfinite(getattr(found, name)).all()
    alive = found.weights > 0
    np.testing.assert_allclose(found.means[alive], 255)
    np.testing.assert_allclose(found.variances, 1.0, rtol=1e-6)
    assert fit_pixels(still, "bic", "diag").n_components.max() == 1


def test_an_offset_of_the_levels_costs_no_digits():
    """The same picture a thousand levels brighter has the same variances."""
    low = video(dtype="float32")
    dark, light = (fit_pixels(frames, 2) for frames in (low, low + np.float32(1000)))
    np.testing.assert_allclose(light.variances, dark.variances, rtol=2e-3)
    np.testing.assert_allclose(light.weights, dark.weights, atol=1e-3)


@pytest.mark.parametrize(
    ("covariance_type", "k", "dtype"), [("spherical", 2, "float32"), ("diag", 3, "uint8")]
)
def test_score_is_the_mean_log_density_of_other_frames(covariance_type, k, dtype):
    seen = video(n_frames=60, dtype=dtype)
    found = fit_pixels(seen, k, covariance_type)
    fresh = seen[::3] + np.array(1, dtype)
    scores = found.score(fresh)
    for row, col in [(0, 0), (4, 4), (8, 10)]:
        expected = []
        for x in fresh[:, row, col].astype(float):
            density = 0.0
            for n in range(k):
                var = np.broadcast_to(found.variances[row, col, n], 3).astype(float)
                error = (x - found.means[row, col, n]) ** 2 / var
                norm = np.sqrt(np.prod(2 * np.pi * var))
                density += found.weights[row, col, n] * np.exp(-error.sum() / 2) / norm
            expected.append(np.log(density))
        assert scores[row, col] == pytest.approx(np.mean(expected), rel=1e-5)
    np.testing.assert_allclose(found.score(seen), found.log_likelihood, rtol=1e-5)


def test_shares_tell_when_a_colour_was_seen():
    frames = np.full((50, *SIZE, 3), 80, np.uint8)
    frames[20:30] = 200
    frames[:, 0] = np.where(np.arange(50) % 2, 80, 200)[:, None, None]
    found = fit_pixels(frames, 2, "diag")
    shares = found.shares(frames, slices=5)
    assert shares.shape == (*SIZE, 5, 2)
    np.testing.assert_allclose(shares.sum(axis=3), 1, atol=1e-5)
    np.testing.assert_allclose(shares[5, 5], [[1, 0], [1, 0], [0, 1], [1, 0], [1, 0]], atol=1e-4)
    np.testing.assert_allclose(shares[0, 3], 0.5, atol=1e-4)
    np.testing.assert_allclose(shares.mean(axis=2), found.weights, atol=1e-3)


@pytest.mark.parametrize(
    ("frames", "options", "error", "words"),
    [
        ([[1]], {}, FrameError, "numpy array .* got list"),
        (np.zeros((5, 4), np.uint8), {}, FrameError, r"got \(5, 4\)"),
        (np.zeros((5, 4, 4, 5), np.uint8), {}, FrameError, r"got \(5, 4, 4, 5\)"),
        (np.zeros((5, 4, 4)), {}, FrameError, "got float64"),
        (np.full((5, 4, 4), np.nan, np.float32), {}, FrameError, "NaN"),
        (np.zeros((2, 4, 4), np.uint8), {}, FrameError, "at least 3 frames"),
        (np.zeros((5, 4, 4), np.uint8), {"n_components": 0}, ConfigError, "n_components must"),
        (np.zeros((5, 4, 4), np.uint8), {"n_components": "aic"}, ConfigError, "or bic, got 'aic'"),
        (np.zeros((5, 4, 4), np.uint8), {"covariance_type": "full"}, ConfigError, "full"),
        (np.zeros((5, 4, 4), np.uint8), {"reg_covar": 0.0}, ConfigError, "reg_covar"),
        (np.zeros((5, 4, 4), np.uint8), {"max_iter": 0}, ConfigError, "max_iter"),
        (np.zeros((5, 4, 4), np.uint8), {"tol": -1.0}, ConfigError, "tol"),
        (np.zeros((5, 4, 4), np.uint8), {"max_components": 9}, ConfigError, "max_components"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(frames, options, error, words):
    with pytest.raises(error, match=words):
        fit_pixels(frames, **options)


def test_a_result_that_does_not_fit_is_refused_before_any_work():
    frames = np.zeros((5, 400, 500, 3), np.uint8)
    need = result_bytes((400, 500), 3, 3, "diag")
    with pytest.raises(ConfigError, match=r"need 19 MB, and 1 MB may be used: fit fewer rows"):
        fit_pixels(frames, 3, "diag", memory_limit=1_000_000)
    found = fit_pixels(frames[:, :10, :10], 3, "diag")
    arrays = [getattr(found, name) for name in PixelMixtures.__slots__]
    assert sum(a.nbytes for a in arrays) == need // 2000
    with pytest.raises(FrameError, match="like the mixtures"):
        found.score(frames)
    with pytest.raises(ConfigError, match="a start of 3 diag"):
        fit_pixels(frames, 3, "diag", start=found)


def test_the_bench_compares_with_scikit_learn(tmp_path):
    options = ["--size", "24x16", "--frames", 20, "--pixels", 12, "--covariance", "diag"]
    result = bgsub_run("bench", "pixels", *options, "--threads", 1, "--json", tmp_path / "b.json")
    assert result.exit_code == 0
    assert "times faster" in result.stdout
    found = json.loads((tmp_path / "b.json").read_text())
    assert found["size"] == [24, 16] and found["frames"] == 20 and found["sklearn_pixels"] == 12
    assert found["worst_log_likelihood"] < 1e-4
    (row,) = found["rows"]
    assert row["ratio"] == pytest.approx(found["sklearn_s"] / row["seconds"])
    assert found["sklearn_s"] == pytest.approx(found["sklearn_ms_a_pixel"] / 1000 * 24 * 16)
