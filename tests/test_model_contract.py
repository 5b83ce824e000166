"""Promised: what a model takes, what it refuses, and that its state is a value."""

import copy
import io
import pickle
import threading
import zipfile

import numpy as np
import pytest

import bgsub
from bgsub.errors import ConfigError, FrameError, ModelFileError
from bgsub.models import AdaptiveMixture, MixtureParams, OpenCVModel, load, preset

SIZE = (24, 32)


def scene(n, channels=3, seed=0):
    """Frame n of a still place that something bright crosses from frame 20 on, uint8."""
    rng = np.random.default_rng(seed)
    shape = SIZE if channels == 0 else (*SIZE, channels)
    place = rng.integers(20, 180, shape)
    image = place + np.random.default_rng((seed, n)).normal(0, 2, shape)
    if n >= 20:
        x = n % 24
        image[8:16, x : x + 8] = 250
    return np.clip(image, 0, 255).astype(np.uint8)


def learnt(frames=30, channels=3, **changes):
    model = AdaptiveMixture(MixtureParams(**changes))
    for n in range(frames):
        model.apply(scene(n, channels), n / 25)
    return model


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_type_and_number_of_channels_is_the_same_picture(dtype, channels):
    """A 16-bit or float picture of the same light gets the labels of the 8-bit one."""
    factor = {"uint8": 1, "uint16": 257, "float32": 1}[dtype]
    eight, other = AdaptiveMixture(), AdaptiveMixture()
    for n in range(30):
        image = scene(n, channels)
        expected = eight.apply(image, n / 25)
        got = other.apply((image.astype(np.uint32) * factor).astype(dtype), n / 25)
        np.testing.assert_array_equal(got, expected)
    assert expected.max() == 255
    assert expected.shape == SIZE
    background = other.background()
    assert background.dtype == dtype
    assert background.shape == scene(0, channels).shape
    close = np.abs(background / factor - eight.background())
    assert close.max() <= 0.51


def test_any_strides_will_do():
    plain, odd = AdaptiveMixture(), AdaptiveMixture()
    for n in range(12):
        image = scene(n)
        twisted = np.asfortranarray(np.repeat(image, 2, axis=1))[:, ::2]
        np.testing.assert_array_equal(odd.apply(twisted), plain.apply(image))
        flipped = image[::-1][::-1]
        np.testing.assert_array_equal(odd.apply(flipped), plain.apply(image))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ([[1, 2]], "numpy array, got list"),
        (np.zeros(SIZE, np.int64), "uint8, uint16, float32, got int64"),
        (np.zeros((4, 4, 5), np.uint8), r"got \(4, 4, 5\)"),
        (np.zeros((4,), np.uint8), r"got \(4,\)"),
        (np.zeros((0, 4), np.uint8), r"got \(0, 4\)"),
        (np.full(SIZE, np.nan, np.float32), "NaN"),
        (np.full(SIZE, np.inf, np.float32), "infinity"),
        (np.full(SIZE, 300.0, np.float32), "value_range"),
        (np.full(SIZE, -1.0, np.float32), "value_range"),
        (np.full(SIZE, 0.5, np.float32), "multiply it by 255 or set value_range=1.0"),
    ],
)
def test_what_is_no_image_is_refused_with_advice(image, words):
    with pytest.raises(FrameError, match=words):
        AdaptiveMixture().apply(image)


def test_another_size_or_type_is_refused_until_reset():
    model = learnt(2)
    for image in (np.zeros((9, 9, 3), np.uint8), np.zeros((*SIZE, 3), np.uint16)):
        with pytest.raises(FrameError, match=r"uint8 \(24, 32, 3\).*call reset\(\)"):
            model.apply(image)
    model.reset()
    assert model.apply(np.zeros((9, 9, 3), np.uint8)).shape == (9, 9)


def test_floats_of_0_to_1_are_taken_when_declared():
    eight, unit = AdaptiveMixture(), AdaptiveMixture(MixtureParams(value_range=1.0))
    for n in range(12):
        image = scene(n)
        np.testing.assert_array_equal(
            unit.apply((image / np.float32(255)).astype(np.float32)), eight.apply(image)
        )


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_a_learning_rate_out_of_range_is_refused(bad):
    with pytest.raises(ConfigError, match="learning_rate must be 0 to 1"):
        AdaptiveMixture().apply(scene(0), learning_rate=bad)


@pytest.mark.parametrize("name", ["fast", "balanced", "best", "classic"])
def test_a_rate_of_zero_leaves_every_bit_as_it_was(tmp_path, name):
    model = AdaptiveMixture(preset(name))
    for n in range(20):
        model.feedback(model.apply(scene(n), n / 25))
    model.save(tmp_path / "before.bgm")
    for n in range(100):
        mask = model.apply(scene(n), 0.8 + n / 25, learning_rate=0)
        model.feedback(mask)
    assert mask.max() == 255
    model.save(tmp_path / "after.bgm")
    assert (tmp_path / "before.bgm").read_bytes() == (tmp_path / "after.bgm").read_bytes()


