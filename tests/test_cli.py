"""Promised: one clear line and the documented exit code, whatever happens; masks that are exact."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import videos
from click.testing import CliRunner

import bgsub
from bgsub.cli import main
from bgsub.cli.exits import CODES
from bgsub.masks import Cleaner
from bgsub.models import AdaptiveMixture
from bgsub.pipeline import STAGES
from bgsub.sinks import read_masks

FORMS = {
    "ffv1": "street_mask.mkv",
    "png": "street_mask",
    "cdnet": "street",
    "npz": "street_mask.npz",
}


def bgsub_run(*args):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def one_line(result):
    """The single line on stderr that tells what went wrong."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    return lines[0]


def table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clip(here):
    return videos.write_opencv(here / "walk.avi", 30)


def test_masks_are_those_of_the_library_in_every_form(here, street):
    model, clean, expected = AdaptiveMixture(), Cleaner(), []
    with bgsub.open(street, end=2.0) as source:
        for frame in source:
            expected.append(clean(model.apply(frame.image, frame.time)))
            model.feedback(expected[-1])
    assert len(expected) == 50
    assert max(mask.max() for mask in expected) == 255

    for form, name in FORMS.items():
        result = bgsub_run("run", street, "-f", form, "-o", "out", "--end", "2s", "-q")
        assert result.exit_code == 0
        assert result.stderr == ""
        assert result.stdout == f"out/{name}\n"
        back = list(read_masks(here / "out" / name))
        assert [index for index, _ in back] == list(range(50))
        for (_, mask), wanted in zip(back, expected, strict=True):
            np.testing.assert_array_equal(mask, wanted)


def test_everything_a_run_can_write(here, street):
    result = bgsub_run(
        "run", street, "-o", "seen.npz", "--overlay", "--background", "--stats", "--end", "1s"
    )
    assert result.exit_code == 0
    names = ["seen.npz", "seen_overlay.mp4", "seen_background.png", "seen_stats.csv"]
    assert result.stdout.splitlines() == names
    assert sorted(p.name for p in here.iterdir()) == sorted(names)
    assert "street: 25 frames in" in result.stderr
    rows = table(here / "seen_stats.csv")
    assert [int(row["index"]) for row in rows] == list(range(25))
    assert cv2.imread("seen_background.png").shape == (240, 320, 3)


def test_without_output_the_masks_lie_here(clip, here):
    result = bgsub_run("run", clip)
    assert (result.exit_code, result.stdout) == (0, "walk_mask.mkv\n")
    assert len(list(read_masks(here / "walk_mask.mkv"))) == 30


def test_each_source_has_an_output_of_its_own(here):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        videos.write_opencv(here / folder / "walk.avi", 10 if folder == "a" else 20)
    result = bgsub_run("run", "a/walk.avi", "b/walk.avi", "-o", "out", "-f", "npz")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["out/a_walk_mask.npz", "out/b_walk_mask.npz"]
    assert [len(list(read_masks(path))) for path in result.stdout.splitlines()] == [10, 20]


def test_a_saved_model_goes_on_where_it_stopped(here, street):
    bgsub_run("run", street, "-f", "npz", "-o", "whole.npz")
    first = bgsub_run("run", street, "-f", "none", "--end", "4s", "--save-model", "half.bgm", "-q")
    assert (first.exit_code, first.stdout) == (0, "")
    result = bgsub_run("run", street, "-o", "rest.npz", "--start", "4s", "--model", "half.bgm")
    assert result.exit_code == 0
    whole, rest = dict(read_masks("whole.npz")), dict(read_masks("rest.npz"))
    assert list(rest) == list(range(100, 200))
    for index, mask in rest.items():
        np.testing.assert_array_equal(mask, whole[index])


