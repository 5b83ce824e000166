"""Promised: sums over a part of the pixels are what numpy makes of them."""

import numpy as np
import pytest

from bgsub.kernels import glance


@pytest.mark.parametrize("size", [(12, 16), (24, 48), (240, 320), (37, 53)], ids=str)
@pytest.mark.parametrize("every", [1, 3])
def test_a_cell_holds_the_mean_of_its_pixels(size, every):
    labels = np.random.default_rng(0).choice([0, 127, 255], size).astype(np.uint8)
    means = glance.cell_means(labels, 12, 16, every)
    height, width = size
    for j in range(12):
        for i in range(16):
            rows = slice(j * height // 12, (j + 1) * height // 12, every)
            columns = slice(i * width // 16, (i + 1) * width // 16)
            assert means[j, i] == pytest.approx(labels[rows, columns].mean())


def test_a_picture_smaller_than_the_cells_is_shared_by_them():
    labels = np.array([[0, 255]], np.uint8)
    np.testing.assert_array_equal(
        glance.cell_means(labels, 3, 4, 1), np.tile([0.0, 0.0, 255.0, 255.0], (3, 1))
    )


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


def test_median_quotients_are_those_of_each_channel_and_count_who_is_near():
    rng = np.random.default_rng(4)
    other = rng.uniform(0, 200, (5, 9, 3)).astype(np.float32)
    quotients = np.float32([1.2, 0.9, 1.0]) + rng.normal(0, 0.005, other.shape).astype(np.float32)
    quotients[:2] *= 1.5
    one = quotients * np.maximum(other, 1)
    middle, share = glance.median_quotients(one, other, 0.05)
    expected = np.median((one / np.maximum(other, 1)).reshape(-1, 3), axis=0)
    np.testing.assert_allclose(middle, expected, rtol=1e-6)
    assert share == 27 / 45
