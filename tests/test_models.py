"""Promised: the mixture is OpenCV's when every ingredient is off; state is a value."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from bgsub.models import AdaptiveMixture, load, preset
from bgsub.models.stabilise import Pose, Stabiliser


def noisy(frames, size=(48, 64), seed=0):
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 256, (*size, 3))
    for n in range(frames):
        image = scene + rng.normal(0, 4, scene.shape)
        image[10:20, n % 40 : n % 40 + 10] = 250
        yield np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["fast", "balanced", "best", "classic"])
def test_the_bits_do_not_depend_on_the_number_of_threads(name):
    """In a picture large enough for helpers to wake in time, with shadows, and an odd rest."""
    clear = replace(preset(name), shadow_veil=255.0)  # noise has no dark place, like a haze
    models = [AdaptiveMixture(clear, n) for n in (1, 2, 3)]
    seen = set()
    for n, image in enumerate(noisy(14, (401, 603))):
        if n > 10:
            image[100:300, 50:400] = image[100:300, 50:400] * 0.7
        one, *others = [model.apply(image, n / 25) for model in models]
        seen.update(np.unique(one))
        for other in others:
            np.testing.assert_array_equal(one, other)
    for model in models[1:]:
        np.testing.assert_array_equal(models[0]._state, model._state)
    assert seen == {0, 127, 255} if models[0].params.shadows else {0, 255}


def test_models_in_several_threads_do_not_mix():
    videos = [list(noisy(8, (300, 500))), list(noisy(8, (300, 500)))[::-1]]

    def masks(images):
        model = AdaptiveMixture.from_preset("fast", threads=2)
        return [model.apply(image, n / 25) for n, image in enumerate(images)]

    alone = [masks(images) for images in videos]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(masks, videos))
    np.testing.assert_array_equal(together, alone)


def assert_goes_on(model, images, half, tmp_path):
    """Saved after the first `half` of the images, and loaded, it takes the others as before."""
    for n, image in enumerate(images[:half]):
        model.apply(image, n / 25)
    model.save(tmp_path / "m.bgm")
    other = load(tmp_path / "m.bgm")
    for n, image in enumerate(images[half:], half):
        np.testing.assert_array_equal(model.apply(image, n / 25), other.apply(image, n / 25))
    np.testing.assert_array_equal(model._state, other._state)


@pytest.mark.parametrize("name", ["balanced", "classic"])
def test_a_saved_model_goes_on_bit_for_bit(tmp_path, name):
    model = AdaptiveMixture.from_preset(name)
    images = list(noisy(30))
    assert_goes_on(model, images, 15, tmp_path)


def test_with_every_ingredient_off_the_masks_are_mog2s():
    """What differs are ties between modes of equal weight, and the rounding of 16-bit state."""
    ours, theirs = AdaptiveMixture(preset("classic")), cv2.createBackgroundSubtractorMOG2()
    theirs.setDetectShadows(False)
    same = []
    for n, image in enumerate(noisy(100), 1):
        mask = ours.apply(image, learning_rate=1 / min(2 * n, 500))
        same.append(np.mean(mask == theirs.apply(image)))
    assert np.mean(same[1:]) >= 0.99


def turning(turn, frames=250, size=(60, 80)):
    """A noisy view that rests, shifts by two pixels a frame while `turn`, and rests again."""
    rng = np.random.default_rng(1)
    wide = cv2.resize(rng.integers(20, 230, (30, 300, 3), np.uint8), (1200, 60))
    at = 0
    for n in range(frames):
        at += 2 * (n in turn)
        noise = rng.normal(0, 3, (*size, 3))
        yield np.clip(wide[:, at : at + size[1]] + noise, 0, 255).astype(np.uint8)


def test_a_camera_that_turns_is_learnt_anew():
    """After two seconds of turning and two of rest; its old memory would be foreground for long."""
    fast = replace(preset("fast"), stabilise=False)
    following, staying = AdaptiveMixture(fast), AdaptiveMixture(replace(fast, relearn_share=1.0))
    shares = []
    for n, image in enumerate(turning(range(100, 150))):
        shares.append([np.mean(m.apply(image, n / 25) == 255) for m in (following, staying)])
    shares = np.array(shares)
    np.testing.assert_array_equal(shares[50:100], 0)
    assert shares[200:, 0].max() < 0.02
    assert shares[200:, 1].min() > 0.5


def test_a_large_thing_that_passes_does_not_shorten_the_memory():
    """It covers a quarter of the picture for three seconds."""
    following = AdaptiveMixture(preset("fast"))
    staying = AdaptiveMixture(replace(preset("fast"), relearn_share=1.0))
    for n, image in enumerate(turning(range(0))):
        if 100 <= n < 175:
            image[:, 10:30] = (240, 40, 240)
        both = [m.apply(image, n / 25) for m in (following, staying)]
        np.testing.assert_array_equal(*both)


def test_a_model_saved_while_the_camera_turns_goes_on_bit_for_bit(tmp_path):
    model = AdaptiveMixture(preset("balanced"))
    images = list(turning(range(50, 120), 200))
    assert_goes_on(model, images, 110, tmp_path)


@pytest.mark.parametrize("stop", [55, 85])
def test_a_model_that_remembers_views_goes_on_bit_for_bit(tmp_path, stop):
    """Saved after the first cut, and after the return to the first view."""
    rng = np.random.default_rng(2)
    places = [cv2.resize(rng.integers(20, 230, (20, 27, 3), np.uint8), (80, 60)) for _ in "ab"]
    shown = [places[0]] * 40 + [places[1]] * 40 + [places[0]] * 15 + [places[1]] * 10
    images = [np.clip(p + rng.normal(0, 3, p.shape), 0, 255).astype(np.uint8) for p in shown]
    model = AdaptiveMixture()
    assert_goes_on(model, images, stop, tmp_path)
    assert len(model._views) == 1
    assert model.memory_bytes == 2 * model._state.nbytes


@pytest.mark.parametrize("kind", ["one channel", "three alike", "coloured"])
def test_where_nothing_has_colour_a_smaller_difference_of_luma_tells(kind):
    """At luma 200 the radius is 10 + 0.05 * 200 = 20 grey levels with colour, 17 without."""
    view = np.full((40, 64, 3), 200, np.uint8)
    if kind == "coloured":
        view[30:] = (60, 140, 250)
    model = AdaptiveMixture()
    for n in range(50):
        model.apply(view if kind != "one channel" else view[..., 0].copy(), n / 25)
    view[10:20, 10:30] += np.uint8(18)
    mask = model.apply(view if kind != "one channel" else view[..., 0].copy(), 2.0)
    assert np.all(mask[12:18, 12:28] == (0 if kind == "coloured" else 255))


def test_more_rows_follow_a_shake_more_exactly():
    """On a view with the spectrum of natural pictures, 1 / frequency; errors in pixels."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(320), np.fft.fftfreq(240)[:, None])
    frequency[0, 0] = 1
    view = np.fft.ifft2(np.fft.fft2(rng.normal(size=(240, 320))) / frequency).real
    view = np.clip(128 + 50 * view / view.std(), 0, 255).astype(np.uint8)
    error = {}
    for rows in (60, 120):
        stabiliser = Stabiliser(rows, zoom=False)
        stabiliser.learn(stabiliser.pose(view, 1.0)[1], 1.0, Pose())
        misses = []
        for x, y in rng.uniform(-6, 6, (12, 2)):
            matrix = np.array([[1, 0, x], [0, 1, y]])
            shaken = cv2.warpAffine(view, matrix, (320, 240), borderMode=cv2.BORDER_REFLECT)
            pose, _ = stabiliser.pose(shaken, 1.0)
            misses.append(np.hypot(pose.dx - x, pose.dy - y))
        error[rows] = np.median(misses)
    assert error[60] < 0.5
    assert error[120] < 0.2
