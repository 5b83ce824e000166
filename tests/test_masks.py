"""Promised: the majority, blobs, holes and shadows of a slow look at every pixel."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bgsub.errors import ConfigError, FrameError
from bgsub.masks import Cleaner, MaskParams, find_blobs
from bgsub.masks.clean import side_for

OFF = {"min_blob": 0.0, "max_hole": 0.0, "weak_share": 0.5, "bridge_shadows": 0.0}


def random_mask(rng, size, share=0.5):
    return np.where(rng.random(size) < share, 255, 0).astype(np.uint8)


def slow_majority(mask, side):
    half, out = side // 2, np.zeros_like(mask)
    for y, x in np.ndindex(mask.shape):
        seen = mask[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        out[y, x] = 255 if (seen == 255).sum() > seen.size / 2 else 0
    return out


def slow_components(of, diagonal):
    """Lists of the pixels of each connected component, by flooding."""
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)] if diagonal else []
    left, found = {tuple(at) for at in np.argwhere(of)}, []
    while left:
        heap, component = [left.pop()], []
        while heap:
            at = heap.pop()
            component.append(at)
            for dy, dx in steps:
                near = (at[0] + dy, at[1] + dx)
                if near in left:
                    left.remove(near)
                    heap.append(near)
        found.append(component)
    return found


@pytest.mark.parametrize("side", [1, 3, 5, 9, 17, 51, 301])
@pytest.mark.parametrize("size", [(1, 1), (7, 12), (31, 20)])
def test_the_majority_is_that_of_the_window_inside_the_picture(side, size):
    mask = random_mask(np.random.default_rng(side), size)
    clean = Cleaner(MaskParams(majority=side, **OFF))(mask)
    np.testing.assert_array_equal(clean, slow_majority(mask, side))


def boxes_of(labels, side):
    """How many pixels of each window are set, and how many there are, by OpenCV's box filter."""
    kind = {"ksize": (side, side), "normalize": False, "borderType": cv2.BORDER_CONSTANT}
    return (
        cv2.boxFilter(ones.astype(np.float64), -1, **kind)
        for ones in (labels == 255, labels > 0, np.ones_like(labels))
    )


