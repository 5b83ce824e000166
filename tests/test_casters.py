"""Promised: a shadow that nothing in view can cast is foreground, and no other is."""

import cv2
import numpy as np
import pytest

from bgsub.kernels import casters, online, shade
from bgsub.kernels.lanes import LANES
from bgsub.models import AdaptiveMixture, MixtureParams

EVERYWHERE = np.empty((0, 0), np.uint8)
PLAIN = MixtureParams(texture_correlation=1.0, shadow_veil=255.0)


def noted(labels, ratios):
    """What the kernel would have noted of these labels, all of them confirmed."""
    shadows = shade.blank(online.tiles(labels.size))
    shadows.ratios[: labels.size] = ratios.reshape(-1)
    for at in np.flatnonzero(labels == 127):
        shadows.kept[at // LANES] |= np.uint32(1 << at % LANES)
    return shadows


def revealed_by_opencv(labels, ratios, hidden, side, casting):
    """casters.reveal from its docstring and constants, by OpenCV's filters and components."""
    rows, columns = labels.shape[0] // side, labels.shape[1] // side
    dim = (labels == 127) & (ratios > 0) & (ratios <= 128)
    cut = slice(0, rows * side), slice(0, columns * side)
    least, most = casters.FEWEST * side * side, casters.MOST * labels.size
    if not least <= dim[cut].sum() <= most:
        return labels

    def in_cells(pixels, every=1):
        looked = pixels[cut].reshape(rows, side, columns, side)[:, ::every]
        return looked.sum((1, 3)) * side // looked.shape[1]

    def around(cells):
        return cv2.boxFilter(cells.astype(float), -1, (3, 3), None, (-1, -1), False, 0)

    if in_cells(dim).max() < side * side / 2:
        return labels
    half = 9 * side * side / 2
    held = around(in_cells(labels == 255, max(1, side // casters.ENOUGH)))
    things = held > half
    shaded = (around(in_cells(dim)) + held > half) & ~things
    count, region, stats, _ = cv2.connectedComponentsWithStats(shaded.astype(np.uint8))
    closed = np.ones((rows, columns), bool)
    closed[2:-2, 2:-2] = False
    if hidden.size:
        outside = (hidden[cut].reshape(rows, side, columns, side) > 0).any((1, 3))
        closed |= cv2.dilate(outside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    out = labels.copy()
    for n in range(1, count):
        own = region == n
        area, (left, top, wide, high) = stats[n, cv2.CC_STAT_AREA], stats[n, :4]
        y, x = max(top - casters.NEAR, 0), max(left - casters.NEAR, 0)
        near = things[y : top + high + casters.NEAR, x : left + wide + casters.NEAR].sum()
        if area < casters.FEWEST or (own & closed).any() or near >= casting * area:
            continue
        grown = cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8))
        found = np.zeros(labels.shape, bool)
        found[cut] = np.kron(grown, np.ones((side, side))) > 0
        out[found & dim] = 255
    return out


SIZES = [(60, 80), (143, 200), (240, 331), (9, 300), (570, 400)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("casting", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("roi", [False, True])
def test_shadows_are_revealed_as_stated(size, casting, roi):
    rng = np.random.default_rng((*size, round(10 * casting)))
    side, changed = max(1, size[0] // 60), 0
    for _ in range(15):
        labels, ratios = np.zeros((2, *size), np.uint8)
        for _ in range(rng.integers(1, 12)):
            y, x = rng.integers(-9, size[0]), rng.integers(-9, size[1])
            high, wide = rng.integers(2, 9 * side, 2)
            part = slice(max(y, 0), y + high), slice(max(x, 0), x + wide)
            labels[part] = rng.choice([127, 127, 127, 255])
            ratios[part] = rng.choice([90, 128, 129])
        labels[rng.random(size) < 0.1] = 0
        ratios[labels != 127] = 0
        hidden = np.zeros(size, np.uint8) if roi else EVERYWHERE
        if roi:
            hidden[:, : size[1] // 3] = 1
        shadows, out = noted(labels, ratios), labels.copy()
        casters.reveal(out, shadows.ratios, shadows.kept, hidden, side, casting)
        expected = revealed_by_opencv(labels, ratios, hidden, side, casting)
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(shade.shown(shadows, out.size).reshape(size), expected == 127)
        changed += np.count_nonzero(out != labels)
    assert changed > 0 or size[0] == 9


def place():
    """A coloured place of 120 x 160 whose brightness changes from pixel to pixel, 80 to 160."""
    luma = np.random.default_rng(0).integers(80, 160, (120, 160, 1))
    return np.clip(luma * np.array([0.9, 1.0, 1.15]), 0, 255).astype(np.uint8)


def seen(image, roi=None, known=None):
    model = AdaptiveMixture(PLAIN, threads=1)
    for n in range(60):
        model.apply(place(), n / 25)
    return model.apply(image, 2.4, roi=roi, known_foreground=known)


def dimmed(*parts):
    image = place().astype(float)
    for part in parts:
        image[part] *= 0.7
    return np.rint(image).astype(np.uint8)


MIDDLE = slice(40, 70), slice(60, 90)


def test_at_the_border_of_what_is_looked_at_the_caster_may_be_beyond():
    roi = np.zeros((120, 160), np.uint8)
    roi[:, 62:] = 1
    assert (seen(dimmed(MIDDLE))[MIDDLE] == 255).mean() > 0.9
    assert (seen(dimmed(MIDDLE), roi=roi)[40:70, 62:90] == 127).mean() > 0.9
    assert (seen(dimmed(np.s_[0:30, 60:90]))[0:30, 60:90] == 127).mean() > 0.9


def test_what_is_known_to_hide_the_background_may_cast_a_shadow():
    known = np.zeros((120, 160), np.uint8)
    known[40:70, 40:60] = 1
    assert (seen(dimmed(MIDDLE), known=known)[MIDDLE] == 127).mean() > 0.9


def test_a_change_of_light_in_a_tenth_of_the_view_is_no_thing():
    """40 x 40 of 120 x 160 are 8 %; with 20 x 40 elsewhere they are 12.5 %."""
    part, other = np.s_[30:70, 50:90], np.s_[90:110, 110:150]
    for parts, label in (((part,), 255), ((part, other), 127)):
        assert (seen(dimmed(*parts))[part] == label).mean() > 0.9


def test_what_stays_dim_in_another_light_is_no_thing():
    """The light falls to 0.8; a part falls to 0.56 with it, and no caster is in view."""
    model, shot = AdaptiveMixture(PLAIN, threads=1), place()
    for n in range(60):
        model.apply(shot, n / 25)
    for factor, label in ((1.0, 255), (0.8, 127)):
        darker = np.rint(dimmed(MIDDLE) * factor).astype(np.uint8)
        assert (model.copy().apply(darker, 2.4)[MIDDLE] == label).mean() > 0.9
