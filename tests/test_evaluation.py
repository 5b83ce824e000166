"""Promised: CDnet's rules to the pixel; nothing is scored that cannot be, and nothing left out."""

import json
import re
import time
from dataclasses import replace
from math import isnan
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from rules import recount, recount_fast, seven

from bgsub.errors import BgsubError, ConfigError, FrameError, SourceError
from bgsub.evaluation import (
    Contender,
    Counts,
    Reliability,
    Report,
    Score,
    ablation,
    contenders,
    count,
    find_results,
    find_sequences,
    leave_one_category_out,
    load,
    run_all,
    score_results,
    score_run,
    side_by_side,
    to_csv,
    to_html,
    to_json,
    to_text,
)
from bgsub.evaluation.ablation import ablation_rows
from bgsub.evaluation.charts import f_chart, reliability_chart
from bgsub.evaluation.counts import MEASURES
from bgsub.evaluation.generalise import left_out_rows
from bgsub.evaluation.report import best_of
from bgsub.evaluation.speed import mirrored
from bgsub.masks import MaskParams
from bgsub.models import INGREDIENTS, preset
from bgsub.models.params import CLASSIC
from bgsub.sinks import mask_sink
from bgsub.sinks.base import Result

LABELS = np.array([0, 50, 85, 170, 255], np.uint8)
SIZE = (12, 16)


def write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def pictures(seed=0, frames=6, first=1):
    """Random frames, truth of all five labels and masks of all levels, by number."""
    rng = np.random.default_rng(seed)
    numbers = range(first, first + frames)
    images = {n: rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for n in numbers}
    truths = {n: rng.choice(LABELS, SIZE) for n in numbers}
    masks = {n: rng.choice(np.array([0, 127, 128, 255], np.uint8), SIZE) for n in numbers}
    return images, truths, masks


def write_sequence(folder, images, truths, temporal=None, roi=None):
    for n, image in images.items():
        write(folder / "input" / f"in{n:06d}.png", image)
    for n, truth in truths.items():
        write(folder / "groundtruth" / f"gt{n:06d}.png", truth)
    if temporal:
        (folder / "temporalROI.txt").write_text("{} {}\n".format(*temporal))
    if roi is not None:
        write(folder / "ROI.bmp", roi)
    return folder


def write_masks(folder, masks, shift=0):
    for n, mask in masks.items():
        write(folder / f"bin{n + shift:06d}.png", mask)
    return folder


def only(folder, **options):
    (sequence,) = find_sequences(folder, **options)
    return sequence


def score_all(folder, out):
    sequence = only(folder)
    return score_results(sequence, find_results(out, sequence))


def as_tuple(counts):
    return counts.tp, counts.fp, counts.fn, counts.tn, counts.shadow_fp


@pytest.fixture
def made(tmp_path):
    """A sequence and its masks on disk: frames 2 to 5 scored, within half of the picture."""
    images, truths, masks = pictures()
    del truths[4]
    roi = np.zeros(SIZE, np.uint8)
    roi[:, 5:] = 255
    folder = write_sequence(tmp_path / "data" / "street" / "cars", images, truths, (2, 5), roi)
    write_masks(tmp_path / "out" / "street" / "cars", masks)
    return folder, tmp_path / "out", truths, masks, roi


# Rules


def test_a_hand_counted_frame():
    truth = np.array([[0, 0, 0, 50, 50, 255], [255, 255, 255, 85, 170, 50]], np.uint8)
    mask = np.array([[0, 127, 255, 0, 255, 0], [127, 255, 128, 255, 255, 200]], np.uint8)
    counts = count(truth, mask)
    assert counts == Counts(tp=2, fp=3, fn=2, tn=3, shadow_fp=2, frames=1)
    assert counts.measures() == pytest.approx(
        {
            "recall": 2 / 4,
            "specificity": 3 / 6,
            "fpr": 3 / 6,
            "fnr": 2 / 4,
            "pwc": 50.0,
            "precision": 2 / 5,
            "f": 4 / 9,
        }
    )


