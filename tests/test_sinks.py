"""Promised: masks come back bit for bit; a name is only given to what is complete."""

import cv2
import numpy as np
import pytest

from bgsub.errors import ConfigError, DiskFullError, SinkError, SourceError
from bgsub.sinks import (
    BackgroundSink,
    OverlaySink,
    PackedMasks,
    Result,
    StatsSink,
    mask_sink,
    overlay,
    read_masks,
    video,
)

FORMS = {"ffv1": "m.mkv", "png": "m", "cdnet": "m", "npz": "m.npz"}


def results(count=70, size=(37, 51), seed=0, every=1):
    """Blobs of all three labels at odd sizes."""
    rng = np.random.default_rng(seed)
    for n in range(0, count * every, every):
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        mask = rng.choice(np.array([0, 127, 255], np.uint8), size)
        mask[5:20, 5:30] = 255
        boxes = np.array([[5, 5, 25, 15]], np.int32)
        yield Result(image, mask, n, n / 25, boxes, 1.5)


def without_av(monkeypatch):
    monkeypatch.setattr(video.importlib.util, "find_spec", lambda name: None)


@pytest.fixture(params=["av", "opencv"])
def backend(request, monkeypatch):
    if request.param == "opencv":
        without_av(monkeypatch)
    return request.param


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(37, 51), (48, 64)])
def test_masks_come_back_bit_for_bit_in_order(tmp_path, form, size, backend):
    if (form, backend, size) == ("ffv1", "opencv", (37, 51)):
        size = (38, 52)
    given = list(results(size=size))
    sink = mask_sink(form, tmp_path / FORMS[form], fps=25)
    for result in given:
        sink.write(result)
    sink.close()
    back = list(read_masks(tmp_path / FORMS[form]))
    assert [index for index, _ in back] == [r.index for r in given]
    for (_, mask), result in zip(back, given, strict=True):
        np.testing.assert_array_equal(mask, result.mask)
    left = {p.name for p in tmp_path.rglob("*") if "part" in p.name}
    assert not left


def test_opencv_would_crop_odd_sizes_so_they_are_refused(tmp_path, monkeypatch):
    without_av(monkeypatch)
    sink = mask_sink("ffv1", tmp_path / "m.mkv")
    with pytest.raises(ConfigError, match=r"even sizes.*51x37"):
        sink.write(next(results(1)))


def test_packed_masks_are_found_by_the_index_of_their_frame(tmp_path):
    given = list(results(100, every=3))
    sink = mask_sink("npz", tmp_path / "m.npz")
    for result in given:
        sink.write(result)
    sink.close()
    packed = PackedMasks(tmp_path / "m.npz")
    assert len(packed) == 100
    np.testing.assert_array_equal(packed[297], given[99].mask)
    np.testing.assert_array_equal(packed[3], given[1].mask)
    assert packed.times[2] == pytest.approx(6 / 25)


def test_a_mask_video_keeps_the_times_of_its_frames(tmp_path):
    import av

    sink = mask_sink("ffv1", tmp_path / "m.mkv", fps=25)
    times = [0.0, 0.04, 0.5, 0.541, 2.0]
    for result, time in zip(results(5), times, strict=True):
        sink.write(Result(result.image, result.mask, result.index, time))
    sink.close()
    with av.open(str(tmp_path / "m.mkv")) as container:
        assert [f.time for f in container.decode(video=0)] == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("form", ["mp4", "jpg", "mjpg", "xvid"])
def test_a_lossy_mask_format_is_refused_with_the_reason(tmp_path, form):
    with pytest.raises(ConfigError, match=r"lossy.*ffv1, png, cdnet, npz"):
        mask_sink(form, tmp_path / "m.mp4")


def test_an_unknown_format_and_a_wrong_ending_are_named(tmp_path):
    with pytest.raises(ConfigError, match="'gif'"):
        mask_sink("gif", tmp_path / "m.gif")
    with pytest.raises(ConfigError, match=r"must end in \.mkv"):
        mask_sink("ffv1", tmp_path / "m.mp4")


@pytest.mark.parametrize("form", FORMS)
def test_an_output_that_exists_is_kept_unless_told_otherwise(tmp_path, form):
    sink = mask_sink(form, tmp_path / FORMS[form])
    for result in results(3):
        sink.write(result)
    sink.close()
    with pytest.raises(ConfigError, match="--overwrite"):
        mask_sink(form, tmp_path / FORMS[form])
    again = mask_sink(form, tmp_path / FORMS[form], overwrite=True)
    for result in results(2, seed=1):
        again.write(result)
    again.close()
    assert len(list(read_masks(tmp_path / FORMS[form]))) == 2


