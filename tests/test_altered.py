"""Promised: an alteration keeps picture and truth together, and the same seed draws it again."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bgsub.evaluation.altered import ALTERATIONS, Clip, altered, jittered, noisy, stretch, zoomed
from bgsub.evaluation.dataset import find_sequences
from bgsub.evaluation.runs import contenders, score_run
from bgsub.synthetic import Mover, Scene, write_cdnet

MOVED = (
    "jitter 1.5",
    "jitter 5",
    "slow pan",
    "pan",
    "two positions",
    "cut",
    "zoom",
    "close-up",
    "turbulence 1",
    "turbulence 2",
    "half size",
    "double size",
)
"""Those that move pixels."""


def square_at(n):
    """A white square of 30 pixels on grey, going right, and its truth."""
    image, truth = np.full((120, 160, 3), 80, np.uint8), np.zeros((120, 160), np.uint8)
    at = slice(40, 70), slice(20 + n, 50 + n)
    image[at], truth[at] = 250, 255
    return image, truth


@pytest.fixture(scope="module")
def clip():
    """60 frames; the first 10 are not scored."""
    shown = [square_at(n) for n in range(60)]
    truths = [None] * 10 + [truth for _, truth in shown[10:]]
    return Clip("drawn", "square", [image for image, _ in shown], truths)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_the_same_seed_gives_the_same_clip_and_the_source_stays(clip, name):
    before = [image.copy() for image in clip.images]
    one, two = altered(clip, name), altered(clip, name)
    assert (one.category, one.name) == (name, "square")
    assert one.truths == two.truths != []
    np.testing.assert_array_equal(one.images, two.images)
    for n, (image, truth) in enumerate(zip(one.images, one.labels, strict=True)):
        assert image.dtype == np.uint8
        assert image.shape == one.images[0].shape
        if truth is not None:
            assert truth.shape == image.shape[:2]
            np.testing.assert_array_equal(truth, two.truth(n))
            assert set(np.unique(truth)) <= {0, 50, 85, 170, 255}
    np.testing.assert_array_equal(clip.images, before)


@pytest.mark.parametrize("name", MOVED)
def test_truth_lies_where_the_picture_shows_the_thing(clip, name):
    moved = altered(clip, name)
    changed = 0
    for n in moved.truths:
        bright = cv2.cvtColor(moved.images[n], cv2.COLOR_BGR2GRAY) > 165
        wrong = bright != (moved.truth(n) == 255)
        # Along the outline interpolation and rounding may differ by a pixel.
        inner = cv2.erode((wrong * 255).astype(np.uint8), np.ones((3, 3), np.uint8))
        assert not inner.any()
        same = moved.truth(n).shape == clip.truth(n).shape
        changed += not same or (moved.truth(n) != clip.truth(n)).any()
    assert changed


def test_another_seed_draws_other_noise(clip):
    assert (altered(clip, "noise 8", 0).images[5] != altered(clip, "noise 8", 1).images[5]).any()


def test_noise_has_its_deviation(clip):
    image = noisy(clip, np.random.default_rng(3), 8.0).images[30]
    assert image[80:].std() == pytest.approx(8.0, rel=0.05)


def test_a_jittering_window_stays_inside_the_picture(clip):
    """The picture's border is a frame of another colour, which must never be seen."""
    framed = [cv2.rectangle(i.copy(), (0, 0), (159, 119), (255, 0, 0), 1) for i in clip.images]
    shown = jittered(Clip("", "", framed, clip.labels), np.random.default_rng(0), 2.0)
    assert shown.size == (160 - 2 * 7, 120 - 2 * 7)
    assert all((image[..., 0] == image[..., 2]).all() for image in shown.images)


def test_a_zoom_goes_from_the_whole_to_the_middle(clip):
    shown = zoomed(clip, np.random.default_rng(0), frames=20)
    areas = [np.count_nonzero(truth) for truth in shown.labels if truth is not None]
    assert shown.size == (107, 80)
    assert 19**2 <= areas[0] <= 21**2
    assert max(areas) == pytest.approx(900, rel=0.05)


def test_times_are_cut_and_held_with_their_truth(clip):
    assert altered(clip, "every 4th").truths == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    late = altered(clip, "late start")
    assert late.truths[0] == 0
    held = altered(clip, "pause")
    assert len(held) == 60 + 375
    still = held.labels[100:200]
    assert all((truth == still[0]).all() for truth in still)


def test_a_thing_left_behind_is_moving_and_one_taken_away_is_not(clip):
    """By hand: the thing is the square itself, a second one at rest from the third on."""
    left, gone = altered(clip, "left behind"), altered(clip, "taken away")
    for n, (image, truth) in enumerate(zip(left.images, left.labels, strict=True)):
        squares = 2 if n >= 20 else 1
        assert np.count_nonzero(image[..., 0] > 165) == pytest.approx(squares * 900, rel=0.1)
        if truth is not None:
            assert np.count_nonzero(truth == 255) == pytest.approx(squares * 900, rel=0.1)
    for n, (image, truth) in enumerate(zip(gone.images, gone.labels, strict=True)):
        squares = 2 if n < 20 else 1
        assert np.count_nonzero(image[..., 0] > 165) == pytest.approx(squares * 900, rel=0.1)
        if truth is not None:
            assert np.count_nonzero(truth == 255) == 900