def test_measures_follow_the_benchmarks_definitions():
    rng = np.random.default_rng(3)
    for tp, fp, fn, tn in rng.integers(1, 1000, (50, 4)).tolist():
        measures = Counts(tp=tp, fp=fp, fn=fn, tn=tn).measures()
        assert measures == pytest.approx(seven(tp, fp, fn, tn), rel=1e-12)
    assert tuple(measures) == MEASURES


def test_where_nothing_can_be_divided_by_there_is_no_measure():
    empty = Counts(tn=5).measures()
    assert {name for name, value in empty.items() if isnan(value)} == {
        "recall",
        "fnr",
        "precision",
        "f",
    }
    # Something was there and nothing was found: that is a failure, no missing value.
    assert Counts(fn=3, tn=5).f == 0


def test_counts_of_frames_add_up_to_the_counts_of_all():
    _, truths, masks = pictures(frames=4)
    total = sum((count(truths[n], masks[n]) for n in truths), Counts())
    stacked = count(np.vstack(list(truths.values())), np.vstack(list(masks.values())))
    assert as_tuple(total) == as_tuple(stacked)
    assert total.frames == 4


def test_only_scored_frames_and_pixels_are_counted(made):
    folder, out, truths, masks, roi = made
    score = score_all(folder, out)
    assert as_tuple(score.counts) == recount(truths, masks, 2, 5, roi)
    assert score.counts.frames == 3
    assert (score.category, score.name) == ("street", "cars")


def test_without_roi_files_every_frame_and_pixel_counts(tmp_path):
    images, truths, masks = pictures(1)
    folder = write_sequence(tmp_path / "cars", images, truths)
    score = score_results(only(folder), write_masks(tmp_path / "out", masks))
    assert as_tuple(score.counts) == recount(truths, masks, 1, 6)


def test_an_roi_of_another_size_is_left_out_with_a_warning(tmp_path, caplog):
    images, truths, masks = pictures(2)
    roi = np.zeros((20, 20), np.uint8)
    roi[:5] = 255
    folder = write_sequence(tmp_path / "cars", images, truths, roi=roi)
    score = score_results(only(folder), write_masks(tmp_path / "out", masks))
    assert as_tuple(score.counts) == recount(truths, masks, 1, 6)
    assert "ROI.bmp is 20x20, the frames are 16x12" in caplog.text


def test_an_roi_of_another_size_that_is_white_changes_nothing(tmp_path, caplog):
    images, truths, _ = pictures(2)
    roi = np.full((20, 20), 255, np.uint8)
    sequence = only(write_sequence(tmp_path / "cars", images, truths, roi=roi))
    np.testing.assert_array_equal(sequence.truth(1), truths[1])
    assert not caplog.text


# Masks on disk


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("form", ["cdnet", "png", "npz", "ffv1"])
def test_every_form_that_run_writes_is_scored_alike(tmp_path, form, first):
    images, truths, masks = pictures(4, first=first)
    for mask in masks.values():
        mask[mask == 128] = 255
    folder = write_sequence(tmp_path / "data" / "a" / "b", images, truths)
    out = tmp_path / "out" / ("b" + {"npz": ".npz", "ffv1": ".mkv"}.get(form, ""))
    sink = mask_sink(form, out, fps=25)
    for index, n in enumerate(images):
        sink.write(Result(images[n], masks[n], index))
    sink.close()
    score = score_all(folder, out.parent)
    assert as_tuple(score.counts) == recount(truths, masks, first, first + 5)


def test_masks_numbered_as_their_frames_from_0_are_not_shifted(tmp_path):
    images, truths, masks = pictures(5, first=0)
    sequence = only(write_sequence(tmp_path / "cars", images, truths, (1, 4)))
    some = {n: masks[n] for n in (1, 2, 3, 4)}
    score = score_results(sequence, write_masks(tmp_path / "out", some))
    assert as_tuple(score.counts) == recount(truths, masks, 1, 4)


