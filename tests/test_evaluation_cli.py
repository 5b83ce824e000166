"""Promised: `bgsub eval` scores what `bgsub run` writes, and says in one line what is wrong."""

import base64
import json
import re

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from bgsub.cli import main
from bgsub.evaluation.page import FALSE, FALSE_IN_SHADOW, MISSED, RIGHT, UNSCORED, colored_errors
from bgsub.synthetic import scene


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two drawn sequences in two categories, their truth from the tenth frame on."""
    root = tmp_path_factory.mktemp("data")
    for category, name, seed in (("day", "street", 3), ("dusk", "road", 8)):
        folder = root / category / name
        for part in ("input", "groundtruth"):
            (folder / part).mkdir(parents=True)
        shots = scene("street", frames=40, seed=seed, size=(160, 120))
        for n, shot in enumerate(shots, 1):
            cv2.imwrite(str(folder / "input" / f"in{n:06d}.png"), shot.image)
            cv2.imwrite(str(folder / "groundtruth" / f"gt{n:06d}.png"), shot.truth)
        (folder / "temporalROI.txt").write_text("10 40")
    return root


@pytest.fixture(scope="module")
def scored(dataset, tmp_path_factory):
    """The files of one run with two contenders."""
    out = tmp_path_factory.mktemp("scores")
    files = {form: out / f"scores.{form}" for form in ("json", "csv", "html")}
    options = [text for form, path in files.items() for text in (f"--{form}", path)]
    result = call("eval", "--run", "--preset", "balanced", "--model", "mog2", *options, dataset)
    assert result.exit_code == 0, result.output
    return result, files


@pytest.mark.parametrize("form", ["cdnet", "png", "ffv1", "npz"])
def test_masks_that_run_wrote_score_like_the_run_itself(dataset, tmp_path, scored, form):
    sources = [dataset / "day" / "street", dataset / "dusk" / "road"]
    result = call("run", *sources, "-o", tmp_path / "out", "-f", form, "-q")
    assert result.exit_code == 0, result.output
    result = call("eval", tmp_path / "out", dataset, "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    (told,) = json.loads((tmp_path / "out.json").read_text())["runs"]
    ours = json.loads(scored[1]["json"].read_text())["runs"][0]
    assert [s["counts"] for s in told["sequences"]] == [s["counts"] for s in ours["sequences"]]
    assert told["sequences"][0]["counts"]["frames"] == 31
    assert told["sequences"][0]["counts"]["tp"] > 0


def test_one_sequence_can_be_named_by_its_folder(dataset, tmp_path):
    folder = dataset / "day" / "street"
    call("run", folder / "input", "-o", tmp_path / "masks.npz", "-q")
    result = call("eval", tmp_path / "masks.npz", folder)
    assert result.exit_code == 0
    assert re.search(r"^day/street +0\.\d{4} ", result.output, re.MULTILINE)


def test_every_contender_has_its_table_and_its_column(scored):
    result, files = scored
    lines = result.stdout.splitlines()
    assert lines[0] == "balanced"
    assert "mog2" in lines
    assert any(re.fullmatch(r"F +balanced +mog2 +difference", line) for line in lines)
    assert any(line.startswith("mean of categories") for line in lines)
    assert "Brier score" in result.stdout
    runs = json.loads(files["json"].read_text())["runs"]
    assert [run["name"] for run in runs] == ["balanced", "mog2"]
    assert "reliability" in runs[0]
    assert "reliability" not in runs[1]
    assert len(files["csv"].read_text().splitlines()) == 1 + 2 * 2


def test_the_page_holds_its_pictures_and_needs_nothing_else(scored):
    page = scored[1]["html"].read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    pictures = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    # For each of two sequences and two contenders one frame: input, truth, mask, errors.
    assert len(pictures) == 2 * 2 * 4
    for picture in pictures:
        image = cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), -1)
        assert image.shape[:2] == (120, 160)
    assert page.count("<svg") == 2
    # A bar for each sequence and their mean.
    assert page.count('<rect x="220"') == 3 * 2


def test_the_colours_of_errors():
    truth = np.array([[255, 255, 0, 0, 50, 50, 85, 170]], np.uint8)
    mask = np.array([[255, 127, 255, 0, 255, 0, 255, 0]], np.uint8)
    black = (0, 0, 0)
    expected = [RIGHT, MISSED, FALSE, black, FALSE_IN_SHADOW, black, UNSCORED, UNSCORED]
    np.testing.assert_array_equal(colored_errors(truth, mask), [expected])


def test_names_in_a_page_are_escaped(dataset, tmp_path):
    settings = tmp_path / "a<b>&c.toml"
    settings.write_text("[model]\nmodes = 3\n")
    page = tmp_path / "p.html"
    result = call("eval", "--run", "-c", settings, "--only", "road", "--html", page, "-q", dataset)
    assert result.exit_code == 0
    assert "a&lt;b&gt;&amp;c" in page.read_text()
    assert "a<b>" not in page.read_text()


def test_the_best_median_of_a_peer_gets_its_own_column(dataset):
    result = call(
        "eval", "--run", "--model", "mog2", "--median", 1, "--median", 5, dataset, "--jobs", 2
    )
    assert result.exit_code == 0
    table = result.stdout[result.stdout.index("\nF  ") :].strip().split("\n\n")[0]
    head, *rows = [re.split("  +", line) for line in table.splitlines()]
    assert head == ["F", "mog2", "mog2 median 5", "mog2 best median"]
    for name, *f in rows[:2]:
        assert f[2] == max(f[:2]), name


def test_compare_names_files_where_runs_have_one_name(scored, tmp_path):
    again = tmp_path / "again.json"
    again.write_text(scored[1]["json"].read_text())
    result = call("eval", "compare", scored[1]["json"], again)
    assert result.exit_code == 0
    head = result.stdout.splitlines()[0]
    assert f"{again.with_suffix('')}: mog2" in head
    assert "scores: balanced" in head


def test_generalise_reads_runs_of_several_files(scored):
    result = call("eval", "generalise", scored[1]["json"])
    assert result.exit_code == 0
    head, day, dusk, mean = result.stdout.splitlines()
    assert head.startswith("Left out")
    assert (day.split()[0], dusk.split()[0], mean.split()[0]) == ("day", "dusk", "mean")


def test_ablation_has_a_row_for_each_ingredient(dataset, tmp_path):
    scores = tmp_path / "a.json"
    result = call(
        "eval", "ablation", "--preset", "classic", "--only", "road", "--json", scores, dataset
    )
    assert result.exit_code == 0, result.output
    names = [re.split("  +", line)[0] for line in result.stdout.split("\n\n")[0].splitlines()]
    assert names == [
        "F",
        "classic",
        "without majority filter",
        "without weak foreground joined",
        "without shadows bridged",
        "without dropping small blobs",
        "without filling holes",
    ]
    assert [run["name"] for run in json.loads(scores.read_text())["runs"]] == names[1:]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["DATA"], 2, "expected RESULTS and DATASET, or --run and DATASET"),
        (["--run", "DATA", "DATA"], 2, "expected DATASET alone with --run"),
        (["OUT", "DATA", "--model", "mog2"], 2, "need --run"),
        (["--run", "--median", "5", "DATA"], 2, "--median needs --model"),
        (["--run", "--preset", "fats", "DATA"], 2, "did you mean 'fast'"),
        (["--run", "--model", "mog3", "DATA"], 2, "unknown model 'mog3'"),
        (["--run", "--model", "mog2", "--median", "4", "DATA"], 2, "odd number of pixels, got 4"),
        (["--run", "--model", "knn", "--model", "knn", "DATA"], 2, "got knn more than once"),
        (["--run", "-c", "none.toml", "DATA"], 2, "cannot read none.toml"),
        (["--run", "--only", "bus", "DATA"], 3, "matches 'bus'; there are day/street, dusk/road"),
        (["--run", "OUT"], 3, "there is no folder"),
        (["OUT", "DATA"], 3, "no masks of day/street under"),
        (["--run", "DATA", "--json", "DATA/dusk/road/temporalROI.txt"], 2, "exists"),
        (["compare", "DATA/dusk/road/temporalROI.txt"], 3, "is no report that"),
        (["compare", "none.json"], 3, "cannot read none.json"),
        (["ablation", "--preset", "x", "-c", "y", "DATA"], 2, "expected --preset or --config"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(dataset, tmp_path, arguments, code, says):
    places = {"DATA": dataset, "OUT": tmp_path / "out"}
    given = [re.sub("^(DATA|OUT)", lambda m: str(places[m[0]]), word) for word in arguments]
    result = call("eval", *given)
    assert result.exit_code == code
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert says in errors[0]
    assert result.stdout == ""