@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
def test_a_copied_model_goes_on_bit_for_bit_and_apart(how):
    model = learnt(15)
    other = {
        "copy": model.copy,
        "deepcopy": lambda: copy.deepcopy(model),
        "pickle": lambda: pickle.loads(pickle.dumps(model)),
    }[how]()
    for n in range(15, 30):
        np.testing.assert_array_equal(other.apply(scene(n), n / 25), model.apply(scene(n), n / 25))
    kept = model.background()
    for n in range(50):
        other.apply(scene(n, seed=5), 1.2 + n / 25)
    np.testing.assert_array_equal(model.background(), kept)


def test_time_sets_the_rate_whatever_the_frame_rate():
    """The background after 4 s of a new light is the same at 25, 12.5 and 5 frames/s."""
    levels = []
    for step in (1, 2, 5):
        model = AdaptiveMixture(
            MixtureParams(
                history=6.0, modes=1, settled_gain=1.0, stabilise=False, follow_light=False
            )
        )
        for n in range(0, 600, step):
            model.apply(np.full(SIZE, 100 if n < 500 else 106, np.uint8), n / 25)
        levels.append(model.background().mean())
    # From 100 to 106 with 1 - exp(-4/6) of the way gone.
    assert levels == pytest.approx([106 - 6 * np.exp(-4 / 6)] * 3, abs=0.6)


def test_without_time_the_nominal_rate_holds():
    timed, plain = (AdaptiveMixture(MixtureParams(nominal_fps=10.0)) for _ in range(2))
    for n in range(30):
        np.testing.assert_array_equal(timed.apply(scene(n), n / 10), plain.apply(scene(n)))


def test_a_clock_set_back_counts_as_one_frame():
    model = learnt(30)
    assert model.apply(scene(30), -5.0).shape == SIZE
    assert np.isfinite(model.certainty()).all()


def test_outside_the_region_nothing_is_learnt_or_labelled():
    roi = np.zeros(SIZE, np.uint8)
    roi[:, 16:] = 255
    model, whole = AdaptiveMixture(), AdaptiveMixture()
    for n in range(30):
        mask = model.apply(scene(n), n / 25, roi=roi)
        expected = whole.apply(scene(n), n / 25)
        assert not mask[:, :16].any()
        np.testing.assert_array_equal(mask[:, 16:], expected[:, 16:])
    assert not model.background()[:, :16].any()
    np.testing.assert_array_equal(model.background()[:, 16:], whole.background()[:, 16:])


def test_known_foreground_never_enters_the_background():
    """A thing that stays for 600 frames where it is known to be."""
    place = np.full((*SIZE, 3), 90, np.uint8)
    hidden = place.copy()
    hidden[8:16, 8:16] = 220
    held = np.zeros(SIZE, bool)
    held[8:16, 8:16] = True
    model = AdaptiveMixture(MixtureParams(history=2.0, foreground_rate=1.0))
    free = model.copy()
    for n in range(50):
        model.apply(place, n / 25)
        free.apply(place, n / 25)
    for n in range(50, 650):
        mask = model.apply(hidden, n / 25, known_foreground=held)
        free.apply(hidden, n / 25)
        assert (mask[held] == 255).all()
        assert not mask[~held].any()
    assert np.abs(model.background().astype(int) - 90).max() <= 1
    assert np.abs(free.background()[8:16, 8:16].astype(int) - 220).max() <= 1
    assert not model.apply(place, 26.0).any(), "what was hidden is known at once"


@pytest.mark.parametrize("name", ["roi", "known_foreground"])
def test_a_region_of_another_size_is_refused(name):
    with pytest.raises(FrameError, match=rf"expected {name} of shape \(24, 32\)"):
        AdaptiveMixture().apply(scene(0), **{name: np.zeros((3, 3))})


def test_certainty_grows_with_what_was_seen():
    model = AdaptiveMixture(MixtureParams(history=2.0))
    seen = []
    for n in range(100):
        model.apply(np.full(SIZE, 90, np.uint8), n / 25)
        seen.append(model.certainty().mean())
    assert (np.diff(seen) > -1e-4).all()
    assert seen[-1] == pytest.approx(1 - np.exp(-4 / 2), abs=0.02)
    assert model.certainty().dtype == np.float32