def test_the_folder_itself_holds_masks_of_one_sequence_only(made):
    folder, out, *_ = made
    sequence = only(folder)
    inner = out / "street" / "cars"
    assert find_results(inner, sequence, alone=True) == inner
    with pytest.raises(SourceError, match=r"no masks of street/cars.*bin000001\.png"):
        find_results(inner, sequence)


# Runs


class Shown:
    """A sequence in memory, moving squares on noise: quick, and its truth is known."""

    def __init__(self, tmp_path, frames=14):
        rng = np.random.default_rng(7)
        images, truths = {}, {}
        for n in range(1, frames + 1):
            image = rng.integers(90, 100, (48, 64, 3), dtype=np.uint8)
            truth = np.zeros((48, 64), np.uint8)
            truth[10:30, 3 * n : 3 * n + 16] = 255
            image[truth == 255] = (30, 60, 220)
            images[n], truths[n] = image, truth
        self.images, self.truths = images, truths
        self.folder = write_sequence(
            tmp_path / "data" / "made" / "square", images, truths, (8, frames)
        )


@pytest.fixture
def shown(tmp_path):
    return Shown(tmp_path)


def test_a_peer_is_run_from_the_first_frame_with_its_own_masks(shown):
    """Against OpenCV called by hand, counted by the independent rules."""
    model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    masks = {n: model.apply(image) for n, image in shown.images.items()}
    (score,) = score_run(only(shown.folder), contenders(models=("mog2",)))
    assert as_tuple(score.counts) == recount(shown.truths, masks, 8, 14)
    assert score.counts.tp > 0
    assert score.milliseconds > 0
    assert score.reliability is None


def test_a_peers_median_is_opencvs_median(shown):
    """Away from the border, where OpenCV repeats the edge and ours shrinks the window."""
    model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    (contender,) = contenders(models=("mog2",), medians=(5,))
    ours, clean = contender.build(1)
    for image in shown.images.values():
        expected = cv2.medianBlur(model.apply(image), 5)
        np.testing.assert_array_equal(clean(ours.apply(image))[2:-2, 2:-2], expected[2:-2, 2:-2])


def test_several_contenders_do_not_disturb_each_other(shown):
    sequence = only(shown.folder)
    both = contenders(("balanced",), models=("mog2",))
    together = score_run(sequence, both)
    alone = [score_run(sequence, [contender])[0] for contender in both]
    assert [s.counts for s in together] == [s.counts for s in alone]


def test_a_run_and_its_masks_on_disk_score_alike(shown, tmp_path):
    sequence = only(shown.folder)
    (contender,) = contenders(("balanced",))
    model, clean = contender.build(1)
    sink = mask_sink("cdnet", tmp_path / "out")
    for index, image in enumerate(shown.images.values()):
        mask = clean(model.apply(image))
        model.feedback(mask)
        sink.write(Result(image, mask, index))
    sink.close()
    assert (
        score_run(sequence, [contender])[0].counts
        == score_results(sequence, tmp_path / "out").counts
    )


def test_a_peer_that_draws_random_numbers_scores_alike_each_time(tmp_path):
    """KNN on noise, which it takes for foreground here and there."""
    rng = np.random.default_rng(1)
    background = rng.integers(0, 256, (48, 64, 3))
    noise = rng.normal(0, 8, (40, *background.shape))
    images = dict(enumerate(np.clip(background + noise, 0, 255).astype(np.uint8), 1))
    truths = {n: np.zeros((48, 64), np.uint8) for n in images}
    sequence = only(write_sequence(tmp_path / "noise", images, truths, (30, 40)))
    one, two = (score_run(sequence, contenders(models=("knn",)))[0].counts for _ in range(2))
    assert one == two
    assert one.fp > 0


def test_jobs_change_nothing_but_the_time(shown, tmp_path):
    Shown(tmp_path / "more", frames=12)
    sequences = find_sequences(tmp_path / "data") + find_sequences(tmp_path / "more" / "data")
    seen = []
    (one,) = run_all(sequences, contenders(models=("mog2",)))
    (two,) = run_all(sequences, contenders(models=("mog2",)), jobs=2, progress=seen.append)
    assert [s.counts for s in one.scores] == [s.counts for s in two.scores]
    assert len(seen) == 14 + 12