def test_a_frozen_model_is_saved_as_it_was(here, street):
    bgsub_run("run", street, "-f", "none", "--end", "2s", "--save-model", "a.bgm")
    options = ("--model", "a.bgm", "--learning-rate", "0", "--save-model", "b.bgm")
    assert bgsub_run("run", street, "-f", "none", *options).exit_code == 0
    assert (here / "a.bgm").read_bytes() == (here / "b.bgm").read_bytes()


def test_options_win_over_the_file(here, street):
    (here / "s.toml").write_text(
        '[model]\nmodes = 1\n[input]\nend = "1s"\n[output]\nformat = "npz"\n'
    )
    result = bgsub_run("run", street, "-c", "s.toml", "--end", "2s", "--history", "9s")
    assert result.stdout == "street_mask.npz\n"
    assert len(list(read_masks("street_mask.npz"))) == 50
    bgsub_run(
        "run", street, "-c", "s.toml", "--history", "9s", "-f", "none", "--save-model", "m.bgm"
    )
    params = bgsub.load("m.bgm").params
    assert (params.modes, params.history) == (1, 9.0)


@pytest.mark.parametrize(
    ("shadows", "labels"),
    [("off", {0, 255}), ("mark", {0, 127, 255}), ("drop", {0, 255}), ("keep", {0, 255})],
)
def test_shadows(here, street, shadows, labels):
    bgsub_run("run", street, "-o", "m.npz", "--shadows", shadows)
    masks = [mask for _, mask in read_masks("m.npz")]
    assert {int(label) for mask in masks for label in np.unique(mask)} == labels


def test_nothing_is_found_outside_the_region_of_interest(here, street):
    region = np.zeros((240, 320), np.uint8)
    region[:, 160:] = 255
    cv2.imwrite("roi.png", region)
    bgsub_run("run", street, "-o", "m.npz", "--roi", "roi.png")
    masks = np.stack([mask for _, mask in read_masks("m.npz")])
    assert masks[:, :, 156:].any()
    # The majority filter reaches 4 pixels beyond the region's edge.
    assert not masks[:, :, :156].any()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.mp4", None, "absent.mp4 does not exist"),
        ("empty.mp4", b"", "empty.mp4 is empty"),
        ("text.mp4", b"this is no video\n" * 50, "text.mp4 is no video"),
        ("rtsp://127.0.0.1:9/x", None, "cannot reach rtsp://127.0.0.1:9/x"),
        ("97", None, "camera 97 cannot be opened"),
        ("no*such.png", None, "no picture matches no*such.png"),
    ],
)
def test_what_cannot_be_opened_ends_with_3(here, name, content, words):
    if content is not None:
        (here / name).write_bytes(content)
    result = bgsub_run("run", name)
    assert result.exit_code == 3
    assert words in one_line(result)
    assert result.stdout == ""
    assert {p.name for p in here.iterdir()} <= {name}


def test_a_folder_without_pictures_ends_with_3(here):
    (here / "walk").mkdir()
    result = bgsub_run("run", "walk", "-o", "m.npz")
    assert result.exit_code == 3
    assert "no picture in the folder walk" in one_line(result)