def test_the_probability_rises_with_the_distance_from_the_background():
    model = AdaptiveMixture(MixtureParams(modes=2, stabilise=False, follow_light=False))
    for n in range(60):
        model.apply(np.full(SIZE, 100, np.uint8), n / 25)
    chances = [
        float(model.foreground_probability(np.full(SIZE, 100 + d, np.uint8)).mean())
        for d in (0, 5, 10, 20, 40, 80)
    ]
    assert chances == sorted(chances)
    assert chances[0] < 0.05
    assert chances[-1] > 0.94
    probability = model.foreground_probability()
    assert probability.dtype == np.float32
    assert ((probability >= 0) & (probability <= 1)).all()


def test_what_has_seen_nothing_says_so():
    for ask in ("background", "certainty", "foreground_probability"):
        with pytest.raises(FrameError, match=r"no frame yet: apply\(\) one first"):
            getattr(AdaptiveMixture(), ask)()


def test_two_threads_with_two_models_at_once():
    """Numba's own threading layer would end the process here."""
    expected = learnt(40).background()
    results, errors = [], []

    def work():
        try:
            results.append(learnt(40).background())
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_a_preset_that_is_none_is_named():
    with pytest.raises(ConfigError, match=r"unknown preset 'fats' \(did you mean 'fast'\?\)"):
        AdaptiveMixture.from_preset("fats")


class TestModelFiles:
    """A model file is taken whole or refused."""

    @pytest.fixture
    def saved(self, tmp_path):
        learnt(5).save(tmp_path / "m.bgm")
        return tmp_path / "m.bgm"

    def rewritten(self, path, **changes):
        """The file with other contents, by entry."""
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        for name, change in changes.items():
            key = next(k for k in entries if k.startswith(name))
            entries[key] = change(entries[key])
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in entries.items():
                archive.writestr(name, content)

    def refusal(self, path):
        with pytest.raises(ModelFileError) as caught:
            load(path)
        assert path.name in str(caught.value)
        return str(caught.value)

    def test_a_newer_version_is_refused(self, saved):
        self.rewritten(saved, about=lambda b: b.replace(b'"version": 7', b'"version": 8'))
        assert "format version 8, and this bgsub reads version 7" in self.refusal(saved)

    def test_a_truncated_file_is_refused_wherever_it_ends(self, saved):
        whole = saved.read_bytes()
        for share in (0.0, 0.1, 0.5, 0.9, 0.999):
            saved.write_bytes(whole[: int(len(whole) * share)])
            self.refusal(saved)

    def test_flipped_bytes_are_refused(self, saved):
        whole = saved.read_bytes()
        for seed in range(40):
            data = bytearray(whole)
            at = int(np.random.default_rng(seed).integers(len(data)))
            data[at] ^= 0x5A
            saved.write_bytes(data)
            try:
                load(saved)
            except ModelFileError:
                continue
            # A byte that the format does not use (a time stamp, say) may change; the state not.
            np.testing.assert_array_equal(load(saved)._state, learnt(5)._state)

    def test_a_pickle_inside_is_never_run(self, saved):
        class Bomb:
            def __reduce__(self):
                return (pytest.fail, ("it was run",))

        file = io.BytesIO()
        np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
        self.rewritten(saved, state=lambda b: file.getvalue())
        self.refusal(saved)
        saved.write_bytes(pickle.dumps(Bomb()))
        self.refusal(saved)

    def test_a_wrong_shape_is_refused(self, saved):
        self.rewritten(saved, about=lambda b: b.replace(b"24", b"25"))
        assert "is needed" in self.refusal(saved)

    def test_what_is_no_model_is_refused(self, tmp_path):
        (tmp_path / "text.bgm").write_text("hello")
        self.refusal(tmp_path / "text.bgm")
        with pytest.raises(ModelFileError, match=r"absent\.bgm"):
            load(tmp_path / "absent.bgm")
        with zipfile.ZipFile(tmp_path / "other.bgm", "w") as archive:
            archive.writestr("x", "y")
        self.refusal(tmp_path / "other.bgm")


@pytest.mark.parametrize("kind", ["mog2", "knn"])
def test_opencvs_models_stand_behind_the_same_interface(kind):
    model = OpenCVModel(kind)
    held = np.zeros(SIZE, bool)
    held[0:4, 0:4] = True
    roi = np.ones(SIZE, bool)
    roi[:, 28:] = False
    for n in range(40):
        mask = model.apply(scene(n), n / 25, roi=roi, known_foreground=held)
        model.feedback(mask)
    assert (mask[0:4, 0:4] == 255).all()
    assert not mask[:, 28:].any()
    assert model.background().shape == (*SIZE, 3)
    with pytest.raises(FrameError, match="like the frames before"):
        model.apply(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ConfigError, match="unknown model 'mog3'"):
        OpenCVModel("mog3")


def test_the_public_names_are_there():
    assert bgsub.__all__ == sorted(bgsub.__all__)
    for name in bgsub.__all__:
        assert getattr(bgsub, name) is not None
    assert set(bgsub.__all__) <= set(dir(bgsub))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bgsub.nothing
