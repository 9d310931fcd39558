"""Learning curves in the report: what is said of them, and what is drawn."""

import numpy as np
import pandas as pd
import pytest

from steel_defects.evaluation.learning_curve import EXPONENTS
from steel_defects.reporting.context import LearningCurves, ReportContext
from steel_defects.reporting.learning_curve import (
    curve_sentences,
    curves_of,
    learning_curve_figure,
)
from steel_defects.reporting.report import render_report
from steel_defects.tables.declared import LEARNING_CURVE

SHARES, SEEDS = (0.25, 0.5, 0.75, 1.0), (20, 21)


def table(values: np.ndarray, model: str = "unet", metric: str = "mean_dice") -> pd.DataFrame:
    """Two trainings on each share, one above and one below these values."""
    rows = [
        (model, share, seed, round(84 * share), metric, value + sign, value - 0.04, value + 0.03)
        for share, value in zip(SHARES, values, strict=True)
        for seed, sign in zip(SEEDS, (0.002, -0.002), strict=True)
    ]
    return LEARNING_CURVE.typed(rows)


RISING = table(0.9 - 0.1 * np.array(SHARES) ** -0.8)
FLAT = table(np.array([0.9, 0.901, 0.9, 0.901]), "vgg16", "roc_auc")


def test_what_twice_the_sheets_would_bring_is_told_as_an_extrapolation():
    (sentence,) = curve_sentences(RISING)
    assert sentence.startswith("unet, mean Dice: 0.800 with 84 sheets, the mean of 2 trainings. ")
    (curve,) = curves_of(RISING)
    here, twice, four = (curve.law.reached(sheets) for sheets in (84, 168, 336))
    assert (
        f" The curve is at {here.value:.3f} there ({here.low:.3f} to {here.high:.3f}). " in sentence
    )
    assert f"By extrapolation, twice the sheets would reach {twice.value:.3f} (" in sentence
    assert f"({twice.low:.3f} to {twice.high:.3f}), four times {four.value:.3f} (" in sentence
    assert f"the exponent of the curve is {curve.law.c:.2f} ({curve.law.c_low:.2f} to" in sentence
    assert 0.8 < twice.value < four.value < 0.9


def test_a_curve_that_is_too_flat_has_no_exponent_and_no_estimate():
    (sentence,) = curve_sentences(FLAT)
    assert sentence.startswith("vgg16, ROC-AUC: 0.901 with 84 sheets")
    assert "too flat" in sentence and "twice the sheets would reach something between" in sentence
    assert "exponent" not in sentence and "extrapolation" not in sentence


@pytest.mark.parametrize(("noise", "words"), [(0.02, "or more)."), (0.0, " to ")])
def test_an_open_end_of_the_exponent_is_told(noise, words):
    steep = RISING.assign(value=[0.5, 0.5, 0.78, 0.8, 0.8, 0.8, 0.8, 0.8]) if noise else RISING
    (curve,), (sentence,) = curves_of(steep), curve_sentences(steep)
    assert words in sentence.rsplit("exponent", maxsplit=1)[1]
    assert (curve.law.c_high == EXPONENTS[1]) == bool(noise)


def test_without_a_curve_the_reason_stands_in_its_place():
    few = RISING[RISING["share"] >= 0.75]
    (sentence,) = curve_sentences(few)
    assert sentence.endswith(
        "A curve takes four trainings on three different shares, and figures that differ."
    )
    (unknown,) = curve_sentences(RISING.assign(value=np.nan))
    assert (
        unknown
        == "unet, mean Dice: not known, since the fold that is held out lacks sheets of a kind."
    )
    assert learning_curve_figure(pd.concat([few, FLAT.assign(value=np.nan)])).axes


def test_the_figure_shows_points_curve_and_extrapolation():
    both = pd.concat([RISING, table(np.array(SHARES) / 2, metric="dice_on_positives"), FLAT])
    figure = learning_curve_figure(both)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.axison]
    assert titles == ["unet: mean Dice", "unet: Dice on positives", "vgg16: ROC-AUC"]
    rising, flat = figure.axes[0], figure.axes[2]
    drawn = {line.get_label(): line for line in rising.get_lines()}
    assert {"fitted curve", "extrapolated"} <= set(drawn)
    assert drawn["extrapolated"].get_xdata()[-1] == 4 * 84
    assert drawn["extrapolated"].is_dashed()
    assert not drawn["fitted curve"].is_dashed()
    assert not {"fitted curve", "extrapolated"} & {line.get_label() for line in flat.get_lines()}
    assert list(rising.get_xticks()) == [21, 42, 63, 84, 168, 336]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "95 % of the curve", "fitted curve", "extrapolated", "seed 20, 95 % interval",
        "seed 21, 95 % interval",
    ]  # fmt: skip


def test_the_report_has_a_page_of_them_only_where_there_are_any():
    picture = b"\x89PNG" + bytes(30)
    html = render_report(ReportContext(learning_curve=LearningCurves(RISING, picture)))
    page = html.split('<section id="learning_curve"')[1].split("</section>")[0]
    assert "More sheets</h2>" in page and "By extrapolation, twice the sheets" in page
    assert page.count("data:image/png") == 1 and page.count('<th scope="row">') == 8
    assert '<a href="#learning_curve">More sheets</a>' in html
    assert "learning_curve" not in render_report(ReportContext())
