"""Promised: a file of settings means what it says, and what is wrong in it is named."""

import re
import tomllib
from dataclasses import replace

import pytest

from bgsub import config
from bgsub.errors import ConfigError
from bgsub.models import preset


def written(tmp_path, text):
    path = tmp_path / "night.toml"
    path.write_text(text)
    return path


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path):
    path = written(
        tmp_path,
        '[model]\nhistory = "1m30s"\nmodes = 3\n[mask]\nmajority = 5\n[input]\nevery = 2\n',
    )

    got = config.load(path)

    assert got.model == replace(preset("balanced"), history=90.0, modes=3)
    assert got.mask.majority == 5
    assert got.input.every == 2
    assert got.output == config.OutputParams()


def test_a_preset_in_the_file_is_the_base_and_the_callers_wins(tmp_path):
    path = written(tmp_path, '[model]\npreset = "classic"\nhistory = 7\n')
    assert config.load(path).model == replace(preset("classic"), history=7.0)
    assert config.load(path, "fast").model == replace(preset("fast"), history=7.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[model]\nhistroy = 3", ["model", "unknown key 'histroy'", "did you mean 'history'"]),
        ("[modle]\nhistory = 3", ["unknown key 'modle'", "did you mean 'model'", "known: input"]),
        ('[model]\nmodes = "3"', ["model: modes", "a whole number", "'3'"]),
        ("[model]\nmodes = true", ["model: modes", "a whole number", "True"]),
        ("[model]\nmodes = 9", ["model: modes must be 1 to 5", "9"]),
        ('[model]\nhistory = "20"', ["model: history", "duration", "'20'"]),
        ("[model]\nhistory = nan", ["model: history", "nan"]),
        ("[model]\nhistory = [1]", ["model: history", "[1]"]),
        ("[model]\nshadows = 1", ["model: shadows", "true or false"]),
        ('[model]\ncolor = "rgb"', ["model: color", "ycrcb, bgr", "'rgb'"]),
        ('[model]\npreset = "fats"', ["model: preset", "fast, balanced, best", "'fats'"]),
        ("[model]\npreset = 3", ["model: preset", "3"]),
        ("model = 3", ["model", "expected a table", "3"]),
        ("[input]\nend = 1\nstart = 2", ["input", "end must come after start"]),
        ('[output]\nformat = "mp4"', ["output: format", "ffv1, png, cdnet, npz, none"]),
        ("[mask]\nmajority = 4", ["mask: majority must be", "4"]),
        ("[mask\n", ["is no TOML", "line 1"]),
        ("[mask]\nmin_blob = = 3\n", ["is no TOML", "line 2"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        config.load(written(tmp_path, text))
    for word in ["night.toml", *words]:
        assert word in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*absent\.toml: No such file"):
        config.load(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        config.load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no TOML"):
        config.load(tmp_path / "binary.toml")


@pytest.mark.parametrize("documented", [False, True])
@pytest.mark.parametrize("name", ["fast", "balanced", "best", "classic"])
def test_written_settings_are_read_back_the_same(tmp_path, documented, name):
    settings = config.RunConfig(
        model=replace(preset(name), history=3.5, shadows=True),
        input=config.InputParams(start=2.0, scale=0.5),
    )
    assert (
        config.load(written(tmp_path, config.to_toml(settings, documented=documented))) == settings
    )


def test_every_key_is_written_with_its_meaning():
    lines = config.to_toml(config.RunConfig(), documented=True).splitlines()
    keys = [n for n, line in enumerate(lines) if re.match(r"(# )?\w+ =", line)]
    assert len(keys) > 30
    for n in keys:
        assert lines[n - 1].startswith("# "), lines[n]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("1m30s", 90.0),
        ("1m", 60.0),
        ("2h", 7200.0),
        ("1.5s", 1.5),
        ("1h2m3s4ms", 3723.004),
        ("01:30", 90.0),
        ("01:02:03.5", 3723.5),
    ],
)
def test_durations(text, value):
    assert config.seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "20", "s", "2 s x", "-1s", "1s2m", "2x", "1:2:3:4"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="duration"):
        config.seconds(text)


def test_the_documented_defaults_beside_the_project_are_the_defaults(request):
    path = request.config.rootpath / "configs" / "default.toml"
    assert path.read_text() == config.to_toml(config.RunConfig(), documented=True)
    assert config.load(path) == config.RunConfig()


def test_every_file_in_configs_can_be_used(request):
    paths = sorted((request.config.rootpath / "configs").glob("*.toml"))
    assert len(paths) > 1
    for path in paths:
        config.load(path)
        assert tomllib.loads(path.read_text())