def test_a_truncated_video_gives_what_it_holds_and_ends_with_4(here):
    path = videos.write_opencv(here / "a.mkv", 100, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = bgsub_run("run", path)
    assert result.exit_code == 4
    assert "cut short" in result.stderr
    assert 20 < len(list(read_masks("a_mask.mkv"))) < 70


def test_damaged_frames_are_counted_and_end_with_4(here):
    path = videos.write_av(here / "a.mkv", np.arange(60) / 25, "mjpeg", "yuvj420p")
    data = bytearray(path.read_bytes())
    for place in (0.4, 0.6):
        at = int(len(data) * place)
        data[at : at + 24] = bytes(255 - b for b in data[at : at + 24])
    path.write_bytes(data)
    result = bgsub_run("run", path, "-o", "m.npz")
    assert result.exit_code == 4
    assert "could not be decoded" in result.stderr
    missing = int(result.stderr.split("Warning: a: ")[1].split()[0])
    assert len(list(read_masks("m.npz"))) == 60 - missing


def test_pictures_of_different_sizes_end_with_4(here):
    folder = videos.write_pictures(here / "walk", 8)
    videos.write_pictures(here / "other", 1, size=(64, 64), names="z{}")
    (here / "other" / "z0.png").rename(folder / "in5.png")
    result = bgsub_run("run", "walk", "-o", "m.npz")
    assert result.exit_code == 4
    assert "in5.png is 64x64" in one_line(result)
    assert len(list(read_masks("m.npz"))) == 5


def test_one_of_several_sources_missing_ends_with_4_and_the_rest_is_done(clip, here):
    result = bgsub_run("run", "absent.mp4", clip)
    assert result.exit_code == 4
    assert "absent.mp4 does not exist" in one_line(result)
    assert result.stdout == "walk_mask.mkv\n"


def test_several_sources_all_missing_end_with_3(here):
    result = bgsub_run("run", "absent.mp4", "gone.mp4")
    assert result.exit_code == 3
    assert result.stderr.count("does not exist") == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-c", "absent.toml"], "cannot read absent.toml"),
        (["-c", "bad.toml"], "bad.toml: model: unknown key 'histroy' (did you mean 'history'?)"),
        (["--preset", "fats"], "unknown preset 'fats' (did you mean 'fast'?)"),
        (["-f", "mp4"], "expected one of ffv1, png, cdnet, npz, none, got 'mp4'"),
        (["-o", "masks.mp4"], "lossy"),
        (["-o", "masks.mkv", "-f", "npz"], "-f npz does not go into masks.mkv"),
        (["-o", "bad.toml/masks"], "bad.toml"),
        (["--start", "2s", "--end", "1s"], "end must come after start"),
        (["--scale", "9"], "scale must be above 0 and at most 4"),
        (["--fps", "25"], "fps is for folders of pictures"),
        (["--model", "bad.toml"], "bad.toml"),
        (["--model", "m.bgm", "--preset", "fast"], "--model brings its own settings"),
        (["--model", "m.bgm"], "expected uint8 (32, 48, 3) like the frames before"),
        (["--roi", "bad.toml"], "bad.toml is no picture"),
        (["--roi", "small.png"], "expected roi of shape (96, 128)"),
        (["--save-model", "m.bgm"], "m.bgm exists"),
    ],
)
def test_wrong_usage_ends_with_2_and_writes_nothing(clip, here, args, words):
    (here / "bad.toml").write_text("[model]\nhistroy = 3\n")
    cv2.imwrite("small.png", np.zeros((4, 4), np.uint8))
    model = AdaptiveMixture()
    model.apply(np.zeros((32, 48, 3), np.uint8))
    model.save("m.bgm")
    before = sorted(p.name for p in here.rglob("*"))
    result = bgsub_run("run", clip, *args)
    assert result.exit_code == 2
    assert words in one_line(result)
    assert sorted(p.name for p in here.rglob("*")) == before


@pytest.mark.parametrize(
    "args", [["--start", "20"], ["--every", "0"], ["--learning-rate", "2"], []]
)
def test_clicks_own_refusals_end_with_2(here, args):
    result = bgsub_run("run", *(["x.mp4", *args] if args else []))
    assert result.exit_code == 2
    assert "Error: " in result.stderr


@pytest.mark.parametrize("form", FORMS)
def test_an_output_that_exists_is_kept_unless_told_otherwise(clip, here, form):
    args = ("run", clip, "-f", form, "-o", "out")
    assert bgsub_run(*args).exit_code == 0
    again = bgsub_run(*args)
    assert again.exit_code == 2
    assert "exists: pass --overwrite" in one_line(again)
    assert bgsub_run(*args, "--overwrite").exit_code == 0