def test_one_failing_sequence_ends_all_with_its_error(shown, tmp_path):
    other = Shown(tmp_path / "more").folder
    (other / "input" / "in000003.png").write_bytes(b"no picture")
    sequences = find_sequences(tmp_path / "data") + find_sequences(tmp_path / "more" / "data")
    whole = []

    def slowly(sequence):
        if sequence.folder != other:
            time.sleep(0.1)  # long enough for the error to come first
            whole.append(sequence)

    with pytest.raises(SourceError, match=r"in000003\.png is no picture"):
        run_all(sequences, contenders(models=("mog2",)), jobs=2, progress=slowly)
    assert len(whole) < len(shown.images)


def test_the_worst_frames_are_kept_apart_from_each_other():
    score = Score("a", "b")
    truth = np.zeros((4, 4), np.uint8)
    wrong = {10: 3, 11: 9, 12: 8, 60: 4, 61: 2, 120: 1, 130: 7}
    for n, pixels in wrong.items():
        mask = np.zeros((4, 4), np.uint8)
        mask.flat[:pixels] = 255
        score.add(n, truth, mask, lambda n=n: np.full((4, 4), n, np.uint8))
    assert [(bad.number, bad.wrong) for bad in score.worst] == [(11, 9), (130, 7)]
    assert all((bad.image == bad.number).all() for bad in score.worst)


# Reliability


def test_reliability_by_hand():
    truth = np.array([[0, 255, 255, 50, 170, 85]], np.uint8)
    probability = np.array([[0.05, 0.95, 1.0, 0.55, 0.5, 0.5]], np.float32)
    total = Reliability.of(truth, probability) + Reliability.none()
    assert total.pixels.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert total.foreground.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    # Float32 probabilities, hence the tolerance.
    assert total.brier == pytest.approx((0.05**2 + 0.05**2 + 0.55**2) / 4, rel=1e-6)
    assert total.calibration_error == pytest.approx((0.05 + 0.55 + 0.05) / 4, rel=1e-6)
    assert total.rows()[9]["claimed"] == pytest.approx(0.975)


def test_a_probability_that_is_drawn_from_itself_is_reliable():
    rng = np.random.default_rng(0)
    probability = rng.random((400, 500)).astype(np.float32)
    truth = np.where(rng.random((400, 500)) < probability, 255, 0).astype(np.uint8)
    total = Reliability.of(truth, probability)
    for row in total.rows():
        # Three standard errors of a share of 20000 pixels.
        assert abs(row["claimed"] - row["observed"]) < 3 * 0.5 / 20000**0.5
    assert total.brier == pytest.approx(1 / 6, abs=0.002)


def test_only_our_model_has_its_probability_judged(shown):
    ours, theirs = score_run(only(shown.folder), contenders(("balanced",), models=("knn",)))
    assert theirs.reliability is None
    assert ours.reliability.pixels.sum() == 7 * 48 * 64
    assert ours.reliability.foreground.sum() == sum(
        np.count_nonzero(shown.truths[n] == 255) for n in range(8, 15)
    )


# Reports


def report(name, f_by_sequence, milliseconds=1.0):
    """A report whose F is exact: of 1000 foreground pixels, with as many false as missed."""
    scores = []
    for where, f in f_by_sequence.items():
        hit = round(1000 * f)
        counts = Counts(tp=hit, fp=1000 - hit, fn=1000 - hit, tn=5000, frames=2)
        scores.append(Score(*where.split("/"), counts, milliseconds))
    return Report(name, scores)


def test_means_are_over_sequences_then_over_categories():
    r = report("x", {"a/1": 0.2, "a/2": 0.4, "b/3": 0.9})
    assert r.categories()["a"]["f"] == pytest.approx(0.3)
    assert r.over_categories()["f"] == pytest.approx(0.6)
    assert r.over_sequences()["f"] == pytest.approx(0.5)


