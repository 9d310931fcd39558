"""Figures: what they say, and that lacking data is said and not a crash."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from steel_defects.drawing.style import to_png
from steel_defects.reporting import gate_figures
from steel_defects.reporting.gate_figures import reliability_figure


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
    figure = gate_figures.confusion_figure({"small": table}, {"small": 0.35})
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == ["1", "50.0 %", "1", "50.0 %", "1", "50.0 %", "1", "50.0 %"]
    figure = gate_figures.confusion_figure({"small": table}, {"small": 0.2})
    assert [t.get_text() for t in figure.axes[0].texts][4:] == ["0", "0.0 %", "2", "100.0 %"]


def test_confusion_of_one_kind_and_of_none() -> None:
    for table in (scores([True, True], [0.5, 0.6]), scores([], [])):
        assert "no sheets" in texts(gate_figures.confusion_figure({"a": table}, {"a": 0.1}))
    assert "No backbone" in texts(gate_figures.confusion_figure({}, {}))


def test_roc_and_pr_run_through_the_right_points(table: pd.DataFrame) -> None:
    roc = gate_figures.roc_figure({"small": table})
    assert np.allclose(
        roc.axes[0].lines[0].get_xydata(), [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    )
    assert "AUC 0.750" in texts(roc)
    precision = gate_figures.pr_figure({"small": table})
    expected = [[0, 1], [0.5, 1], [0.5, 0.5], [1, 2 / 3], [1, 0.5]]
    assert np.allclose(precision.axes[0].lines[0].get_xydata(), expected)
    assert "AP 0.833" in texts(precision)


def test_equal_scores_count_together() -> None:
    figure = gate_figures.roc_figure({"a": scores([True, False, True], [0.5, 0.5, 0.5])})
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("draw", [gate_figures.roc_figure, gate_figures.pr_figure])
def test_a_backbone_with_one_kind_of_sheet_is_named_and_left_out(draw, table: pd.DataFrame) -> None:
    one_kind = scores([True, True], [0.5, 0.6])
    shown = texts(draw({"poor": one_kind, "good": table}))
    assert "poor: left out" in shown and "good  A" in shown
    assert "No backbone" in texts(draw({"poor": one_kind}))
    assert "No backbone" in texts(draw({}))


def test_pictures_are_reproducible_pngs(table: pd.DataFrame) -> None:
    first, second = (to_png(gate_figures.roc_figure({"a": table}), 60) for _ in range(2))
    assert first.startswith(b"\x89PNG") and first == second


@pytest.mark.slow
def test_importing_leaves_keras_kedro_and_pyplot_alone() -> None:
    code = (
        "import sys, steel_defects.reporting.gate_figures, steel_defects.drawing.overlays,"
        " steel_defects.reporting.segmenter_figures,"
        " steel_defects.reporting.report, steel_defects.reporting.config;"
        "heavy = {'keras', 'kedro', 'tensorflow', 'matplotlib.pyplot'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# === Reliability ===


def calibrated(split: str = "test", repeat: int | None = None, sheets: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": split,
            "repeat": pd.array([repeat] * sheets, dtype="Int64"),
            "has_defect": np.arange(sheets) % 4 == 0,
            "score": 0.25,
            "output": 0.6,
        }
    )


def test_test_sheets_before_and_after():
    shown = texts(
        reliability_figure({"gate": pd.concat([calibrated(), calibrated("train", sheets=99)])})
    )
    assert "of 40 test sheets" in shown and "gate" in shown
    assert "before calibration, ECE 0.350" in shown
    assert "after calibration, ECE 0.000" in shown


def test_the_first_repeat_out_of_fold_comes_before_test_sheets():
    table = pd.concat([calibrated(), calibrated("train", 0, 60), calibrated("train", 1, 60)])
    figure = reliability_figure({"gate": table.drop(columns="output")})
    shown = texts(figure)
    assert "of 60 out-of-fold sheets" in shown and "before" not in shown
    assert figure.axes[1].patches[5].get_height() == 60


def test_points_carry_their_intervals():
    figure = reliability_figure({"gate": calibrated()})
    (bars,) = figure.axes[0].containers
    (segment,) = bars[2][0].get_segments()
    # Clopper and Pearson's interval of 10 in 40.
    np.testing.assert_allclose(segment, [[0.25, 0.1269], [0.25, 0.4120]], atol=1e-4)


def test_no_scores_are_said():
    assert "No backbone" in texts(reliability_figure({"gate": calibrated().head(0)}))