@pytest.mark.parametrize("extra", [["--overlay"], ["--stats"], ["--background"]])
def test_no_other_output_is_overwritten_either(clip, here, extra):
    bgsub_run("run", clip, "-o", "a.npz", *extra)
    (here / "a.npz").unlink()
    result = bgsub_run("run", clip, "-o", "a.npz", *extra)
    assert result.exit_code == 2
    assert not (here / "a.npz").exists()


def test_a_full_disk_ends_with_6_and_leaves_no_truncated_file(small_disk, street):
    result = bgsub_run("run", street, "-o", small_disk, "--overlay", "--stats")
    assert result.exit_code == 6
    assert "the disk is full" in one_line(result)
    left = {p.name for p in small_disk.iterdir()}
    assert "street_overlay.mp4" not in left
    assert not [name for name in left if "part" in name]
    if "street_mask.mkv" in left:
        assert len(list(read_masks(small_disk / "street_mask.mkv"))) > 1


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_its_files_and_ends_with_130(here, which):
    folder = videos.write_pictures(here / "walk", 400, suffix="jpg", size=(1280, 960))
    command = [sys.executable, "-m", "bgsub", "run", str(folder), "-f", "npz", "--stats"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not any(path.stat().st_size for path in here.glob(".walk_mask*")):
        assert time.monotonic() < until, "the run did not begin"
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.05)
    child.send_signal(which)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "Traceback" not in said
    masks = list(read_masks(here / "walk_mask.npz"))
    rows = table(here / "walk_stats.csv")
    assert 0 < len(masks) == len(rows) < 400
    assert not list(here.glob(".walk*"))


def test_help_and_version_load_neither_numba_nor_cv2():
    code = (
        "import sys\nfrom bgsub.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(sorted({'numba', 'cv2', 'rich', 'numpy'} & set(sys.modules)))"
    )
    for args in (["--help"], ["--version"], ["run", "--help"], ["bench", "--help"]):
        out = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
        )
        assert out.stdout.splitlines()[-1] == "[]", args


def test_help_tells_the_exit_codes():
    said = " ".join(bgsub_run("--help").stdout.split())
    for code, text in CODES.items():
        assert f"{code} {text}" in said


def test_python_m_bgsub_is_the_same_command():
    out = subprocess.run(
        [sys.executable, "-m", "bgsub", "--version"], capture_output=True, text=True, check=True
    )
    assert out.stdout == f"bgsub, version {bgsub.__version__}\n"


def test_no_preview_without_a_display(clip, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    result = bgsub_run("run", clip, "--preview", "-f", "none")
    assert result.exit_code == 2
    assert "no preview: there is no display" in one_line(result)
    monkeypatch.setenv("DISPLAY", ":993")
    assert "no display server answers" in one_line(
        bgsub_run("run", clip, "--preview", "-f", "none")
    )


def test_an_unexpected_error_keeps_its_traceback_and_ends_with_1(clip, here):
    code = (
        "import bgsub.masks.clean as c\n"
        "def broken(self, mask): raise RuntimeError('a bug')\n"
        "c.Cleaner.__call__ = broken\n"
        "from bgsub.cli import main\nmain()"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, "run", str(clip)], capture_output=True, text=True, check=False
    )
    assert out.returncode == 1
    assert "Traceback" in out.stderr
    assert "a bug" in out.stderr


def test_where_the_time_went(clip, here):
    result = bgsub_run("run", clip, "--profile")
    told = result.stderr.split("milliseconds a frame: ")[1].splitlines()[0]
    stages = {name: float(ms) for name, ms in re.findall(r"([a-z ]+) ([\d.]+)", told)}
    assert [name.strip() for name in stages] == [*STAGES, "side by side"]
    assert all(ms > 0 for ms in stages.values())