def test_a_sequence_without_foreground_is_not_in_the_mean_of_f():
    r = report("x", {"a/1": 0.2, "a/2": 0.4})
    r.scores.append(Score("a", "3", Counts(tn=100)))
    assert r.categories()["a"]["f"] == pytest.approx(0.3)
    assert r.categories()["a"]["specificity"] == pytest.approx((5000 / 5800 + 5000 / 5600 + 1) / 3)


def test_a_category_has_a_row_where_that_says_something_new():
    lines = to_text([report("x", {"a/1": 0.2, "a/2": 0.4, "b/3": 0.9})]).splitlines()
    means = [line.split("  ")[0] for line in lines if line.startswith("mean of ")]
    assert means == ["mean of a", "mean of categories", "mean of sequences"]


def test_the_table_says_what_was_counted():
    lines = to_text([report("mine", {"a/1": 0.25, "b/2": 0.75})]).splitlines()
    assert lines[0] == "mine"
    head = "Sequence  Recall  Spec  FPR  FNR  PWC  Prec  F  shadow FP  frames  ms"
    assert re.sub("  +", "  ", lines[1]) == head
    assert lines[2].split()[0] == "a/1"
    assert lines[2].split()[7] == "0.2500"
    assert lines[-1].split()[:3] == ["mean", "of", "sequences"]
    assert lines[-1].split()[9] == "0.5000"


def test_json_comes_back(made, tmp_path):
    folder, out, *_ = made
    reports = [Report("x", [score_all(folder, out)])]
    reports.append(report("y", {"a/1": 0.5}))
    (tmp_path / "r.json").write_text(to_json(reports))
    back = load(tmp_path / "r.json")
    for one, other in zip(reports, back, strict=True):
        assert one.name == other.name
        assert [s.counts for s in one.scores] == [s.counts for s in other.scores]
    assert isnan(back[0].scores[0].milliseconds)
    assert "NaN" not in to_json(reports)


def test_csv_has_a_row_for_each_report_and_sequence():
    text = to_csv([report("x", {"a/1": 0.5, "b/2": 1.0}), report("y", {"a/1": 0.25})])
    head, *rows = [line.split(",") for line in text.splitlines()]
    assert [row[:3] for row in rows] == [["x", "a", "1"], ["x", "b", "2"], ["y", "a", "1"]]
    found = dict(zip(head, rows[2], strict=True))
    assert (found["tp"], found["fn"], found["f"], found["frames"]) == (
        "250",
        "750",
        "0.250000",
        "2",
    )


def test_side_by_side_shows_the_difference_and_what_only_one_has():
    text = side_by_side(
        [
            report("old", {"a/1": 0.5, "b/2": 0.25, "b/3": 1}),
            report("new", {"b/2": 0.75, "a/1": 0.5}),
        ]
    )
    rows = {line.split("  ")[0]: line.split()[-3:] for line in text.split("\n\n")[0].splitlines()}
    assert rows["a/1"] == ["0.5000", "0.5000", "+0.0000"]
    assert rows["b/2"] == ["0.2500", "0.7500", "+0.5000"]
    assert rows["mean of sequences"] == ["0.3750", "0.6250", "+0.2500"]
    assert text.splitlines()[-1] == "not in all reports, and left out here: b/3"


def test_the_best_of_several_is_chosen_by_sequence_and_f():
    greedy = Report(
        "x", [Score("a", "1", Counts(tp=9, fp=20)), Score("b", "2", Counts(tp=1, fn=4))]
    )
    shy = Report("y", [Score("b", "2", Counts(fn=5)), Score("a", "1", Counts(tp=6, fn=3))])
    best = best_of("best", [greedy, shy])
    assert [(str(s), s.counts.tp) for s in best.scores] == [("a/1", 6), ("b/2", 1)]


