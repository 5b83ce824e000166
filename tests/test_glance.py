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
    other = rng.uniform(0, 200, (45, 3)).astype(np.float32)
    quotients = np.float32([1.2, 0.9, 1.0]) + rng.normal(0, 0.005, other.shape).astype(np.float32)
    quotients[:18] *= 1.5
    one = quotients * np.maximum(other, 1)
    middle, share = glance.median_quotients(one, other, 0.05)
    expected = np.median(one / np.maximum(other, 1), axis=0)
    np.testing.assert_allclose(middle, expected, rtol=1e-6)
    assert share == 27 / 45


def test_lines_are_those_on_which_most_blocks_agree():
    """Half of the blocks lie anywhere; the others have noise of a grey level."""
    rng = np.random.default_rng(6)
    seen = rng.uniform(30, 220, (48, 3)).astype(np.float32)
    gains, offsets = np.float32([0.7, 1.4, 1.0]), np.float32([30, -40, 0])
    target = seen * gains + offsets + rng.normal(0, 1, seen.shape).astype(np.float32)
    target[rng.permutation(48)[:24]] = rng.uniform(150, 255, (24, 3))
    found = glance.lines(seen, target, (0.4, 2.5), np.float32(4))
    np.testing.assert_allclose(found[0], gains, atol=0.015)
    np.testing.assert_allclose(found[1], offsets, atol=1.5)


def test_of_blocks_all_alike_no_line_is_told():
    seen = np.random.default_rng(7).normal(100, 0.3, (48, 1)).astype(np.float32)
    gains, offsets = glance.lines(seen, seen + np.float32(20), (0.4, 2.5), np.float32(4))
    assert (gains.tolist(), offsets.tolist()) == ([1.0], [0.0])


def test_a_misfit_is_the_median_over_blocks_of_means_over_channels():
    rng = np.random.default_rng(8)
    seen, target = rng.uniform(0, 255, (2, 47, 3)).astype(np.float32)
    gains, offsets = np.float32([0.7, 1.4, 1.0]), np.float32([30, -40, 0])
    off = np.abs(seen * gains + offsets - target).mean(axis=1)
    middle, share = glance.misfit(seen, target, gains, offsets, 60.0)
    assert middle == pytest.approx(np.median(off), rel=1e-5)
    assert share == np.mean(off < 60)
    assert 0 < share < 1
