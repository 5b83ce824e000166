"""Promised: a background learnt past the people in it, from which the first mask is right."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from test_cli import bgsub_run, one_line

import bgsub
from bgsub.cli import main
from bgsub.errors import ConfigError, FrameError
from bgsub.frames import Frame
from bgsub.models import AdaptiveMixture, MixtureParams, Modes, learn, preset
from bgsub.models.modes import in_background, joined, main_mode, to_bgr, to_space
from bgsub.sinks import read_masks
from bgsub.synthetic import scene, write_cdnet

SIZE = (96, 72)


def frames_of(shots):
    return [Frame(shot.image, shot.time, n) for n, shot in enumerate(shots)]


@pytest.fixture(scope="module")
def visited():
    """A hall with people at three places, each there for four tenths of the time."""
    return list(scene("visited", size=SIZE, frames=120, fps=4.0))


@pytest.fixture(scope="module")
def learnt(visited):
    return learn(lambda: frames_of(visited), preset("fast"))


def close(background, truth):
    """Share of the pixels within 3 grey levels of the truth in every channel."""
    off = np.abs(background.astype(int) - truth.astype(int)).max(axis=2)
    return (off <= 3).mean()


def test_people_in_four_tenths_of_the_frames_leave_no_trace(visited, learnt):
    """The learnt background is right where the mean and the online model alone are not."""
    truth = visited[0].background
    inside = np.mean([shot.truth == 255 for shot in visited], axis=0)
    assert inside.max() > 0.39
    assert close(learnt.model.background(), truth) >= 0.99

    mean = np.mean([shot.image for shot in visited], axis=0)
    assert close(np.rint(mean), truth) < 0.95
    alone = AdaptiveMixture(preset("fast"))
    for shot in visited:
        alone.apply(shot.image, shot.time)
    assert close(alone.background(), truth) < 0.99


def test_the_first_mask_is_right(visited, learnt):
    """No warm-up: people are found in the first frame, and nothing else is."""
    shot = visited[5]
    mask = learnt.model.copy().apply(shot.image)
    people, static = shot.truth == 255, shot.truth == 0
    assert people.sum() > 100
    assert (mask[people] == 255).mean() > 0.9
    assert (mask[static] == 255).mean() < 0.005


def test_what_was_found_is_told(visited, learnt):
    assert learnt.n_frames == 120
    assert learnt.seconds == pytest.approx(119 / 4)
    assert learnt.passes == 1
    assert learnt.n_modes.sum() == pytest.approx(1)
    assert learnt.n_modes[0] > 0.98  # the visitors' modes are not counted
    assert learnt.noise == pytest.approx(1.75, abs=0.4)  # of the scene's sigma 2, in luma
    people = np.mean([shot.truth != 0 for shot in visited])
    assert learnt.coverage == pytest.approx(1 - people, abs=0.02)
    assert learnt.model.frames_learnt == 120
    assert learnt.model.seconds_learnt == learnt.seconds


def test_two_colours_that_alternate_are_both_background():
    """What is seen all the time, now and then, belongs to the place; a long visit does not."""
    rng = np.random.default_rng(0)
    images = np.full((100, 8, 12, 3), 90, np.uint8)
    images[rng.random(100) < 0.4, :, :4] = (40, 160, 60)  # leaves
    images[30:70, :, 4:8] = (40, 160, 60)  # somebody who stays
    found = learn(lambda: [Frame(image, None, n) for n, image in enumerate(images)])
    modes = found.model.mixtures()
    count = in_background(modes, found.model.params).sum(axis=2)
    assert (count[:, :4] == 2).all()
    assert (count[:, 4:] == 1).all()
    leaves = np.full((8, 12, 3), (40, 160, 60), np.uint8)
    mask = found.model.apply(leaves, learning_rate=0)  # or so much that is new would be a cut
    assert (mask[:, :4] == 0).all()
    assert (mask[:, 4:] == 255).all()


@pytest.mark.parametrize("total", [20, 39, 40, 41, 100, 333])
def test_frames_are_spread_over_a_video_of_unknown_length(total):
    """At most n_frames are kept, at least half of it, evenly, whatever the length."""
    params = replace(preset("fast"), stabilise=False, follow_light=False)
    rising = [np.full((2, 3, 3), 20 + n % 200, np.uint8) for n in range(total)]
    found = learn(
        lambda: (Frame(image, n / 10, n) for n, image in enumerate(rising)),
        params,
        n_frames=40,
        components=1,
    )
    stride = 1
    while -(-total // stride) > 40:
        stride *= 2
    kept = np.arange(0, total, stride)
    assert found.n_frames == len(kept)
    assert found.seconds == pytest.approx(kept[-1] / 10)
    mean = found.model.mixtures().means[0, 0, 0, 0]
    assert mean == pytest.approx(np.mean(20 + kept % 200), abs=0.01)


@pytest.fixture(scope="module")
def scarce(visited):
    """The least memory, in steps of 100 kB, with which the hall can be learnt."""
    for limit in range(100_000, 60_000_000, 100_000):
        try:
            learn(lambda: frames_of(visited[:20]), preset("fast"), n_frames=120, memory_limit=limit)
        except ConfigError as error:
            assert "sample fewer frames, or scale them down" in str(error)  # noqa: PT017
        else:
            return limit
    raise AssertionError


def test_rows_are_read_in_blocks_where_memory_is_short(visited, scarce):
    """A video that does not fit is read again for each block of rows, with the same result."""
    whole = learn(lambda: frames_of(visited), preset("fast"), n_frames=120)
    parts = learn(lambda: frames_of(visited), preset("fast"), n_frames=120, memory_limit=scarce)
    assert parts.passes > 3
    for ours, other in zip(parts.model.mixtures(), whole.model.mixtures(), strict=True):
        np.testing.assert_array_equal(ours, other)


def test_frames_are_steadied_alike_when_they_are_read_again(scarce):
    shots = list(scene("empty", size=SIZE, frames=150, jitter=4.0))
    params = replace(preset("fast"), stabilise=True)
    whole, parts = (
        learn(lambda: frames_of(shots), params, n_frames=120, memory_limit=limit)
        for limit in (None, scarce)
    )
    assert whole.n_frames == 75 and parts.passes > 3
    for ours, other in zip(parts.model.mixtures(), whole.model.mixtures(), strict=True):
        np.testing.assert_array_equal(ours, other)


def test_a_camera_cannot_be_read_in_blocks(visited, scarce):
    with pytest.raises(ConfigError, match=r"needs \d+ MB, and \d+ MB may be used: sample fewer"):
        learn(
            lambda: frames_of(visited),
            preset("fast"),
            n_frames=120,
            memory_limit=scarce,
            rereadable=False,
        )


def test_a_video_that_shrinks_between_two_readings_is_refused(visited, scarce):
    lengths = iter([120, 60])
    with pytest.raises(FrameError, match="60 sampled frames shorter when it is read again"):
        learn(
            lambda: frames_of(visited[: next(lengths)]),
            preset("fast"),
            n_frames=120,
            memory_limit=scarce,
        )


def test_a_shaking_camera_is_steadied():
    """The view learnt from steadied frames is certain, and the first masks are cleaner."""
    shots = list(scene("empty", size=SIZE, frames=60, jitter=4.0, place="street"))
    noise, false = [], []
    for on in (True, False):
        params = replace(preset("fast"), stabilise=on)
        found = learn(lambda: frames_of(shots), params)
        masks = [found.model.copy().apply(shots[n].image) for n in (3, 7, 20, 40)]
        noise.append(found.noise)
        false.append(np.mean([mask == 255 for mask in masks]))
    assert noise[0] < 0.6 * noise[1]
    assert false[0] < 0.4 * false[1]


def test_the_number_of_threads_changes_no_bit(visited, learnt, tmp_path):
    one = learn(lambda: frames_of(visited), preset("fast"), threads=1)
    one.model.save(tmp_path / "one.bgm")
    learnt.model.save(tmp_path / "all.bgm")
    assert (tmp_path / "one.bgm").read_bytes() == (tmp_path / "all.bgm").read_bytes()


@pytest.mark.parametrize("params", [MixtureParams(), MixtureParams(color="bgr", compact=False)])
def test_modes_go_into_a_model_and_come_out_again(params):
    rng = np.random.default_rng(3)
    given = Modes(
        rng.dirichlet([3, 2, 1], (5, 7)).astype(np.float32),
        rng.uniform(20, 230, (5, 7, 3, 3)).astype(np.float32),
        rng.uniform(5, 60, (5, 7, 3)).astype(np.float32),
    )
    model = AdaptiveMixture.from_mixtures(given, params, n_frames=100, seconds=10.0)
    order = np.argsort(-given.weights, axis=2)
    weights, means, variances = model.mixtures()
    half = 0.5 if params.compact else 1e-6  # of a unit of the fixed point
    np.testing.assert_allclose(
        weights[..., :3], np.take_along_axis(given.weights, order, 2), atol=3 * half / 65535 + 1e-7
    )
    np.testing.assert_allclose(
        means[:, :, :3], np.take_along_axis(given.means, order[..., None], 2), atol=half / 256
    )
    np.testing.assert_allclose(
        variances[..., :3], np.take_along_axis(given.variances, order, 2), atol=half / 64 + 1e-5
    )
    assert (weights[..., 3:] == 0).all()
    heaviest = np.take_along_axis(given.means, order[..., :1, None], 2)[:, :, 0]
    shown = np.clip(np.rint(to_bgr(heaviest, params)), 0, 255)
    assert np.abs(model.background().astype(int) - shown).max() <= 1


@pytest.mark.parametrize(
    ("weights", "means", "variances", "words"),
    [
        ((4, 5, 9), (4, 5, 9, 3), (4, 5, 9), "at most 4 modes"),
        ((4, 5, 2), (4, 5, 3, 3), (4, 5, 2), "expected means of shape"),
        ((4, 5, 2), (4, 5, 2, 3), (4, 5, 3), "expected variances of shape"),
    ],
)
def test_modes_that_do_not_fit_are_refused(weights, means, variances, words):
    modes = Modes(*(np.ones(shape, np.float32) for shape in (weights, means, variances)))
    with pytest.raises(ConfigError, match=words):
        AdaptiveMixture.from_mixtures(modes, n_frames=100, seconds=1.0)


def test_a_pixel_without_a_mode_is_refused():
    modes = Modes(np.zeros((2, 2, 1)), np.ones((2, 2, 1, 1)), np.ones((2, 2, 1)))
    with pytest.raises(ConfigError, match="a mode for every pixel"):
        AdaptiveMixture.from_mixtures(modes, n_frames=100, seconds=1.0)
    modes.weights[:] = np.nan
    with pytest.raises(ConfigError, match="finite"):
        AdaptiveMixture.from_mixtures(modes, n_frames=100, seconds=1.0)


def test_colours_of_the_models_space_come_back():
    rng = np.random.default_rng(1)
    image = rng.uniform(0, 255, (6, 8, 3)).astype(np.float32)
    for params in (MixtureParams(), MixtureParams(color="bgr")):
        np.testing.assert_allclose(to_bgr(to_space(image, params, 255.0), params), image, atol=1e-3)
        eight = to_space(image.astype(np.uint8), params, 255.0)
        assert eight.dtype == np.uint8
        exact = to_space(np.trunc(image), params, 255.0)
        # OpenCV rounds luma to whole levels before it makes chroma of it.
        assert np.abs(eight - exact).max() <= 0.5 + 0.713 * 0.5 + 0.01


def test_joined_modes_keep_mean_and_variance():
    """Two near modes become one with the moments of both; a far one stays."""
    modes = Modes(
        np.array([0.5, 0.3, 0.2], np.float32).reshape(1, 1, 3),
        np.array([100, 110, 200], np.float32).reshape(1, 1, 3, 1),
        np.array([4, 9, 4], np.float32).reshape(1, 1, 3),
    )
    found, _ = joined(modes, MixtureParams())
    np.testing.assert_allclose(found.weights[0, 0], [0.8, 0, 0.2], rtol=1e-6)
    mean = (0.5 * 100 + 0.3 * 110) / 0.8
    square = (0.5 * (4 + 100**2) + 0.3 * (9 + 110**2)) / 0.8
    assert found.means[0, 0, 0, 0] == pytest.approx(mean)
    assert found.variances[0, 0, 0] == pytest.approx(square - mean**2, rel=1e-3)
    assert main_mode(found)[0, 0, 0] == 0


def test_a_mode_wide_as_all_that_passes_is_not_the_background():
    modes = Modes(
        np.array([0.6, 0.4], np.float32).reshape(1, 1, 2),
        np.array([90, 170], np.float32).reshape(1, 1, 2, 1),
        np.array([1600, 9], np.float32).reshape(1, 1, 2),
    )
    assert main_mode(modes)[0, 0, 0] == 1
    assert in_background(modes, MixtureParams()).tolist() == [[[False, True]]]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_frames": 10}, ConfigError, "at least 20 frames"),
        ({"components": 4}, ConfigError, "auto or 1 to 3"),
        ({"components": 0}, ConfigError, "auto or 1 to 3"),
    ],
)
def test_bad_settings_are_refused(visited, options, error, words):
    with pytest.raises(error, match=words):
        learn(lambda: frames_of(visited), preset("fast"), **options)


def test_too_few_frames_are_refused(visited):
    with pytest.raises(FrameError, match="at least 20 frames to learn from, got 7"):
        learn(lambda: frames_of(visited[:7]))


@pytest.fixture(scope="module")
def hall(visited, tmp_path_factory):
    folder = write_cdnet(
        scene("visited", size=SIZE, frames=120, fps=4.0), tmp_path_factory.mktemp("cdnet") / "hall"
    )
    return folder / "input"


def test_the_command_learns_and_run_starts_from_it(hall, visited, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = bgsub_run("learn", hall, "-o", "hall.bgm", "--preset", "fast", "--fps", 4)
    assert result.exit_code == 0
    assert result.stdout == "hall.bgm\n"
    assert "learnt from 120 frames over 29.8 s" in result.stderr
    assert "1 mode" in result.stderr and "noise 1." in result.stderr

    for rate in ([], ["--learning-rate", 0]):
        run = bgsub_run(
            "run", hall, "--model", "hall.bgm", "-f", "npz", "-o", "m.npz", "--overwrite", *rate
        )
        assert run.exit_code == 0
        (_, first), *_ = read_masks(tmp_path / "m.npz")
        # Cleaning rounds off a person who is 30 pixels tall.
        assert (first[visited[0].truth == 255] == 255).mean() > 0.7
        assert (first[visited[0].truth == 0] == 255).mean() < 0.01

    again = bgsub_run("learn", hall, "-o", "hall.bgm")
    assert again.exit_code == 2
    assert "exists" in one_line(again)
    quiet = bgsub_run("learn", hall, "-o", "hall.bgm", "--preset", "fast", "--overwrite", "-q")
    assert quiet.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.mp4"], 3, "nowhere.mp4 does not exist"),
        (["{hall}", "--preset", "fats"], 2, "did you mean 'fast'"),
        (["{hall}", "--components", "5", "--preset", "fast"], 2, "auto or 1 to 3"),
        (["{hall}", "--every", "10"], 2, "at least 20 frames to learn from, got 12"),
        (["{hall}", "--memory", "1"], 2, "sample fewer frames"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(hall, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = bgsub_run("learn", *(word.format(hall=hall) for word in arguments))
    assert result.exit_code == code
    assert words in one_line(result)
    assert list(tmp_path.iterdir()) == []


def test_components_must_be_a_number_or_auto(hall):
    result = CliRunner().invoke(main, ["learn", str(hall), "--components", "many"])
    assert result.exit_code == 2
    assert "expected auto or a number" in result.stderr


def test_the_public_name_learns_a_video(street):
    found = bgsub.learn(lambda: bgsub.open(street), preset("fast"), n_frames=60)
    assert found.n_frames == 50  # of 200, every fourth
    with bgsub.open(street) as source:
        first = next(iter(source))
    assert (found.model.apply(first.image) == 255).mean() < 0.1