# Charts

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_f():
    x, y = report("x", {"a/1": 0.5, "b/2": 0.2}), report("y", {"a/1": 1.0, "b/2": 0.75})
    y.scores.append(Score("c", "3", Counts(tn=9)))
    x.scores.append(y.scores[-1])
    chart = ElementTree.fromstring(f_chart([x, y]))
    f = [0.5, 1.0, 0.2, 0.75, 0.0, 0.0, 0.35, 0.875]
    widths = [float(bar.get("width")) for bar in chart.iter(f"{SVG}rect")]
    # Written to a tenth of a pixel.
    assert widths == pytest.approx([widths[1] * value for value in f], abs=0.06)
    told = [text.text for text in chart.iter(f"{SVG}text") if text.get("class") == "value"]
    assert told == ["0.500", "1.000", "0.200", "0.750", "-", "-", "0.350", "0.875"]


def test_reliable_probabilities_lie_on_the_diagonal():
    truth = np.array([[0, 0, 0, 255, 0, 255, 255, 255]], np.uint8)
    probability = np.array([[0.25] * 4 + [0.75] * 4], np.float32)
    chart = ElementTree.fromstring(reliability_chart({0: Reliability.of(truth, probability)}))
    (ideal,) = (line for line in chart.iter(f"{SVG}line") if line.get("class") == "ideal")
    x1, y1, x2, y2 = (float(ideal.get(name)) for name in ("x1", "y1", "x2", "y2"))
    assert x1 < x2
    assert y1 > y2
    points = [(float(c.get("cx")), float(c.get("cy"))) for c in chart.iter(f"{SVG}circle")]
    on_it = [(x1 + share * (x2 - x1), y1 + share * (y2 - y1)) for share in (0.25, 0.75)]
    np.testing.assert_allclose(points, on_it, atol=0.06)  # tenths of a pixel are written


def test_the_page_marks_the_best_of_each_row():
    page = to_html(
        "t", [report("x", {"a/1": 0.5, "b/2": 0.2}), report("y", {"a/1": 0.4, "b/2": 0.9})]
    )
    best = re.findall(r"<td class=best>([^<]+)</td>", page)
    assert best == ["0.5000", "0.9000", "0.6500", "0.6500"]


# Ablation


def test_every_ingredient_can_be_switched_off_and_all_off_is_classic():
    """The switches of the kernel are those of the classic mixture then."""
    whole = preset("balanced")
    made = ablation(contenders(("balanced",))[0])
    assert len(made) == 1 + len(INGREDIENTS) + 5
    assert len({(c.model, c.masks) for c in made}) == len(made)
    for off in INGREDIENTS.values():
        whole = replace(whole, **off)
    bare = replace(whole, modes=CLASSIC.modes, prune=CLASSIC.prune)
    assert bare.variant(3) == CLASSIC.variant(3)


def test_what_a_preset_lacks_is_not_ablated():
    plain = MaskParams(majority=1, weak_share=0.5, bridge_shadows=0.0)
    names = [c.name for c in ablation(Contender("classic", CLASSIC, plain))]
    assert names == ["classic", "without dropping small blobs", "without filling holes"]


def test_the_ablation_table_shows_changes_to_the_whole():
    whole = report("whole", {"a/1": 0.9, "b/2": 0.7, "b/3": 0.5})
    means, each = ablation_rows([whole, report("without x", {"a/1": 0.6, "b/2": 0.7, "b/3": 0.2})])
    assert means[0] == ["F", "sequences", "change", "categories", "a", "b", "ms"]
    assert means[1] == ["whole", "0.7000", "", "0.7500", "0.9000", "0.6000", "1.00"]
    assert means[2] == ["without x", "0.5000", "-0.2000", "0.5250", "0.6000", "0.4500", "1.00"]
    assert each[2] == ["without x", "0.6000", "0.7000", "0.2000"]


# Leave one category out


