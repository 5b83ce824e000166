"""Promised: sums over a part of the pixels are what numpy makes of them."""

import numpy as np
import pytest

from bgsub.kernels import glance


@pytest.mark.parametrize("size", [(12, 16), (24, 48), (240, 320), (37, 53)], ids=str)
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("level", [25, 100, 140])
def test_cells_are_told_by_the_mean_of_their_pixels(size, every, level):
    labels = np.random.default_rng(0).choice([0, 127, 255], size).astype(np.uint8)
    height, width = size
    means = [
        labels[j * height // 12 : (j + 1) * height // 12 : every][
            :, i * width // 16 : (i + 1) * width // 16
        ].mean()
        for j in range(12)
        for i in range(16)
    ]
    shares = glance.cells_above(labels, 12, 16, every, level, level + 20)
    assert shares == (np.mean(np.array(means) > level), np.mean(np.array(means) > level + 20))


def test_a_picture_smaller_than_the_cells_is_shared_by_them():
    assert glance.cells_above(np.array([[0, 255]], np.uint8), 3, 4, 1, 254, 255) == (0.5, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_extremes_of_the_channels_are_summed_over_a_grid(dtype):
    image = np.random.default_rng(1).integers(0, 256, (33, 70, 3)).astype(dtype)
    seen = image[np.arange(8) * 33 // 8][:, np.arange(12) * 70 // 12].astype(float)
    most, least = glance.extremes(image.reshape(-1), 33, 70, 8, 12)
    assert most == seen.max(2).sum()
    assert least == seen.min(2).sum()


@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_are_means_of_a_grid_of_pixels(channels):
    image = np.random.default_rng(3).integers(0, 256, (45, 61, channels)).astype(np.uint8)
    rows, columns = (np.arange(n * 4) * size // (n * 4) for n, size in ((6, 45), (8, 61)))
    grid = image[rows][:, columns].astype(float).reshape(6, 4, 8, 4, channels)
    means = glance.block_means(image.reshape(-1), 45, 61, channels, 6, 8, 4)
    np.testing.assert_allclose(means, grid.mean(axis=(1, 3)), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "side", "every"),
    [((33, 70, 3), 4, 1), ((50, 61, 4), 8, 2), ((41, 52, 1), 10, 3), ((29, 31, 2), 3, 1)],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_cells_are_as_dark_as_their_darkest_colour(shape, side, every, dtype):
    image = np.random.default_rng(4).integers(0, 256, shape).astype(dtype)
    height, width, channels = shape
    rows, columns, colours = height // side, width // side, min(channels, 3)
    whole = image[: rows * side, : columns * side, :colours].astype(float)
    cells = whole.reshape(rows, side, columns, side, colours)[:, ::every, :, ::every]
    means = cells.mean(axis=(1, 3))
    room = np.empty(width * channels, np.uint16 if dtype == np.uint8 else np.float32)
    darkest, mean = glance.cell_levels(
        image.reshape(-1), height, width, channels, side, every, room
    )
    np.testing.assert_allclose(darkest, means.min(axis=2).reshape(-1), rtol=1e-5)
    assert mean == pytest.approx(means.mean(), rel=1e-5)
