"""Promised: every source yields its frames in order, with the stream's own times, and ends."""

import contextlib
import threading
import time

import cv2
import numpy as np
import pytest
import videos

import bgsub
from bgsub.errors import ConfigError, SourceError
from bgsub.frames import open as open_source
from bgsub.frames.prefetch import prefetch

READERS = ["av", "opencv"]


@pytest.fixture(autouse=True)
def no_thread_survives():
    yield
    names = [t.name for t in threading.enumerate()]
    assert "bgsub-prefetch" not in names


def frames(source, **options):
    with open_source(source, **options) as opened:
        return list(opened)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "FFV1")]
)
def test_every_frame_comes_in_order_with_its_time(tmp_path, reader, name, codec):
    path = videos.write_opencv(tmp_path / name, 30, 25.0, codec)
    got = frames(path, reader=reader)
    assert [videos.number(f.image) for f in got] == list(range(30))
    assert [f.index for f in got] == list(range(30))
    np.testing.assert_allclose([f.time for f in got], np.arange(30) / 25, atol=1e-3)
    assert {f.gap for f in got} == {0}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_variable_frame_rate_is_right_to_a_millisecond(tmp_path, reader, suffix):
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.4, 40)).round(3)
    codec, form = ("ffv1", "bgr0") if suffix == "mkv" else ("mpeg4", "yuv420p")
    path = videos.write_av(tmp_path / f"vfr.{suffix}", times, codec, form)
    got = frames(path, reader=reader)
    np.testing.assert_allclose([f.time for f in got], times - times[0], atol=1.01e-3)


@pytest.mark.parametrize("reader", READERS)
def test_start_end_every_and_scale(tmp_path, reader):
    path = videos.write_opencv(tmp_path / "a.avi", 50)
    got = frames(path, reader=reader, start=0.4, end=1.2, every=5, scale=0.5)
    assert [f.index for f in got] == [10, 15, 20, 25]
    assert got[0].image.shape == (48, 64, 3)
    np.testing.assert_allclose([f.time for f in got], [0.4, 0.6, 0.8, 1.0], atol=1e-3)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_known_before_the_first_frame(tmp_path, reader):
    with open_source(videos.write_opencv(tmp_path / "walk.avi", 50), reader=reader) as source:
        assert source.name == "walk"
        assert source.fps == pytest.approx(25)
        assert source.duration == pytest.approx(2, abs=0.1)
        assert not source.live


