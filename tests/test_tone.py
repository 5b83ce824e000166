"""Promised: gains and offsets are those of most blocks of a picture."""

import numpy as np
import pytest

from bgsub.kernels import tone


def test_median_quotients_are_those_of_each_channel_and_count_who_is_near():
    rng = np.random.default_rng(4)
    other = rng.uniform(0, 200, (45, 3)).astype(np.float32)
    quotients = np.float32([1.2, 0.9, 1.0]) + rng.normal(0, 0.005, other.shape).astype(np.float32)
    quotients[:18] *= 1.5
    one = quotients * np.maximum(other, 1)
    middle, share = tone.median_quotients(one, other, 0.05)
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
    found = tone.lines(seen, target, (0.4, 2.5), np.float32(4))
    np.testing.assert_allclose(found[0], gains, atol=0.015)
    np.testing.assert_allclose(found[1], offsets, atol=1.5)


def test_of_blocks_all_alike_no_line_is_told():
    seen = np.random.default_rng(7).normal(100, 0.3, (48, 1)).astype(np.float32)
    gains, offsets = tone.lines(seen, seen + np.float32(20), (0.4, 2.5), np.float32(4))
    assert (gains.tolist(), offsets.tolist()) == ([1.0], [0.0])


def test_a_misfit_is_the_median_over_blocks_of_means_over_channels():
    rng = np.random.default_rng(8)
    seen, target = rng.uniform(0, 255, (2, 47, 3)).astype(np.float32)
    gains, offsets = np.float32([0.7, 1.4, 1.0]), np.float32([30, -40, 0])
    off = np.abs(seen * gains + offsets - target).mean(axis=1)
    middle, share = tone.misfit(seen, target, gains, offsets, 60.0)
    assert middle == pytest.approx(np.median(off), rel=1e-5)
    assert share == np.mean(off < 60)
    assert 0 < share < 1


def test_a_line_is_found_where_gains_leave_too_much_and_only_if_it_leaves_little():
    rng = np.random.default_rng(5)
    target = rng.uniform(20, 230, (48, 3)).astype(np.float32)
    gains, offsets = np.float32([0.8, 0.7, 0.75]), np.float32([40, 35, 30])
    seen = (target - offsets) / gains

    lines, changed = tone.find(seen, target, True)
    assert changed
    np.testing.assert_allclose(lines, np.column_stack([gains, offsets]), rtol=1e-3)

    lines, _ = tone.find(seen, target, False)
    assert (lines[:, 1] == 0).all()
    elsewhere = rng.uniform(20, 230, (48, 3)).astype(np.float32)
    lines, changed = tone.find(seen, elsewhere, True)
    assert not changed
    assert (lines == [1, 0]).all()
