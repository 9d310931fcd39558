import numpy as np
import pandas as pd
import pytest

from steel_defects.evaluation.detection_by_size import (
    DetectionBySize,
    DetectionCurve,
    detection_curve,
)
from steel_defects.evaluation.robustness import LEVELS
from steel_defects.reporting import segmenter_figures
from steel_defects.reporting.segmenter_figures import (
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


def sentences(curves: dict[str, DetectionCurve]) -> list[str]:
    return detection_sentences(DetectionBySize(evaluation="test", sheets=9, curves=curves))


def all_texts(figure) -> str:
    figure.draw_without_rendering()
    shown = [text.get_text() for text in figure.findobj(match=lambda o: hasattr(o, "get_text"))]
    return "\n".join(shown)


def test_the_curve_names_its_points():
    curve = detection_curve(SIZES, FOUND)
    assert "a90 " in texts(detection_figure(TARGETS, curve))
    sentence = sentences({"All classes": curve})[0]
    assert f"{FOUND.sum()} of 200 defects on 9 test sheets were found." in sentence
    assert "(a90/95)" in sentence


def test_without_a_curve_the_reason_is_given():
    curve = detection_curve(SIZES, np.ones(200, bool))
    assert "None of 200 was missed" in sentences({"1 pit": curve})[0]
    assert "a90" not in texts(detection_figure(TARGETS.assign(found=True), curve))
    nothing = DetectionCurve(targets=0, found=0, remark="There is no defect to find.")
    assert "no defect to find" in texts(detection_figure(TARGETS.head(0), nothing))
    assert sentences({"1 pit": nothing}) == ["Class 1 pit: no defect on 9 test sheets."]


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


@pytest.mark.slow
def test_learning_figure_has_a_column_a_model() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "learning_rate": 0.1})
    gate = history.assign(validation_loss=[2.0, 1, 2], validation_roc_auc=[0.6, 0.9, 0.8])
    figure = segmenter_figures.learning_figure({"gate": gate, "bare": history.head(1)})
    assert len(figure.axes) == 4
    assert "best 0.900 at 2" in all_texts(figure) and "ROC-AUC" in all_texts(figure)
    assert "no other metric" in all_texts(figure)
    assert "No model" in all_texts(segmenter_figures.learning_figure({"gate": history.head(0)}))


def test_segmentation_curves() -> None:
    line = (np.array([0.5, 1.0]), np.array([1.0, 0.2]))
    shown = all_texts(
        segmenter_figures.segmentation_pr_figure(
            {"cracks": line, "rare": (np.array([]), np.array([]))}
        )
    )
    assert "cracks" in shown and "rare: no defective pixels." in shown
    assert "No class" in all_texts(segmenter_figures.segmentation_pr_figure({}))


def test_class_bars_carry_values_names_and_counts() -> None:
    frame = pd.DataFrame(
        {
            "class_id": [1, 2],
            "positives": [1234, 1],
            "dice_on_positives": [0.512, np.nan],
            "boundary_iou_on_positives": 0.3,
        }
    )
    figure = segmenter_figures.class_dice_figure({"unet": frame, "fpn": frame.head(1)}, ["pitting"])
    shown = all_texts(figure)
    assert "0.51" in shown and "n/a" in shown and "unet" in shown
    assert "pitting\n1,234 sheets" in shown and "class 2\n1 sheet" in shown
    assert "No architecture" in all_texts(segmenter_figures.class_dice_figure({}))
