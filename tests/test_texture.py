"""Promised: textures are compared by the means of cells, and only where there is foreground."""

import numpy as np
import pytest

from bgsub.kernels import online, texture
from bgsub.kernels.lanes import LANES
from bgsub.kernels.means import SUMS

SIZES = [((41, 57), 2), ((60, 64), 3), ((18, 200), 3)]


def sparse(size, seed=0):
    """Labels with a few patches of 255 among 0 and 127, and one in the corner beside the cells."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 127], np.uint8), size)
    for _ in range(3):
        y, x = (rng.integers(0, n - 2) for n in size)
        labels[y : y + 2, x : x + 2] = 255
    labels[-1, -1] = 255
    return labels


def blocks_of(labels, side):
    """Shape of the squares of 2x2 cells, and (rows, columns) of those that hold foreground."""
    shape = [-(-(n // side) // 2) for n in labels.shape]
    at = [
        np.minimum(n // (2 * side), m - 1)
        for n, m in zip(np.nonzero(labels == 255), shape, strict=True)
    ]
    return shape, at


@pytest.mark.parametrize(("size", "side"), SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_blocks_are_those_that_hold_foreground(size, side, seed):
    labels = sparse(size, seed)
    shape, at = blocks_of(labels, side)
    blocks, expected = np.full(shape, 9, np.uint8), np.zeros(shape, np.uint8)
    expected[tuple(at)] = 1
    assert texture.foreground_blocks(labels, side, blocks)
    np.testing.assert_array_equal(blocks, expected)
    labels[labels == 255] = 127
    assert not texture.foreground_blocks(labels, side, blocks)
    assert not blocks.any()


@pytest.mark.parametrize(("size", "side"), SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_the_cells_around_them_are_compared_and_the_tiles_that_hold_these(size, side, seed):
    labels = sparse(size, seed)
    shape, at = blocks_of(labels, side)
    blocks = np.zeros(shape, np.uint8)
    blocks[tuple(at)] = 1
    rows, columns = (n // side for n in size)
    cells, tiles = (
        np.zeros((rows, columns), np.uint8),
        np.zeros(online.tiles(labels.size), np.uint8),
    )
    texture.compared(blocks, side, size[1], cells, tiles)
    near = np.zeros_like(cells)
    for j, i in np.argwhere(blocks):
        top, left = np.clip([2 * j - 2, 2 * i - 2], 0, [rows - 6, columns - 6])
        near[top : top + 6, left : left + 6] = 1
    np.testing.assert_array_equal(cells, near)
    pixels = np.zeros(size, np.uint8)
    pixels[: rows * side, : columns * side] = near.repeat(side, 0).repeat(side, 1)
    row = np.zeros(tiles.size * LANES, np.uint8)
    row[: pixels.size] = pixels.reshape(-1)
    np.testing.assert_array_equal(tiles, row.reshape(-1, LANES).max(1))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("side", "step", "channels"), [(2, 1, 3), (5, 2, 1), (3, 1, 4)])
def test_levels_are_weighted_means_of_the_cells_that_are_asked_for(dtype, side, step, channels):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (7 * side + 1, 9 * side + 1, channels)).astype(dtype)
    image[:side], image[side : 2 * side] = 255, 2
    factors = rng.dirichlet(np.ones(channels)).astype(np.float32) * np.float32(1.2)
    cells = (rng.random((7, 9)) < 0.4).astype(np.uint8)
    cells[0, 2], cells[1, 3], cells[3] = 1, 1, 0
    levels = np.full((7, 9), -1, np.float32)
    rows = image.reshape(len(image), -1)
    sums = np.empty(rows.shape[1], SUMS[dtype])
    texture.cell_levels(rows, side, step, factors, np.float32(-9), cells, sums, levels)
    luma = (image[: 7 * side, : 9 * side] @ factors.astype(float)).reshape(7, side, 9, side)
    means = np.clip(luma[:, ::step].mean(axis=(1, 3)) - 9, 0, 255)
    assert levels[0, 2] == 255
    assert levels[1, 3] == 0
    np.testing.assert_allclose(levels[cells > 0], means[cells > 0], atol=0.5 + 1e-3)
    np.testing.assert_array_equal(levels % 1, 0)
    assert (levels[cells == 0] == -1).all()
