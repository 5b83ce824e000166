"""Promised: figures that tell a good online model from a bad one, and reports that are read."""

import builtins
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_cli import bgsub_run, one_line

from bgsub.errors import ConfigError, FrameError
from bgsub.evaluation import models as reports
from bgsub.evaluation.validation import OUTLIERS, validate
from bgsub.frames import Frame
from bgsub.mixture import fit_pixels
from bgsub.models import AdaptiveMixture, load, preset
from bgsub.synthetic import scene, write_cdnet

SIZE = (48, 36)
FAST = replace(preset("fast"), stabilise=False, follow_light=False)


def frames_of(shots):
    return [Frame(shot.image, shot.time, n) for n, shot in enumerate(shots)]


def figures(shots, **params):
    """Figures of a fresh model for each of the named params."""
    shown = frames_of(shots)
    found = validate(lambda: shown, {name: AdaptiveMixture(p) for name, p in params.items()})
    return {t.name: t.figures() for t in found.trackings}


@pytest.fixture(scope="module")
def still():
    """A place whose truth never changes, with noise of sigma 2."""
    return figures(
        scene("empty", size=SIZE, frames=400, fps=10.0),
        good=FAST,
        short=replace(FAST, history=2.0),
        wide=replace(FAST, minimum_variance=100.0),
    )


def test_a_history_ten_times_too_short_is_seen(still):
    """Means that follow the noise lose likelihood and lie further from the batch fit's."""
    assert still["short"]["background_levels"] > 1.5 * still["good"]["background_levels"]
    assert still["short"]["gap_nats"] > still["good"]["gap_nats"] + 0.01


def test_a_variance_floor_too_high_is_seen(still):
    assert still["wide"]["share_worse"] > 0.95
    assert still["good"]["share_worse"] < 0.1
    assert still["wide"]["gap_nats"] > still["good"]["gap_nats"] + 0.5


def test_a_good_model_comes_near_the_batch_fit(still):
    """Its gap is small, and the batch fit's likelihood is that of the noise itself."""
    assert 0 < still["good"]["gap_nats"] < 0.2
    assert still["good"]["online_modes"] == pytest.approx(1, abs=0.01)
    shots = scene("empty", size=SIZE, frames=400, fps=10.0)
    luma = [cv2.cvtColor(shot.image, cv2.COLOR_BGR2YCrCb)[..., 0] for shot in shots]
    variance = np.var(np.array(luma, np.float64), axis=0)
    widened = variance + 1  # by reg_covar
    expected = -0.5 * (np.log(2 * np.pi * widened) + variance / widened) + np.log(1 - OUTLIERS)
    assert still["good"]["batch_nats"] == pytest.approx(expected.mean(), abs=0.03)


def test_a_history_ten_times_too_long_is_seen():
    """Two seconds follow light that comes and goes in 16 s, as no fixed fit can; 20 s lag."""
    shots = scene("empty", size=SIZE, frames=500, fps=10.0, drift=0.2, place="hall")
    found = figures(shots, good=replace(FAST, history=2.0), long=replace(FAST, history=20.0))
    assert found["good"]["gap_nats"] < -1
    assert found["long"]["gap_nats"] > 0.1


