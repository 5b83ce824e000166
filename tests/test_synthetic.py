"""Promised: scenes whose truth is the difference between the picture and the empty place."""

import cv2
import numpy as np
import pytest

from bgsub.errors import ConfigError
from bgsub.synthetic import names, scene, write_cdnet


def far(a, b):
    """Largest difference of a pixel's channels."""
    return np.abs(a.astype(int) - b.astype(int)).max(2)


@pytest.mark.parametrize("name", names())
def test_every_frame_can_be_drawn_again_alone(name):
    one, two = scene(name, size=(160, 120)), scene(name, size=(160, 120))
    first = [one.shot(n) for n in (0, 40, 41)]
    again = two.shot(41)
    np.testing.assert_array_equal(first[2].image, again.image)
    np.testing.assert_array_equal(first[2].truth, again.truth)
    assert first[1].time == pytest.approx(40 / one.fps)


@pytest.mark.parametrize("name", ["walkers", "street", "foliage", "jitter", "light-step", "hall"])
def test_what_is_not_marked_looks_like_the_empty_place(name):
    """Without noise every visible difference is marked, and nearly all that is marked differs."""
    shown = scene(name, noise=0.0)
    differs = 0.0
    for n in (60, 90, 150):
        shot = shown.shot(n)
        gap = far(shot.image, shot.background)
        grown = cv2.dilate((shot.truth > 0).astype(np.uint8), np.ones((3, 3)))
        assert (gap[grown == 0] <= 12).all()
        moving = shot.truth == 255
        differs += (gap[moving] > 8).mean() / 3 if moving.any() else 1 / 3
    assert differs > 0.85


def test_a_shadow_is_the_background_dimmed():
    shot = scene("shadows", noise=0.0, weather="").shot(60)
    shade = shot.truth == 50
    assert shade.sum() > 100
    ratio = shot.image[shade].astype(float) / np.maximum(shot.background[shade], 1)
    assert 0.5 < np.median(ratio) < 0.75
    assert np.abs(ratio - ratio.mean(1, keepdims=True)).mean() < 0.02  # colour is kept


def test_the_light_changes_by_the_stated_gain():
    shown = scene("light-step", noise=0.0, movers=(), size=(160, 120))
    when, gain = shown.step
    before, after = (shown.shot(round(when * 25) + d).image.astype(float) for d in (-2, 2))
    fair = (after < 250).all(2)
    assert after[fair].mean() / before[fair].mean() == pytest.approx(gain, rel=0.01)


def test_the_noise_has_the_stated_deviation():
    shown = scene("empty", noise=3.0, place="lawn")
    level = shown.shot(0).background.astype(float)
    errors = np.stack([shown.shot(n).image - level for n in range(12)])
    grey = (level > 118) & (level < 138)
    assert errors[:, grey].std() == pytest.approx(3.0, rel=0.05)


def test_a_stopped_thing_stays_marked_as_long_as_it_is_there():
    shown = scene("stopped", frames=400)
    areas = [(shown.shot(n).truth == 255).sum() for n in (100, 200, 380)]
    assert min(areas) > 800
    assert max(areas) - min(areas) < 0.05 * max(areas)


def test_a_ghost_is_there_in_the_first_frame_and_leaves():
    shown = scene("ghost")
    assert (shown.shot(0).truth == 255).sum() > 800
    assert (shown.shot(180).truth == 255).sum() == 0


def test_people_hide_each_place_in_two_fifths_of_the_frames():
    shown = scene("visited", frames=300)
    hidden = np.mean([shown.shot(n).truth == 255 for n in range(0, 300, 4)], axis=0)
    # Swinging limbs hide their places for a part of that time only.
    assert np.median(hidden[hidden > 0.2]) == pytest.approx(0.4, abs=0.05)


def test_small_things_have_sixty_pixels():
    truth = scene("small", frames=250).shot(100).truth
    count, _, stats, _ = cv2.connectedComponentsWithStats((truth > 0).astype(np.uint8))
    assert count == 4
    unsure = (truth == 170).sum() / 3
    for area in stats[1:, cv2.CC_STAT_AREA]:
        assert 60 - 8 <= area - unsure / 2 <= 60 + 8


def test_jitter_shifts_the_whole_picture():
    shown = scene("jitter", noise=0.0, movers=())
    a, b = (cv2.cvtColor(shown.shot(n).image, cv2.COLOR_BGR2GRAY) for n in (3, 4))
    (dx, dy), _ = cv2.phaseCorrelate(a.astype(np.float32), b.astype(np.float32))
    turn = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    moved = cv2.warpAffine(a, turn, a.shape[::-1])
    inner = (slice(10, -10), slice(10, -10))
    before = np.abs(a[inner].astype(int) - b[inner]).mean()
    assert np.abs(moved[inner].astype(int) - b[inner]).mean() < 0.4 * before


def test_a_cdnet_sequence_is_written(tmp_path):
    shown = scene("walkers", size=(80, 60), frames=3)
    write_cdnet(shown, tmp_path / "walkers")
    for n in range(3):
        truth = cv2.imread(str(tmp_path / f"walkers/groundtruth/gt{n + 1:06d}.png"), 0)
        np.testing.assert_array_equal(truth, shown.shot(n).truth)
    assert (tmp_path / "walkers" / "temporalROI.txt").read_text() == "1 3"


def test_an_unknown_scene_is_named():
    with pytest.raises(ConfigError, match="'moon'"):
        scene("moon")
