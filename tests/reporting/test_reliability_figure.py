"""The reliability diagram: which scores it shows, and what it says of them."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from steel_defects.reporting.figures.reliability import reliability_figure


def scores(split: str = "test", repeat: int | None = None, sheets: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": split,
            "repeat": pd.array([repeat] * sheets, dtype="Int64"),
            "has_defect": np.arange(sheets) % 4 == 0,
            "score": 0.25,
            "output": 0.6,
        }
    )


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(match=lambda o: hasattr(o, "get_text"))]
    return "\n".join(found)


def test_test_sheets_before_and_after():
    shown = texts(reliability_figure({"gate": pd.concat([scores(), scores("train", sheets=99)])}))
    assert "of 40 test sheets" in shown and "gate" in shown
    assert "before calibration, ECE 0.350" in shown
    assert "after calibration, ECE 0.000" in shown


def test_the_first_repeat_out_of_fold_comes_before_test_sheets():
    table = pd.concat([scores(), scores("train", 0, 60), scores("train", 1, 60)])
    figure = reliability_figure({"gate": table.drop(columns="output")})
    shown = texts(figure)
    assert "of 60 out-of-fold sheets" in shown and "before" not in shown
    assert figure.axes[1].patches[5].get_height() == 60


def test_points_carry_their_intervals():
    figure = reliability_figure({"gate": scores()})
    (bars,) = figure.axes[0].containers
    (segment,) = bars[2][0].get_segments()
    # Clopper and Pearson's interval of 10 in 40.
    np.testing.assert_allclose(segment, [[0.25, 0.1269], [0.25, 0.4120]], atol=1e-4)


def test_no_scores_are_said():
    assert "No backbone" in texts(reliability_figure({"gate": scores().head(0)}))
