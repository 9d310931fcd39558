import numpy as np
import pandas as pd

from steel_defects.evaluation.detection_by_size import DetectionCurve, detection_curve
from steel_defects.evaluation.robustness import LEVELS
from steel_defects.reporting.figures.detection_figures import (
    detection_figure,
    detection_sentences,
    dice_spread_figure,
    robustness_figure,
)
from steel_defects.tables.declared import ROBUSTNESS

RNG = np.random.default_rng(0)
SIZES = np.exp(RNG.uniform(3, 8, 200)).round()
FOUND = RNG.random(200) < 1 / (1 + np.exp(6 - 1.2 * np.log(SIZES)))
TARGETS = pd.DataFrame({"size_px": SIZES.astype(int), "found": FOUND})


def texts(figure) -> str:
    figure.draw_without_rendering()
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_curve_names_its_points():
    curve = detection_curve(SIZES, FOUND)
    assert "a90 " in texts(detection_figure(TARGETS, curve))
    sentence = detection_sentences({"All classes": curve}, "9 test sheets")[0]
    assert f"{FOUND.sum()} of 200 defects on 9 test sheets were found." in sentence
    assert "(a90/95)" in sentence


def test_without_a_curve_the_reason_is_given():
    curve = detection_curve(SIZES, np.ones(200, bool))
    assert "None of 200 was missed" in detection_sentences({"1 pit": curve}, "9 test sheets")[0]
    assert "a90" not in texts(detection_figure(TARGETS.assign(found=True), curve))
    nothing = DetectionCurve(targets=0, found=0, remark="There is no defect to find.")
    assert "no defect to find" in texts(detection_figure(TARGETS.head(0), nothing))
    assert detection_sentences({"1 pit": nothing}, "9 test sheets") == [
        "Class 1 pit: no defect on 9 test sheets."
    ]


def test_medians_of_each_class_are_written():
    pairs = pd.DataFrame({"class_id": [1, 1, 2], "dice": [0.2, 0.6, 0.9], "true_px": [5, 5, 0]})
    figure = dice_spread_figure(pairs, ["pit"])
    assert "0.40" in texts(figure) and "0.90" not in texts(figure)
    assert "No evaluated sheet" in texts(dice_spread_figure(pairs.head(0), []))


def test_every_corruption_has_its_panel():
    base = dict.fromkeys(ROBUSTNESS.columns, 0.5)
    rows = [base | {"corruption": c, "level": k} for c in LEVELS for k in (0, 1)]
    figure = robustness_figure(pd.DataFrame(rows))
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(LEVELS)
    assert "not measured" in texts(robustness_figure(ROBUSTNESS.empty()))