@pytest.mark.parametrize("form", ["ffv1", "npz"])
def test_what_is_given_up_leaves_nothing(tmp_path, form, backend):
    sink = mask_sink(form, tmp_path / FORMS[form])
    for result in results(70, size=(38, 52)):
        sink.write(result)
    assert not (tmp_path / FORMS[form]).exists()
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="file"):
        mask_sink("png", tmp_path / "file" / "masks")


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_told_and_leaves_no_truncated_file(small_disk, form, backend):
    sink = mask_sink(form, small_disk / FORMS[form], fps=25)

    def fill():
        for result in results(400, size=(120, 160)):
            sink.write(result)
        sink.close()

    with pytest.raises(DiskFullError, match="full"):
        fill()
    sink.abort()
    names = [p for p in small_disk.rglob("*") if p.is_file()]
    assert not [p for p in names if "part" in p.name]
    if form in ("ffv1", "npz"):
        assert names == []
    else:
        back = list(read_masks(small_disk / FORMS[form]))
        assert len(back) > 3
        for (_, mask), result in zip(back, results(400, size=(120, 160)), strict=False):
            np.testing.assert_array_equal(mask, result.mask)


def test_what_holds_no_masks_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no")
    (tmp_path / "a.mkv").write_bytes(b"no")
    (tmp_path / "empty").mkdir()
    for name in ("a.npz", "a.mkv", "empty"):
        with pytest.raises(SourceError):
            list(read_masks(tmp_path / name))


def test_the_overlay_tints_what_is_found_and_leaves_the_rest():
    """Within its outline a found pixel is 55 % itself, the rest red or, in a shadow, blue."""
    image = np.random.default_rng(5).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    kept = image.copy()
    mask = np.zeros((240, 320), np.uint8)
    mask[50:90, 60:100] = 255
    mask[50:90, 150:200] = 127
    drawn = overlay(Result(image, mask, 0, 0.0, np.array([[60, 50, 40, 40]], np.int32)))
    for columns, tint in ((slice(64, 96), (60, 60, 255)), (slice(150, 200), (255, 160, 60))):
        exact = image[54:86, columns] * 0.55 + np.array(tint) * 0.45
        assert np.abs(drawn[54:86, columns] - exact).max() < 1
    for rest in (np.s_[:45], np.s_[95:200], np.s_[:200, 205:], np.s_[:200, 104:150]):
        np.testing.assert_array_equal(drawn[rest], image[rest])
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("shape", [(37, 51), (37, 51, 1), (37, 51, 3), (37, 51, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_frame_can_be_drawn_on(shape, dtype):
    image = np.full(shape, 60000 if dtype == "uint16" else 200, dtype)
    drawn = overlay(Result(image, np.zeros((37, 51), np.uint8), 3))
    assert drawn.shape == (37, 51, 3)
    assert drawn[2, 2].tolist() == [233 if dtype == "uint16" else 200] * 3


def test_an_overlay_video_can_be_read(tmp_path, backend):
    sink = OverlaySink(tmp_path / "o.mp4", 25)
    for result in results(10, size=(97, 131)):
        sink.write(result)
    sink.close()
    capture = cv2.VideoCapture(str(tmp_path / "o.mp4"))
    count = 0
    while capture.read()[0]:
        count += 1
    assert count == 10


def test_the_background_picture_is_written_at_the_end(tmp_path):
    level = [0]
    sink = BackgroundSink(tmp_path / "b.png", lambda: np.full((9, 9, 3), level[0], np.uint8))
    sink.write(next(results(1)))
    level[0] = 77
    sink.close()
    assert (cv2.imread(str(tmp_path / "b.png")) == 77).all()


def test_the_statistics_have_a_row_for_each_frame(tmp_path):
    sink = StatsSink(tmp_path / "s.csv")
    mask = np.zeros((10, 10), np.uint8)
    mask[0] = 255
    mask[1, :5] = 127
    boxes = np.array([[0, 0, 10, 1]], np.int32)
    sink.write(Result(mask, mask, 4, 0.16, boxes, 2.5))
    sink.write(Result(mask, mask, 5, None, boxes, 2.5))
    assert not (tmp_path / "s.csv").exists()
    sink.close()
    assert (tmp_path / "s.csv").read_text().splitlines() == [
        "index,time_s,foreground_share,shadow_share,blobs,milliseconds",
        "4,0.1600,0.100000,0.050000,1,2.500",
        "5,,0.100000,0.050000,1,2.500",
    ]