def log_densities(levels, weights, means, variances):
    """Of one pixel's levels, from the definition."""
    logs = []
    for level in levels.astype(float):
        narrow = sum(
            w * np.exp(-((level - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)
            for w, m, v in zip(weights, means, variances, strict=True)
            if w > 0
        )
        wide = np.exp(-np.pi * ((level - 127.5) / 256) ** 2) / 256
        logs.append(np.log((1 - OUTLIERS) * narrow + OUTLIERS * wide))
    return np.mean(logs)


def test_the_densities_are_those_of_the_mixtures():
    """Held-out luma under modes that do not move, and under a fit of the other frames, by hand."""
    rng = np.random.default_rng(0)
    images = np.clip(rng.normal(120, 3, (90, 4, 5, 1)).repeat(3, axis=3), 0, 255).astype(np.uint8)
    shown = [Frame(image, n / 10, n) for n, image in enumerate(images)]
    model = AdaptiveMixture(FAST)
    for frame in shown:
        model.apply(frame.image, frame.time)
    frozen = replace(FAST, history=1e9, settled_gain=1e-9)
    modes = model.mixtures()
    still = AdaptiveMixture.from_mixtures(modes, frozen, n_frames=65535, seconds=1e6)
    (tracking,) = validate(lambda: shown, {"still": still}, n_frames=40).trackings
    # Of the last two thirds, 50 are sampled, and every fifth of them is held out.
    chosen = np.linspace(30, 89, 50).round().astype(int)
    held = chosen[4::5]
    space = np.stack([cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb) for image in images])
    fitted = fit_pixels(space[np.setdiff1d(chosen, held)], "bic", "diag")
    for at in [(0, 0), (3, 4)]:
        luma = space[held][:, *at, 0]
        online = log_densities(luma, modes.weights[at], modes.means[at][:, 0], modes.variances[at])
        assert tracking.online[at] == pytest.approx(online, abs=0.004)
        first = fitted.means[at][:, 0], fitted.variances[at][:, 0]
        batch = log_densities(luma, fitted.weights[at], *first)
        assert tracking.batch[at] == pytest.approx(batch, abs=1e-4)


def test_models_are_not_changed_and_pixels_are_explained():
    shown = frames_of(scene("walkers", size=SIZE, frames=80))
    model = AdaptiveMixture(FAST)
    model.apply(shown[0].image, 0.0)
    before = model.mixtures()
    found = validate(lambda: shown, {"it": model}, pixels=[(7, 30), (40, 5)], n_frames=30)
    for old, new in zip(before, model.mixtures(), strict=True):
        np.testing.assert_array_equal(old, new)
    first, second = found.trackings[0].tracks
    assert first.at == (7, 30)
    luma = cv2.cvtColor(shown[33].image, cv2.COLOR_BGR2YCrCb)
    assert first.values[33].tolist() == luma[30, 7].tolist()
    assert second.values[33].tolist() == luma[5, 40].tolist()
    assert len(first.times) == len(first.labels) == 80
    assert first.modes.weights.shape == (80, 1, 3)
    assert set(np.unique(first.labels)) <= {0, 127, 255}


def test_what_cannot_be_compared_is_refused():
    shown = frames_of(scene("empty", size=SIZE, frames=60))
    model = AdaptiveMixture(FAST)
    with pytest.raises(FrameError, match="at least 60 frames to validate, got 59"):
        validate(lambda: shown[:59], {"it": model})
    with pytest.raises(ConfigError, match="pixel 48,3 lies outside the frames of 48x36"):
        validate(lambda: shown, {"it": model}, pixels=[(48, 3)])
    readings = iter([60, 50])
    with pytest.raises(FrameError, match="had 60 frames, and 50 when"):
        validate(lambda: shown[: next(readings)], {"it": model})


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cdnet") / "hall"
    return write_cdnet(scene("hall", size=SIZE, frames=80), folder) / "input"


@pytest.fixture(scope="module")
def saved(hall, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "hall.bgm"
    assert bgsub_run("learn", hall, "-o", path, "--preset", "fast", "-q").exit_code == 0
    return path


def test_validate_writes_report_and_pictures(hall, saved, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "report"
    result = bgsub_run(
        "validate", saved, hall, "--fps", 25, "--pixel", "5,9", "-o", out, "--frames", 40
    )
    assert result.exit_code == 0
    found = json.loads((out / "report.json").read_text())
    assert found["held_out"] == 10 and found["fitted"] == 40 and found["frames"] == 80
    (row,) = found["models"]
    assert row["name"] == "hall"
    assert f"{row['gap_nats']:.3f}" in result.stdout
    assert (out / "report.txt").read_text() == result.stdout
    for name in ("gap.png", "modes.png", "background.png", "pixel_5_9.png"):
        assert cv2.imread(str(out / name)).std() > 5
        assert str(out / name) in result.stderr

    again = bgsub_run("validate", saved, hall, "-o", out)
    assert again.exit_code == 2 and "exists already" in one_line(again)


def test_what_a_steadied_model_sees_is_what_is_fitted():
    """Shifts and gains that the model takes out of the frames are taken out of the fit's too."""
    shots = scene("empty", size=(96, 72), frames=150, fps=10.0, jitter=3.0)
    shown = frames_of(shots)
    steady = replace(FAST, stabilise=True)
    models = {"steady": AdaptiveMixture(steady), "shaking": AdaptiveMixture(FAST)}
    found = {t.name: t.figures() for t in validate(lambda: shown, models).trackings}
    assert found["steady"]["batch_nats"] > found["shaking"]["batch_nats"] + 0.2
    assert found["steady"]["online_nats"] > found["shaking"]["online_nats"] + 0.2


def test_a_sweep_has_a_row_for_each_value(hall):
    result = bgsub_run(
        "validate", "fast", hall, "--sweep", "history=500ms,20s", "--sweep", "modes=3", "-q"
    )
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines()[2:6]]
    assert names == ["as", "history=500ms", "history=20s", "modes=3"]
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.bgm", "{hall}"], "cannot read the model nothing.bgm"),
        (["fast", "{hall}", "--sweep", "history"], "NAME=VALUE"),
        (["fast", "{hall}", "--sweep", "histroy=5s"], "did you mean 'history'"),
        (["fast", "{hall}", "--sweep", "history=soon"], "expected a duration"),
        (["fast", "{hall}", "--pixel", "5,5"], "give a folder by -o"),
        (["fast", "{hall}", "--every", "2"], "at least 60 frames to validate, got 40"),
    ],
)
def test_what_cannot_be_validated_is_one_line(hall, arguments, words):
    result = bgsub_run("validate", *(word.format(hall=hall) for word in arguments))
    assert result.exit_code == 2
    assert words in one_line(result)