@pytest.mark.parametrize("reader", READERS)
def test_a_truncated_file_gives_what_it_holds_and_says_that_it_is_cut(tmp_path, reader, caplog):
    path = videos.write_opencv(tmp_path / "a.mkv", 100, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_source(path, reader=reader) as source:
        got = list(source)
        assert 20 < len(got) < 70
        assert [videos.number(f.image) for f in got] == list(range(len(got)))
        assert source.ended_early
    assert "cut short" in caplog.text


def test_damaged_frames_are_skipped_and_counted(tmp_path):
    """Each picture of this codec stands alone, so damage costs one or two of them."""
    path = videos.write_av(tmp_path / "a.mkv", np.arange(60) / 25, "mjpeg", "yuvj420p")
    data = bytearray(path.read_bytes())
    for place in (0.4, 0.6):
        at = int(len(data) * place)
        data[at : at + 24] = bytes(255 - b for b in data[at : at + 24])
    path.write_bytes(data)
    with open_source(path, reader="av") as source:
        got = list(source)
        assert 0 < source.failed < 20
        assert sum(f.gap for f in got) == source.failed
    numbers = [videos.number(f.image) for f in got]
    assert numbers == sorted(numbers)
    assert len(got) + source.failed == 60


def test_pictures_come_in_natural_order(tmp_path):
    folder = videos.write_pictures(tmp_path / "walk", 12)
    got = frames(folder)
    assert [videos.number(f.image) for f in got] == list(range(12))
    assert {f.time for f in got} == {None}
    assert [f.time for f in frames(folder, fps=10)] == [n / 10 for n in range(12)]
    assert len(frames(str(folder / "in1*.png"))) == 3


def test_a_cdnet_sequence_is_its_input_folder(tmp_path):
    videos.write_pictures(tmp_path / "highway" / "input", 5, "jpg", "in{:06d}")
    cv2.imwrite(str(tmp_path / "highway" / "ROI.bmp"), np.zeros((9, 9), np.uint8))
    with open_source(tmp_path / "highway") as source:
        assert source.name == "highway"
        assert len(list(source)) == 5
    assert open_source(tmp_path / "highway" / "input").name == "highway"


def test_grey_and_16_bit_pictures_stay_what_they_are(tmp_path):
    levels = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20
    cv2.imwrite(str(tmp_path / "a.png"), levels)
    (got,) = frames(tmp_path / "a.png")
    np.testing.assert_array_equal(got.image, levels)


def test_an_undecodable_picture_is_skipped_and_counted(tmp_path):
    folder = videos.write_pictures(tmp_path / "walk", 6)
    (folder / "in2.png").write_bytes(b"no picture")
    with open_source(folder, fps=10) as source:
        got = list(source)
        assert source.failed == 1
    assert [f.gap for f in got] == [0, 0, 1, 0, 0]
    assert [f.time for f in got] == [0.0, 0.1, 0.3, 0.4, 0.5]


def test_a_picture_of_another_size_is_named(tmp_path):
    folder = videos.write_pictures(tmp_path / "walk", 3)
    cv2.imwrite(str(folder / "in9.png"), videos.picture(1, (32, 32)))
    with pytest.raises(SourceError, match=r"in9.*32x32.*in0.*128x96"):
        frames(folder)


def bad(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("Dear diary, this is no video.\n" * 50)
    (tmp_path / "folder").mkdir()
    return {
        "missing.mp4": "does not exist",
        "empty.mp4": "is empty",
        "text.mp4": "is no video",
        "folder": "no picture",
        "folder/*.png": "no picture matches",
    }


@pytest.mark.parametrize("name", ["missing.mp4", "empty.mp4", "text.mp4", "folder", "folder/*.png"])
@pytest.mark.parametrize("reader", READERS)
def test_what_cannot_be_opened_says_why(tmp_path, name, reader, capfd):
    with pytest.raises(SourceError, match=bad(tmp_path)[name]):
        open_source(tmp_path / name, reader=reader)
    assert capfd.readouterr().err == ""


def test_a_camera_that_is_not_there():
    with pytest.raises(SourceError, match="camera 77 cannot be opened"):
        open_source(77)
    with pytest.raises(SourceError, match="camera 77"):
        open_source("77")


def test_a_start_after_the_end_of_the_video(tmp_path):
    path = videos.write_opencv(tmp_path / "a.avi", 10)
    with pytest.raises(SourceError, match="ends before the start"):
        frames(path, start=60.0)


@pytest.mark.parametrize(
    "options",
    [{"every": 0}, {"scale": 0}, {"scale": 9.0}, {"start": -1.0}, {"start": 2.0, "end": 1.0}],
)
def test_a_setting_out_of_range_is_named(tmp_path, options):
    path = videos.write_opencv(tmp_path / "a.avi", 2)
    with pytest.raises(ConfigError, match=list(options)[-1]):
        open_source(path, **options)


def test_pictures_without_a_clock_have_no_start(tmp_path):
    with pytest.raises(ConfigError, match="fps"):
        open_source(videos.write_pictures(tmp_path / "walk", 3), start=1.0)


def test_a_source_is_read_once(tmp_path):
    with bgsub.open(videos.write_opencv(tmp_path / "a.avi", 3)) as source:
        list(source)
        with pytest.raises(SourceError, match="open it again"):
            iter(source)


def test_prefetch_keeps_the_order():
    assert list(prefetch(range(100), 3)) == list(range(100))


def test_an_error_in_the_source_arrives_in_its_turn():
    def items():
        yield from range(5)
        raise SourceError("gone")

    seen = []
    with pytest.raises(SourceError, match="gone"):
        seen.extend(prefetch(items()))
    seen = []
    with contextlib.suppress(SourceError):
        for item in prefetch(items()):
            seen.append(item)
    assert seen == list(range(5))


def test_an_error_in_the_loop_does_not_hang():
    def endless():
        while True:
            yield 1

    def loop():
        with contextlib.closing(prefetch(endless())) as items:
            for _ in items:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop()


def test_leaving_early_stops_an_endless_source():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with contextlib.closing(prefetch(endless())) as items:
        next(items)
    time.sleep(0.01)
    assert not any(t.name == "bgsub-prefetch" for t in threading.enumerate())
