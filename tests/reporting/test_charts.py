"""Figures: what they say, and that lacking data is said and not a crash."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from steel_defects.drawing.style import to_png
from steel_defects.reporting.figures import charts
from steel_defects.reporting.figures.scores import hits_and_alarms


def scores(labels: list[bool], values: list[float]) -> pd.DataFrame:
    nothing = pd.array([pd.NA] * len(labels), dtype="Int64")
    return pd.DataFrame(
        {
            "sheet_id": [f"{number}.jpg" for number in range(len(labels))],
            "split": "test",
            "repeat": nothing,
            "fold": nothing,
            "has_defect": labels,
            "score": values,
        }
    )


@pytest.fixture
def table() -> pd.DataFrame:
    held_out = scores([True, True, False, False], [0.9, 0.3, 0.4, 0.1])
    other = scores([False] * 5, [0.99] * 5)
    crossed = other.assign(repeat=pd.array([0] * 5, dtype="Int64"))
    return pd.concat([held_out, other.assign(split="train"), crossed], ignore_index=True)


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(match=lambda o: hasattr(o, "get_text"))]
    return "\n".join(found)


def test_confusion_counts_test_rows_only(table: pd.DataFrame) -> None:
    figure = charts.confusion_figure({"small": table}, {"small": 0.35})
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == ["1", "50.0 %", "1", "50.0 %", "1", "50.0 %", "1", "50.0 %"]
    figure = charts.confusion_figure({"small": table}, {"small": 0.2})
    assert [t.get_text() for t in figure.axes[0].texts][4:] == ["0", "0.0 %", "2", "100.0 %"]


def test_confusion_of_one_kind_and_without_threshold() -> None:
    shown = texts(
        charts.confusion_figure(
            {"a": scores([True, True], [0.5, 0.6]), "b": scores([True], [0.5])}, {"a": 0.1}
        )
    )
    assert "no sheets" in shown and "b: no operating point." in shown
    assert "No backbone" in texts(charts.confusion_figure({}, {}))


def test_roc_and_pr_run_through_the_right_points(table: pd.DataFrame) -> None:
    roc = charts.roc_figure({"small": table})
    assert np.allclose(
        roc.axes[0].lines[0].get_xydata(), [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    )
    assert "AUC 0.750" in texts(roc)
    precision = charts.pr_figure({"small": table})
    expected = [[0, 1], [0.5, 1], [0.5, 0.5], [1, 2 / 3], [1, 0.5]]
    assert np.allclose(precision.axes[0].lines[0].get_xydata(), expected)
    assert "AP 0.833" in texts(precision)


@pytest.mark.parametrize("draw", [charts.roc_figure, charts.pr_figure])
def test_a_backbone_with_one_kind_of_sheet_is_named_and_left_out(draw, table: pd.DataFrame) -> None:
    one_kind = scores([True, True], [0.5, 0.6])
    shown = texts(draw({"poor": one_kind, "good": table}))
    assert "poor: left out" in shown and "good  A" in shown
    assert "No backbone" in texts(draw({"poor": one_kind}))
    assert "No backbone" in texts(draw({}))


def test_equal_scores_count_together() -> None:
    hits, alarms = hits_and_alarms(np.array([True, False, True]), np.array([0.5, 0.5, 0.5]))
    assert hits.tolist() == [2] and alarms.tolist() == [1]


def test_learning_figure_has_a_column_a_model() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "learning_rate": 0.1})
    gate = history.assign(validation_loss=[2.0, 1, 2], validation_roc_auc=[0.6, 0.9, 0.8])
    figure = charts.learning_figure({"gate": gate, "bare": history.head(1)})
    assert len(figure.axes) == 4
    assert "best 0.900 at 2" in texts(figure) and "ROC-AUC" in texts(figure)
    assert "no other metric" in texts(figure)
    assert "No model" in texts(charts.learning_figure({"gate": history.head(0)}))


def test_segmentation_curves() -> None:
    line = (np.array([0.5, 1.0]), np.array([1.0, 0.2]))
    shown = texts(
        charts.segmentation_pr_figure({"cracks": line, "rare": (np.array([]), np.array([]))})
    )
    assert "cracks" in shown and "rare: no defective pixels." in shown
    assert "No class" in texts(charts.segmentation_pr_figure({}))


def test_class_bars_carry_values_names_and_counts() -> None:
    frame = pd.DataFrame(
        {"class_id": [1, 2], "positives": [1234, 1], "dice_on_positives": [0.512, np.nan]}
    )
    figure = charts.class_dice_figure({"unet": frame, "fpn": frame.head(1)}, ["pitting"])
    shown = texts(figure)
    assert "0.51" in shown and "n/a" in shown and "unet" in shown
    assert "1 pitting\n1,234 sheets" in shown and "2\n1 sheet" in shown
    assert "No architecture" in texts(charts.class_dice_figure({}))


def test_pictures_are_reproducible_pngs(table: pd.DataFrame) -> None:
    first, second = (to_png(charts.roc_figure({"a": table}), 60) for _ in range(2))
    assert first.startswith(b"\x89PNG") and first == second


def test_importing_leaves_keras_kedro_and_pyplot_alone() -> None:
    code = (
        "import sys, steel_defects.reporting.figures.charts, steel_defects.drawing.overlays,"
        " steel_defects.reporting.report, steel_defects.reporting.config;"
        "heavy = {'keras', 'kedro', 'tensorflow', 'matplotlib.pyplot'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