def test_info_says_what_is_in_a_model(saved):
    result = bgsub_run("model", "info", saved)
    assert result.exit_code == 0
    assert "48x36, 3 channels of uint8" in result.stdout
    assert "modes = 3" in result.stdout
    about = json.loads(bgsub_run("model", "info", saved, "--json").stdout)
    assert about["params"]["modes"] == 3
    assert about["frames"] == 80
    assert sum(about["background_modes"]) == pytest.approx(1)


def test_diff_says_how_two_models_differ(saved, tmp_path):
    model = load(saved)
    assert reports.differences(model, model.copy())["background"]["max"] == 0
    modes = model.mixtures()
    modes.means[:9, :, :, 0] += 20  # luma of a quarter of the rows
    changed = replace(model.params, history=60.0)
    lighter = AdaptiveMixture.from_mixtures(modes, changed, n_frames=10, seconds=1.0)
    found = reports.differences(model, lighter)
    assert found["params"] == {"history": [model.params.history, 60.0]}
    assert found["background"]["above_15"] == pytest.approx(0.25, abs=0.01)
    assert found["background"]["mean"] == pytest.approx(5, abs=0.2)
    lighter.save(tmp_path / "lighter.bgm")
    result = bgsub_run("model", "diff", saved, tmp_path / "lighter.bgm")
    assert f"history {model.params.history} | 60.0" in result.stdout
    assert "25.0% beyond 15" in result.stdout

    small = AdaptiveMixture(FAST)
    small.apply(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ConfigError, match="expected the same size"):
        reports.differences(model, small)


def test_plot_draws_a_model_or_says_what_is_missing(saved, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    path = tmp_path / "hall.png"
    result = bgsub_run("model", "plot", saved, "-o", path)
    assert result.exit_code == 0
    assert result.stdout == f"{path}\n"
    assert cv2.imread(str(path)).std() > 5
    again = bgsub_run("model", "plot", saved, "-o", path)
    assert again.exit_code == 2 and "exists" in one_line(again)

    real = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    missing = bgsub_run("model", "plot", saved, "-o", tmp_path / "other.png")
    assert missing.exit_code == 2
    assert "pip install 'bgsub[plot]'" in one_line(missing)