def test_parameters_are_chosen_on_the_other_categories():
    x = report("x", {"a/1": 0.3, "a/2": 0.5, "b/3": 0.9, "c/4": 0.8})
    y = report("y", {"a/1": 0.9, "a/2": 0.7, "b/3": 0.4, "c/4": 0.6})
    a, b, c = leave_one_category_out([x, y])
    assert (a.category, a.chosen, a.best) == ("a", "x", "y")
    assert (a.f_others, a.f, a.f_best) == pytest.approx((0.85, 0.4, 0.8))
    assert (b.chosen, b.best) == ("y", "x")
    assert (b.f_others, b.f, b.f_best) == pytest.approx((0.7, 0.4, 0.9))
    assert (c.chosen, c.best) == ("x", "x")
    assert left_out_rows([a, b, c])[-1] == ["mean", "", "0.7333", "0.5333", "", "0.8333"]


def test_what_cannot_be_left_out_is_refused():
    one = report("x", {"a/1": 0.3})
    with pytest.raises(SourceError, match="at least two categories"):
        leave_one_category_out([one])
    two = report("x", {"a/1": 0.3, "b/1": 0.3})
    with pytest.raises(SourceError, match="one name twice"):
        leave_one_category_out([two, two])
    still = Report("x", [*two.scores, Score("c", "1", Counts(tn=9))])
    with pytest.raises(SourceError, match="c has no F"):
        leave_one_category_out([still])


# Bad input


