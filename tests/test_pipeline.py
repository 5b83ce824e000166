"""Promised: every frame goes through, in order, and however a run ends its sinks are finished."""

import threading
import time

import numpy as np
import pytest
import videos

import bgsub
from bgsub.errors import SinkError, SourceError
from bgsub.pipeline import STAGES, Report, run


class Spy:
    """A sink that remembers."""

    needs_boxes = True

    def __init__(self, fail_at=None, fail_close=False):
        self.results, self.ends = [], []
        self.fail_at, self.fail_close = fail_at, fail_close

    def write(self, result):
        if len(self.results) == self.fail_at:
            raise SinkError("no room")
        self.results.append(result)

    def close(self):
        self.ends.append("closed")
        if self.fail_close:
            raise SinkError("no room to close")

    def abort(self):
        self.ends.append("aborted")


class Memory:
    """A model that finds the upper half, and remembers what it is given."""

    def __init__(self, fail_at=None):
        self.calls, self.told, self.fail_at = [], [], fail_at

    def apply(self, image, time=None, learning_rate=None, roi=None, known_foreground=None):
        if len(self.calls) == self.fail_at:
            raise RuntimeError("a bug")
        self.calls.append((time, learning_rate, roi))
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[: len(mask) // 2] = 255
        return mask

    def feedback(self, mask):
        self.told.append(mask)


@pytest.fixture
def clip(tmp_path):
    return videos.write_opencv(tmp_path / "walk.avi", 30)


@pytest.fixture(autouse=True)
def no_thread_survives():
    yield
    assert "bgsub-prefetch" not in [t.name for t in threading.enumerate()]


def flip(mask):
    return mask[::-1].copy()


def test_each_frame_reaches_every_sink_in_order_with_its_clean_mask(clip):
    sinks, model = [Spy(), Spy()], Memory()

    report = run(clip, model, flip, sinks, learning_rate=0.25, roi="here")

    for sink in sinks:
        assert [videos.number(r.image) for r in sink.results] == list(range(30))
        assert [r.index for r in sink.results] == list(range(30))
        assert sink.ends == ["closed"]
    result = sinks[0].results[7]
    assert result.mask[0, 0] == 0
    assert result.mask[-1, 0] == 255
    assert result.time == pytest.approx(7 / 25)
    assert result.boxes.tolist() == [[0, 48, 128, 48]]
    assert [mask[-1, 0] for mask in model.told] == [255] * 30, "the model is told the clean mask"
    assert {call[1:] for call in model.calls} == {(0.25, "here")}
    assert (report.frames, report.failed, report.whole) == (30, 0, True)
    assert report.foreground == pytest.approx(0.5)


class Slow(Memory):
    """A model, a cleaning and a sink that take their time."""

    needs_boxes = False

    def apply(self, image, *settings):
        time.sleep(0.004)
        return super().apply(image, *settings)

    def clean(self, mask):
        time.sleep(0.003)
        return mask

    def feedback(self, mask):
        time.sleep(0.002)

    def write(self, result):
        time.sleep(0.001)

    def close(self):
        time.sleep(0.1)


@pytest.mark.parametrize("reader", ["av", "opencv"])
def test_the_stages_tell_where_the_time_went(clip, reader):
    """Each thread's stages fit into the run, and hold at least what is known to have been spent."""
    if reader == "av":
        pytest.importorskip("av")
    slow = Slow()

    report = run(bgsub.open(clip, reader=reader, scale=0.5), slow, slow.clean, [slow])

    stages = report.stages
    assert tuple(stages) == STAGES
    assert stages["model"] >= 30 * 0.006
    assert stages["clean"] >= 30 * 0.003
    assert stages["write"] >= 30 * 0.001 + 0.1
    assert stages["read"] > 0
    assert stages["convert"] > 0
    for together in (("read", "convert"), ("model", "clean"), ("write",)):
        assert sum(stages[name] for name in together) <= report.seconds
    assert sum(stages.values()) >= 30 * 0.010 + 0.1


def test_the_defaults_find_what_moves_in_a_sample(street):
    spy = Spy()
    report = bgsub.run(street, sinks=[spy])
    assert report.frames == 200
    assert 0.01 < report.foreground < 0.2
    assert spy.results[0].mask.max() == 0


def test_a_source_that_fails_in_the_middle_leaves_finished_sinks(tmp_path):
    folder = videos.write_pictures(tmp_path / "walk", 12)
    videos.write_pictures(tmp_path / "other", 1, size=(64, 64), names="z{}")
    (tmp_path / "other" / "z0.png").rename(folder / "in9.png")
    spy, report = Spy(), Report()

    with pytest.raises(SourceError, match=r"in9\.png is 64x64"):
        run(folder, Memory(), flip, [spy], report=report)

    assert len(spy.results) == report.frames == 9
    assert spy.ends == ["closed"]


def test_without_any_frame_the_sinks_are_aborted(tmp_path):
    folder = videos.write_pictures(tmp_path / "walk", 2)
    for path in folder.iterdir():
        path.write_bytes(b"no picture")
    spy = Spy()
    with pytest.raises(SourceError, match="none of the 2 pictures"):
        run(folder, Memory(), flip, [spy])
    assert spy.ends == ["aborted"]


def test_a_sink_that_fails_ends_the_run_and_the_others_are_finished(clip):
    good, bad = Spy(), Spy(fail_at=5, fail_close=True)
    with pytest.raises(SinkError, match=r"no room$"):
        run(clip, Memory(), flip, [good, bad])
    assert len(good.results) == 6
    assert good.ends == ["closed"]
    assert bad.ends == ["closed", "aborted"]


def test_a_sink_that_cannot_be_closed_is_told(clip):
    with pytest.raises(SinkError, match="no room to close"):
        run(clip, Memory(), flip, [Spy(fail_close=True)])


def test_a_bug_in_the_model_arrives_and_what_was_found_is_finished(clip):
    spy = Spy()
    with pytest.raises(RuntimeError, match="a bug"):
        run(clip, Memory(fail_at=8), flip, [spy])
    assert len(spy.results) == 8
    assert spy.ends == ["closed"]


def test_stop_ends_after_the_frame_at_hand(clip):
    stop, spy = threading.Event(), Spy()

    def at_ten(result, report):
        if report.frames == 10:
            stop.set()

    report = run(clip, Memory(), flip, [spy], stop=stop, on_result=at_ten)

    assert report.frames == len(spy.results) == 10
    assert report.stopped
    assert not report.whole
    assert spy.ends == ["closed"]


def test_boxes_are_not_looked_for_in_vain(clip, monkeypatch):
    spy = Spy()
    monkeypatch.setattr(Spy, "needs_boxes", False)
    run(clip, Memory(), flip, [spy])
    assert {len(r.boxes) for r in spy.results} == {0}