def test_a_cut_shows_three_views_and_the_first_again(clip):
    """By hand: 96 of 160 columns, the left ones, the right ones mirrored, the left ones turned."""
    shown = altered(clip, "cut")
    assert shown.size == (96, 120)
    turned = [(slice(None), slice(0, 96)), (slice(None), slice(159, 63, -1))]
    turned += [(slice(None, None, -1), slice(0, 96)), turned[0]]
    for n in (0, 14, 15, 29, 30, 44, 45, 59):
        np.testing.assert_array_equal(shown.images[n], clip.images[n][turned[n // 15]])


def test_a_crowd_walks_over_a_quarter_of_the_picture_from_the_first_frame_on(clip):
    shown = altered(clip, "crowd")
    shares = []
    for n in shown.truths:
        bright, truth = shown.images[n][..., 0] > 165, shown.truth(n)
        assert np.all(bright[truth == 255])
        assert not bright[truth == 0].any()
        shares.append(np.mean(truth == 255))
    assert 0.15 < np.mean(shares) < 0.3
    assert np.mean(shown.images[0] > 165) > 0.1


def test_a_parked_thing_is_background_until_it_drives_off(clip):
    """It hides a part of the square that moves."""
    shown = altered(clip, "driven off")
    bright = [np.count_nonzero(image[..., 0] > 165) for image in shown.images]
    moving = {n: np.count_nonzero(shown.truth(n) == 255) for n in shown.truths}
    assert bright[20] - 900 > 1000
    assert moving[20] < 900
    for n in (32, 36, 40):
        assert moving[n] == pytest.approx(bright[n], rel=0.15)
        assert moving[n] > 1000
    assert moving[59] == pytest.approx(bright[59], rel=0.15)


def test_a_lamp_lights_one_half_for_four_of_eight_seconds(clip):
    long = replace(clip, images=clip.images * 4, labels=clip.labels * 4)
    shown = altered(long, "half lit")
    left, right = (np.array([i[100, x, 0] for i in shown.images]) for x in (4, 155))
    on = np.arange(240) // 100 == 1
    np.testing.assert_allclose(left, 80 * 0.65, atol=1)
    np.testing.assert_allclose(right[~on], 80 * 0.65, atol=1)
    np.testing.assert_allclose(right[on], 80 * 0.65 * 1.5, atol=1)


def test_a_monitor_flickers_behind_what_moves(clip):
    shown = altered(clip, "monitor")
    changed = np.std([image[..., 0] for image in shown.images[10:]], axis=0) > 8
    assert np.mean(changed) == pytest.approx(0.25, abs=0.1)
    for n in shown.truths:
        core = cv2.erode(shown.truth(n), np.ones((5, 5), np.uint8)) > 0
        np.testing.assert_array_equal(shown.images[n][core], 250)


def test_a_shadow_is_labelled_and_takes_its_share_of_the_light(clip):
    shown = altered(clip, "shadows")
    for n in shown.truths:
        shade = shown.truth(n) == 50
        assert 200 < shade.sum() < 900
        core = cv2.erode(shade.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        np.testing.assert_allclose(shown.images[n][core], 80 * 0.55, atol=1)


def test_a_floor_mirrors_a_thing_upside_down_and_fainter_with_the_distance(clip):
    """By hand: the square's upper half is made brighter; its picture lies below it, mirrored."""
    images = [image.copy() for image in clip.images]
    for n, image in enumerate(images):
        image[55:70, 20 + n : 50 + n] = 160
    shown = altered(Clip("", "", images, clip.labels), "reflections")
    for n in shown.truths:
        column = shown.images[n][:, 35 + n, 0].astype(int)
        np.testing.assert_array_equal(column[40:70], images[n][40:70, 35 + n, 0])
        assert column[74] - 80 == pytest.approx(0.35 * (1 - 4 / 30) * 80, abs=1)
        assert column[90] - 80 == pytest.approx(0.35 * (1 - 20 / 30) * 170, abs=1)
        assert (column[101:] == 80).all()
        assert np.count_nonzero(shown.truth(n) == 50) == pytest.approx(900, rel=0.04)


def test_camouflage_halves_the_contrast_against_the_empty_scene(clip):
    shown = altered(clip, "camouflage")
    for n in shown.truths:
        core = cv2.erode(shown.truth(n), np.ones((5, 5), np.uint8)) > 0
        np.testing.assert_allclose(shown.images[n][core], 80 + 170 / 2, atol=1)
        np.testing.assert_array_equal(shown.images[n][80:], 80)


def test_a_stretch_is_scored_like_its_sequence(tmp_path):
    walk = Scene(name="walk", size=(80, 60), frames=30, movers=(Mover(enter=0.0, leave=1.2),))
    write_cdnet(walk, tmp_path / "cat" / "walk")
    (sequence,) = find_sequences(tmp_path)
    entered = contenders(models=("mog2",))
    whole = score_run(sequence, entered)[0].counts
    assert score_run(stretch(sequence), entered)[0].counts == whole
    part = stretch(sequence, 11, 20)
    assert len(part) == 10
    np.testing.assert_array_equal(part.images[0], sequence.image(11))
    np.testing.assert_array_equal(part.truth(9), sequence.truth(20))
