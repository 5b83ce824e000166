"""Promised: textures are compared by the means of cells, and only where there is foreground."""

import numpy as np
import pytest

from bgsub.kernels import online, texture
from bgsub.kernels.lanes import LANES
from bgsub.kernels.means import SUMS

SIZES = [((41, 57), 2), ((60, 64), 3), ((18, 200), 3)]


def few(size, side, seed=0):
    """Cells that are held in a few places: (rows, columns) float32 of 0 and 1."""
    rng = np.random.default_rng(seed)
    held = rng.random([n // side for n in size]) < 0.3
    for _ in range(2):
        y, x = (rng.integers(0, n - 4) for n in held.shape)
        held[y : y + 5, x : x + 5] = True
    return held.astype(np.float32)


def windows(held):
    """Block and window of each square of 2x2 cells."""
    rows, columns = held.shape
    for j in range(-(-rows // 2)):
        for i in range(-(-columns // 2)):
            top, left = np.clip([2 * j - 2, 2 * i - 2], 0, [rows - 6, columns - 6])
            yield (j, i), (slice(top, top + 6), slice(left, left + 6))


@pytest.mark.parametrize(("size", "side"), SIZES)
def test_cells_are_held_where_most_of_their_labels_are(size, side):
    rng = np.random.default_rng(1)
    labels = rng.choice(np.array([0, 127, 255], np.uint8), size)
    labels[: 4 * side, : 9 * side] = 0
    labels[: side // 2, :side] = 255  # a half is enough, if the side is even
    rows, columns = (n // side for n in size)
    held = np.full((rows, columns), 9, np.float32)
    texture.held_cells(labels, side, held)
    cells = labels[: rows * side, : columns * side].reshape(rows, side, columns, side)
    np.testing.assert_array_equal(held, cells.mean(axis=(1, 3)) >= 127.5)
    assert held[0, 0] == (side % 2 == 0)


@pytest.mark.parametrize(("size", "side"), SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_squares_are_compared_around_which_enough_cells_are_held(size, side, seed):
    held = few(size, side, seed)
    shape = [-(-n // 2) for n in held.shape]
    blocks, expected = np.full(shape, 9, np.uint8), np.zeros(shape, np.uint8)
    for block, window in windows(held):
        expected[block] = held[window].sum() >= texture.FEWEST
    assert texture.comparable(held, blocks)
    np.testing.assert_array_equal(blocks, expected)
    assert 0 < expected.mean() < 0.5
    assert not texture.comparable(held * 0, blocks)
    assert not blocks.any()


@pytest.mark.parametrize(("size", "side"), SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_the_cells_around_them_are_compared_and_the_tiles_that_hold_these(size, side, seed):
    held = few(size, side, seed)
    rows, columns = held.shape
    blocks = np.empty([-(-n // 2) for n in held.shape], np.uint8)
    texture.comparable(held, blocks)
    cells = np.zeros((rows, columns), np.uint8)
    tiles = np.zeros(online.tiles(size[0] * size[1]), np.uint8)
    texture.compared(blocks, side, size[1], cells, tiles)
    near = np.zeros_like(cells)
    for block, window in windows(held):
        if blocks[block]:
            near[window] = 1
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