# Planted in a good dataset and its results, and what must be said of it.
FAULTS = {
    "no folder": (lambda d, o: d.rename(d.parent / "gone"), "there is no folder"),
    "no truth": (lambda d, o: (d / "groundtruth").rename(d / "x"), "no sequence under"),
    "empty truth": (
        lambda d, o: [p.unlink() for p in (d / "groundtruth").iterdir()],
        "no numbered picture in .*groundtruth",
    ),
    "no input": (lambda d, o: (d / "input").rename(d / "x"), "there is no folder .*input"),
    "input lacks a frame": (
        lambda d, o: (d / "input" / "in000003.png").unlink(),
        r"1 pictures of truth.*gt000003\.png",
    ),
    "temporal roi of words": (
        lambda d, o: (d / "temporalROI.txt").write_text("all"),
        "temporalROI.txt must hold two numbers",
    ),
    "temporal roi elsewhere": (
        lambda d, o: (d / "temporalROI.txt").write_text("90 95"),
        "no frame .* is scored: temporalROI.txt says 90 to 95, the truth is numbered 1 to 6",
    ),
    "truth damaged": (
        lambda d, o: (d / "groundtruth" / "gt000003.png").write_bytes(b"x"),
        r"gt000003\.png is no picture",
    ),
    "truth of another size": (
        lambda d, o: write(d / "groundtruth" / "gt000003.png", np.zeros((5, 5), np.uint8)),
        r"gt000003\.png is 5x5, but its frame is 16x12",
    ),
    "truth of other labels": (
        lambda d, o: write(d / "groundtruth" / "gt000003.png", np.full(SIZE, 254, np.uint8)),
        "street/cars, frame 3: expected truth of labels 0, 50, 85, 170 and 255, got 254",
    ),
    "two of a number": (
        lambda d, o: write(d / "groundtruth" / "xx000003.png", np.zeros(SIZE, np.uint8)),
        "same number",
    ),
    "no results": (lambda d, o: o.rename(o.parent / "gone"), "no masks of street/cars"),
    "empty results": (
        lambda d, o: [p.unlink() for p in (o / "street" / "cars").iterdir()],
        "no numbered picture",
    ),
    "mask missing": (
        lambda d, o: (o / "street" / "cars" / "bin000003.png").unlink(),
        "lacks 1 of 3 scored masks of street/cars, the first of them for frame 3",
    ),
    "mask of another size": (
        lambda d, o: write(o / "street" / "cars" / "bin000003.png", np.zeros((6, 8), np.uint8)),
        "street/cars, frame 3: the mask is 8x6, its truth 16x12",
    ),
    "mask of 16 bits": (
        lambda d, o: write(o / "street" / "cars" / "bin000003.png", np.zeros(SIZE, np.uint16)),
        "8 bits a channel, got uint16",
    ),
    "masks of 0 and 1": (
        lambda d, o: [
            write(p, np.eye(*SIZE, dtype=np.uint8)) for p in (o / "street" / "cars").iterdir()
        ],
        "got 0 and 1; multiply by 255",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_is_named_in_one_line(made, fault):
    folder, out, *_ = made
    plant, says = FAULTS[fault]
    plant(folder, out)
    with pytest.raises(BgsubError, match=says) as told:
        score_all(folder, out)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"format": "bgsub-eval", "version": 2, "runs": []}',
        '{"format": "bgsub-eval", "version": 1, "runs": []}',
        '{"format": "bgsub-eval", "version": 1, "runs": [{"name": "x", "sequences": []}]}',
        '{"format": "bgsub-eval", "version": 1, "runs": [{"name": "x", "sequences": [1]}]}',
        '{"format": "bgsub-eval", "version": 1, "runs": [{"name": "x", "sequences": '
        '[{"category": "a", "name": "b", "counts": [1], "milliseconds": null}]}]}',
    ],
)
def test_a_broken_report_is_refused(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(SourceError, match=r"r\.json is no report that `bgsub eval --json` wrote"):
        load(tmp_path / "r.json")


def test_other_faults_are_named(tmp_path, made):
    folder, *_ = made
    with pytest.raises(SourceError, match=r"cannot read .*none\.json: No such file"):
        load(tmp_path / "none.json")
    with pytest.raises(SourceError, match="matches 'bus'; there are street/cars"):
        find_sequences(folder.parent.parent, only=("bus",))
    with pytest.raises(SourceError, match=r"is left after leaving out street/\*"):
        find_sequences(folder.parent.parent, skip=("street/*",))
    with pytest.raises(SourceError, match="no sequence in common"):
        side_by_side([report("x", {"a/1": 1}), report("y", {"a/2": 1})])
    with pytest.raises(ConfigError, match=r"mog3.*known"):
        contenders(models=("mog3",))
    with pytest.raises(ConfigError, match=r"majority must be .*odd.*got 4"):
        contenders(models=("mog2",), medians=(4,))
    with pytest.raises(FrameError, match="expected truth of labels"):
        count(np.full((2, 2), 1, np.uint8), np.zeros((2, 2), np.uint8))


# Real data


@pytest.mark.parametrize("name", ["sbi/IBMtest2", "wallflower/WavingTrees"])
def test_counts_of_real_videos_are_those_of_the_rules(real_data, name):
    folder = real_data / name
    first, last = map(int, (folder / "temporalROI.txt").read_text().split())
    truths = {
        int(p.stem[-6:]): cv2.imread(str(p), cv2.IMREAD_GRAYSCALE)
        for p in (folder / "groundtruth").iterdir()
    }
    model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    masks = {
        int(p.stem[-6:]): model.apply(cv2.imread(str(p)))
        for p in sorted((folder / "input").iterdir())
    }
    (score,) = score_run(only(folder), contenders(models=("mog2",)))
    assert as_tuple(score.counts) == recount_fast(truths, masks, first, last)


def test_the_measures_in_json_are_those_of_the_rules(made):
    folder, out, truths, masks, roi = made
    text = to_json([Report("x", [score_all(folder, out)])])
    (told,) = json.loads(text)["runs"][0]["sequences"]
    tp, fp, fn, tn, _ = recount(truths, masks, 2, 5, roi)
    # Six decimals are written.
    expected = seven(tp, fp, fn, tn)
    assert {name: told[name] for name in expected} == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("size", [(7, 5), (3, 9), (20, 2)])
def test_a_mirrored_picture_goes_on_without_an_edge(size):
    """As numpy's symmetric padding continues it; a smaller one is cut."""
    picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    width, height = size
    expected = np.pad(picture, ((0, 16), (0, 24), (0, 0)), "symmetric")[:height, :width]
    np.testing.assert_array_equal(next(mirrored([picture], size)), expected)