@pytest.mark.parametrize("side", [3, 13, 17, 139, 257])
@pytest.mark.parametrize("size", [(5, 400), (150, 128), (90, 129), (200, 640)])
def test_things_far_apart_are_filtered_alike(side, size):
    """Most of these pictures is empty, and wider than what the filter passes over at once."""
    rng = np.random.default_rng((side, *size))
    labels = np.zeros(size, np.uint8)
    for _ in range(12):
        y, x = rng.integers(0, size[0]), rng.integers(0, size[1])
        high, wide = rng.integers(1, 50, 2)
        part = labels[y : y + high, x : x + wide]
        part[:] = rng.choice([0, 127, 255], part.shape, p=rng.dirichlet([1, 1, 1]))
    own, either, whole = boxes_of(labels, side)
    shade = np.where((labels == 127) & (either > whole // 2), 127, 0)
    expected = np.where(own > whole // 2, 255, shade)
    np.testing.assert_array_equal(Cleaner(MaskParams(majority=side, **OFF))(labels), expected)


def grown_by_opencv(labels, side, weak_share, smallest):
    """The majority, and what it is connected to, from the docstring of Cleaner."""
    own, either, whole = boxes_of(labels, side)
    sure = (own > whole // 2).astype(np.uint8)
    weak = ((own > whole * weak_share) & (own > 2 * (either - own))).astype(np.uint8)
    reach = sum(n / side > weak_share for n in range(1, side // 2 + 1))  # columns of an edge
    wide = sure | cv2.erode(weak, np.ones((2 * reach + 1,) * 2, np.uint8))
    count, region, stats, _ = cv2.connectedComponentsWithStats(wide, connectivity=8)
    for n in range(1, count):
        least = max(smallest, stats[n, cv2.CC_STAT_AREA] / 1.25)
        if np.count_nonzero(sure[region == n]) >= least:
            sure[region == n] = 1
    return sure * np.uint8(255)


@pytest.mark.parametrize(("side", "weak_share"), [(9, 0.25), (13, 0.25), (9, 0.35), (17, 0.2)])
@pytest.mark.parametrize("size", [(5, 400), (90, 129), (120, 320), (77, 256)])
def test_a_blob_grows_by_what_is_connected_to_it(side, weak_share, size):
    """Sparse, dense and shadowed patches, at the border too; all three rules decide somewhere."""
    rng = np.random.default_rng((side, *size))
    grew = 0
    for _ in range(4):
        labels = np.zeros(size, np.uint8)
        for _ in range(15):
            y, x = rng.integers(-20, size[0]), rng.integers(-20, size[1])
            high, wide = rng.integers(5, 60, 2)
            part = labels[max(y, 0) : y + high, max(x, 0) : x + wide]
            part[:] = rng.choice([0, 127, 255], part.shape, p=rng.dirichlet([1, 0.5, 1]))
        params = MaskParams(
            majority=side,
            weak_share=weak_share,
            bridge_shadows=0.0,
            min_blob=40 / labels.size,
            max_hole=0.0,
        )
        clean = Cleaner(params)(labels)
        expected = grown_by_opencv(labels, side, weak_share, 40)
        expected = tidy(expected, 40)
        np.testing.assert_array_equal(clean == 255, expected == 255)
        plain = Cleaner(replace(params, weak_share=0.5))(labels)
        grew += np.count_nonzero((clean == 255) & (plain != 255))
        assert not np.any((clean != 255) & (plain == 255))
    assert grew > 0


def tidy(mask, smallest):
    """Without blobs of fewer pixels."""
    _, region, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return np.where(stats[region, cv2.CC_STAT_AREA] >= smallest, mask, 0)


@pytest.mark.parametrize("side", [5, 9, 13, 21])
def test_a_straight_outline_stays_where_it_is(side):
    """A smaller share alone would move it out."""
    mask = np.zeros((90, 160), np.uint8)
    mask[30:, 50:120] = 255
    for weak_share in (0.1, 0.25, 0.4):
        clean = Cleaner(MaskParams(majority=side, weak_share=weak_share))(mask)
        inside = slice(50, 120), slice(0, 160)
        np.testing.assert_array_equal(clean[inside], mask[inside])


@pytest.mark.parametrize("mirrored", [False, True])
def test_near_the_border_a_majority_reaches_beyond_what_it_stems_from(mirrored):
    """There a window is narrow, so that all that is set in it may lie on one side of its pixel."""
    labels = np.zeros((30, 132), np.uint8)
    labels[:, 100:128] = 255
    labels = labels[:, ::-1] if mirrored else labels
    clean = Cleaner(MaskParams(majority=13, **OFF))(labels)
    np.testing.assert_array_equal(clean, slow_majority(labels, 13))
    assert clean[15, 2 if mirrored else 129] == 255


def test_the_shadow_in_a_blob_that_is_too_small_stays():
    """A thing too small to count, half of it a shadow with more shadow around."""
    labels = np.zeros((60, 60), np.uint8)
    labels[20:40, 20:40] = 127
    labels[28:32, 28:32] = 255
    labels[30, 30] = 127
    params = MaskParams(majority=3, min_blob=40 / labels.size)
    clean = Cleaner(params)(labels)
    assert clean[30, 30] == 127
    assert clean[29, 29] == 0


@pytest.mark.parametrize("seed", range(4))
def test_small_blobs_go_and_small_holes_are_filled(seed):
    mask = random_mask(np.random.default_rng(seed), (24, 30), share=0.6)
    params = MaskParams(majority=1, min_blob=6 / mask.size, max_hole=5 / mask.size)
    expected = mask.copy()
    for blob in slow_components(mask == 255, diagonal=True):
        if len(blob) < 6:
            expected[tuple(zip(*blob, strict=True))] = 0
    for hole in slow_components(expected == 0, diagonal=False):
        rows, cols = zip(*hole, strict=True)
        inside = min(rows) > 0 and min(cols) > 0 and max(rows) < 23 and max(cols) < 29
        if inside and len(hole) < 5:
            expected[rows, cols] = 255
    np.testing.assert_array_equal(Cleaner(params)(mask), expected)


def bridged_slowly(labels, factor):
    """MaskParams.bridge_shadows, column by column and gap by gap from the top."""
    out = labels.copy()
    for column in out.T:
        ends = np.flatnonzero(np.diff(np.concatenate(([0], column == 255, [0]))))
        runs, at = [list(run) for run in ends.reshape(-1, 2)], 0
        while at + 1 < len(runs):
            (first, top), (bottom, last) = runs[at : at + 2]
            gap = column[top:bottom]
            shade = gap == 127
            if 2 * shade.sum() >= gap.size and top - first + last - bottom >= factor * gap.size:
                gap[shade] = 255
                runs[at + 1][0] = last_start(column, last)
            at += 1
    return out


def last_start(column, last):
    """First row of the foreground in a column that ends before row `last`."""
    first = last
    while first > 0 and column[first - 1] == 255:
        first -= 1
    return first


@pytest.mark.parametrize("factor", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("size", [(1, 9), (60, 33), (90, 260)])
def test_shadow_between_foreground_above_and_below_is_foreground(factor, size):
    rng = np.random.default_rng(size)
    bridged = 0
    for _ in range(5):
        labels = np.zeros(size, np.uint8)
        for _ in range(size[0] * size[1] // 60):
            y, x = rng.integers(-5, size[0]), rng.integers(-5, size[1])
            high, wide = rng.integers(1, 15, 2)
            part = slice(max(y, 0), y + high), slice(max(x, 0), x + wide)
            labels[part] = rng.choice([0, 127, 127, 255])
        clean = Cleaner(MaskParams(majority=1, **OFF | {"bridge_shadows": factor}))(labels)
        np.testing.assert_array_equal(clean, bridged_slowly(labels, factor))
        bridged += np.count_nonzero(clean != labels)
    assert bridged > 0 or size[0] == 1


def test_shadows_bridge_alike_whether_they_are_marked_or_dropped():
    raw = np.zeros((120, 120), np.uint8)
    raw[30:90, 40:60] = 255
    raw[50:70, 40:60] = raw[85:95, 60:100] = 127
    marked, dropped = (Cleaner(MaskParams(shadows=how))(raw) for how in ("mark", "drop"))
    assert set(np.unique(marked)) == {0, 127, 255}
    np.testing.assert_array_equal(dropped, np.where(marked == 127, 0, marked))


def shaded():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:20] = 255
    mask[10:30, 20:30] = 127
    return mask


def test_shadows_are_marked_dropped_or_kept():
    of = {how: Cleaner(MaskParams(shadows=how))(shaded()) for how in ("mark", "drop", "keep")}
    assert [of[how][20, 25] for how in of] == [127, 0, 255]
    assert [of[how][20, 14] for how in of] == [255, 255, 255]
    assert set(np.unique(of["drop"])) == {0, 255}


def test_a_shadow_label_alone_in_the_background_goes():
    mask = np.zeros((40, 40), np.uint8)
    mask[20, 20] = 127
    assert not Cleaner()(mask).any()


def test_the_input_is_left_alone_and_may_have_any_strides():
    mask = random_mask(np.random.default_rng(1), (60, 80))
    kept = mask.copy()
    turned = Cleaner(MaskParams(majority=5))(mask.T)
    np.testing.assert_array_equal(turned.T, Cleaner(MaskParams(majority=5))(mask))
    np.testing.assert_array_equal(mask, kept)


def test_one_cleaner_takes_pictures_of_several_sizes():
    cleaner = Cleaner(MaskParams(majority=3, **OFF))
    for size in [(9, 9), (20, 31), (9, 9)]:
        mask = random_mask(np.random.default_rng(2), size)
        np.testing.assert_array_equal(cleaner(mask), slow_majority(mask, 3))


@pytest.mark.parametrize(
    ("size", "side"),
    [((1, 1), 5), ((120, 160), 7), ((240, 320), 9), ((480, 640), 13), ((1080, 1920), 13)],
)
def test_the_window_grows_with_the_picture(size, side):
    assert side_for(size[0] * size[1]) == side


@pytest.mark.parametrize(
    "bad",
    [
        {"majority": 4},
        {"majority": -1},
        {"min_blob": 2.0},
        {"bridge_shadows": -1.0},
        {"shadows": "hide"},
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_named(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        MaskParams(**bad)


def test_what_is_no_mask_is_refused():
    with pytest.raises(FrameError, match=r"\(4, 4, 3\)"):
        Cleaner()(np.zeros((4, 4, 3), np.uint8))


def test_blobs_are_told_by_box_area_and_centroid_largest_first():
    mask = np.zeros((20, 30), np.uint8)
    mask[2:4, 3:6] = 255
    mask[10:15, 20:24] = 255
    mask[15, 24] = 255  # joined over the corner
    mask[5:7, 1:4] = 127  # a shadow is no blob
    blobs = find_blobs(mask)
    assert blobs.boxes.tolist() == [[20, 10, 5, 6], [3, 2, 3, 2]]
    assert blobs.areas.tolist() == [21, 6]
    np.testing.assert_allclose(blobs.centroids[1], [4, 2.5])
    assert find_blobs(mask, min_area=7).areas.tolist() == [21]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (60, 300)])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_blobs_are_those_of_opencvs_components(size, share):
    mask = random_mask(np.random.default_rng(size), size, share)
    mask[::2][mask[::2] == 0] = 127
    _, _, stats, centers = cv2.connectedComponentsWithStats((mask == 255).astype(np.uint8))
    order = sorted(range(1, len(stats)), key=lambda n: (-stats[n][4], stats[n][1], stats[n][0]))
    blobs = find_blobs(mask)
    assert blobs.boxes.tolist() == stats[order, :4].tolist()
    assert blobs.areas.tolist() == stats[order, 4].tolist()
    np.testing.assert_allclose(blobs.centroids, centers[order].astype(np.float32))


def test_no_foreground_is_no_blob():
    blobs = find_blobs(np.zeros((5, 5), np.uint8))
    assert blobs.boxes.shape == (0, 4)
    assert blobs.centroids.shape == (0, 2)


def test_opencvs_median_is_the_same_majority_away_from_the_border():
    mask = random_mask(np.random.default_rng(3), (50, 50))
    ours = Cleaner(MaskParams(majority=7, **OFF))(mask)
    np.testing.assert_array_equal(ours[3:-3, 3:-3], cv2.medianBlur(mask, 7)[3:-3, 3:-3])