def test_doctor(here):
    result = bgsub_run("doctor", "--no-cameras", "--size", "1920x1080", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0, told["problems"]
    assert told["bgsub"] == bgsub.__version__
    assert any(cv2.__version__ in line for line in told["cv2"])
    model = AdaptiveMixture.from_preset("fast")
    model.apply(np.zeros((120, 160, 3), np.uint8))
    per_pixel = model.memory_bytes / (120 * 160)
    (fast, *_) = told["memory at 1920x1080"]
    assert fast.startswith("fast: ")
    assert f"{per_pixel:.1f} bytes a pixel" in fast


def test_doctor_tells_distributions_that_clash(monkeypatch):
    from importlib import metadata

    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "4.9" if name == "opencv-python-headless" else real(name)
    )
    result = bgsub_run("doctor", "--no-cameras")
    assert result.exit_code == 2
    assert "2 distributions provide cv2" in result.stderr


def test_a_cache_folder_that_cannot_be_written_works_and_is_told_once(clip, here):
    """Below a file no folder can be made, whoever asks for it."""
    (here / "file").touch()
    env = {**os.environ, "NUMBA_CACHE_DIR": str(here / "file" / "cache")}
    out = subprocess.run(
        [sys.executable, "-m", "bgsub", "run", str(clip), "-f", "npz"],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert out.returncode == 0, out.stderr
    assert out.stderr.count("cannot be written") == 1
    assert "compiling kernels" in out.stderr
    assert "compiled step in" in out.stderr


def test_config_init_show_and_check(here):
    assert bgsub_run("config", "init").stdout == "bgsub.toml\n"
    again = bgsub_run("config", "init")
    assert again.exit_code == 2
    assert "bgsub.toml exists" in one_line(again)
    assert bgsub_run("config", "check", "bgsub.toml").exit_code == 0
    assert bgsub_run("config", "show", "bgsub.toml").stdout == bgsub_run("config", "show").stdout
    (here / "bad.toml").write_text("[mask]\nmajority = 4\n")
    bad = bgsub_run("config", "check", "bgsub.toml", "bad.toml")
    assert bad.exit_code == 2
    assert "bad.toml: mask: majority must be 0 or an odd number" in one_line(bad)


def test_bench_prints_every_preset_beside_mog2(here):
    result = bgsub_run(
        "bench", "run", "--frames", "20", "--size", "64x48", "--preset", "fast", "--json", "b.json"
    )
    assert result.exit_code == 0
    rows = json.loads((here / "b.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["MOG2", "fast"]
    assert all(row["median_ms"] > 0 for row in rows)
    assert "fast" in result.stdout


def test_bench_kernel_compares_on_both_scenes_and_every_number_of_threads(here):
    options = ["--size", "96x64", "--warm-up", "5", "--frames", "4", "--json", "k.json"]
    result = bgsub_run("bench", "kernel", *options, "--threads", "1", "--threads", "2")
    assert result.exit_code == 0
    written = json.loads((here / "k.json").read_text())
    asked = [("busy", 1), ("busy", 2), ("quiet", 1), ("quiet", 2)]
    assert [(row["scene"], row["threads"]) for row in written["rows"]] == asked
    for row in written["rows"]:
        assert row["ratio"] == pytest.approx(row["mog2_ms"] / row["median_ms"])
        assert row["state_bytes"] <= 48
    assert written["machine"]["numba"]
    assert "times" in result.stdout


def test_bench_kernel_shows_the_same_scene_at_each_size(here):
    """Four mirror images of a street hold as much foreground as one, for each pixel."""
    options = ["--warm-up", "3", "--frames", "2", "--json", "k.json", "--threads", "1", "--tile"]
    sizes = ["--size", "640x360", "--size", "1280x720"]
    result = bgsub_run("bench", "kernel", *options, *sizes, "--scene", "busy")
    assert result.exit_code == 0
    small, large = json.loads((here / "k.json").read_text())["rows"]
    assert large["foreground"] == pytest.approx(small["foreground"], rel=0.02)


def test_bench_kernel_counts_processor_time_of_one_thread_only(here):
    result = bgsub_run("bench", "kernel", "--cpu-time", "--threads", "2")
    assert result.exit_code == 2
    assert "--threads" in result.stderr
