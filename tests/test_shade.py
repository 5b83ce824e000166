"""Promised: a shadow is kept where it is smooth and not alone, and its place is known."""

import itertools

import numpy as np
import pytest

from bgsub.kernels import online, shade
from bgsub.kernels.lanes import LANES

SIZES = [(1, 1), (1, 70), (70, 1), (4, 3), (25, 31), (7, 64), (24, 100), (12, 131)]


def noted(labels, ratios):
    """What the kernel would have noted of these labels."""
    shadows = shade.blank(online.tiles(labels.size))
    spotted = labels.reshape(-1) == 127
    shadows.ratios[: labels.size] = ratios.reshape(-1) * spotted
    for at in np.flatnonzero(spotted):
        shadows.spots[at // LANES] |= np.uint32(1 << at % LANES)
    return shadows


def confirmed_slowly(labels, ratios, uneven, few):
    """shade.confirm from its docstring, a pixel at a time."""
    out = labels.copy()
    for y, x in np.argwhere(labels == 127):
        near = slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3)
        alike = labels[near] == 127
        values = ratios[near][alike].astype(float)
        if values.std() > uneven * values.mean() or alike.mean() <= few:
            out[y, x] = 255
    return out


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("chance", [0.1, 0.4, 0.95])
def test_shadows_are_confirmed_as_stated(size, chance):
    rng = np.random.default_rng(size)
    other = rng.choice([0, 255], size)
    labels = np.where(rng.random(size) < chance, 127, other).astype(np.uint8)
    even = np.linspace(60, 100, size[1])[None] + rng.normal(0, 8, size)
    for brightness, uneven in ((1.0, 0.05), (1.0, 0.0803), (0.1, 0.2), (2.5, 0.0803)):
        ratios = np.clip(even * brightness, 1, 254).astype(np.uint8)
        shadows, out = noted(labels, ratios), labels.copy()
        cuts = np.unique(np.linspace(0, online.tiles(labels.size), 4).astype(int))
        for first, last in itertools.pairwise(cuts):
            shade.confirm(shadows, out, uneven, 0.3001, first, last)
        expected = confirmed_slowly(labels, ratios, uneven, 0.3001)
        np.testing.assert_array_equal(out, expected)
        kept = shade.shown(shadows, labels.size).reshape(size)
        np.testing.assert_array_equal(kept, expected == 127)


def test_the_brightest_ratios_do_not_overflow():
    """Half of the pixels 254 and half 253 are smooth; 254 beside 1 are not."""
    size = (12, 128)
    labels = np.full(size, 127, np.uint8)
    for other, label in ((253, 127), (1, 255)):
        ratios = np.full(size, 254, np.uint8)
        ratios[:, ::2] = other
        out = labels.copy()
        shade.confirm(noted(labels, ratios), out, 0.08, 0.3, 0, online.tiles(labels.size))
        assert np.all(out == label)


def test_where_shadows_were_before_is_forgotten():
    labels = np.full((10, 64), 127, np.uint8)
    shadows = noted(labels, np.full(labels.shape, 90))
    shade.confirm(shadows, labels, 0.08, 0.3, 0, 20)
    assert shade.shown(shadows, labels.size).all()
    for gone in (7, 64):
        labels[:, :gone] = 0
        later = noted(labels, np.full(labels.shape, 90))
        shadows.ratios[:], shadows.spots[:] = later.ratios, later.spots
        shade.confirm(shadows, labels, 0.08, 0.3, 0, 20)
        kept = shade.shown(shadows, labels.size).reshape(labels.shape)
        np.testing.assert_array_equal(kept, labels == 127)
