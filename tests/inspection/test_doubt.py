import numpy as np
import pandas as pd
import pytest
from tests.support.good_tables import GOOD

from steel_defects import tables as schemas
from steel_defects.inspection.doubt import sheets_to_check
from steel_defects.tables.declared import VERDICTS


def table(*rows: tuple[str, str, float | None, float | None, float | None]) -> pd.DataFrame:
    """Verdicts with a name, a verdict, gate and joint score and a margin."""
    first = {name: values[0] for name, values in GOOD["verdicts"].items()}
    return VERDICTS.typed(
        first
        | dict(
            zip(("sheet_id", "verdict", "gate_score", "joint_score", "margin"), row, strict=True)
        )
        for row in rows
    )


PARTS = [
    table(
        ("clean", "accept", 0.01, None, -0.39),
        ("near the gate's", "accept", 0.38, None, -0.02),
        ("black", "review", None, None, None),
        ("bad", "reject", 0.41, None, 0.01),
    ),
    table(
        ("no gate", "accept", None, None, None),
        ("nearest", "accept", 0.5, 0.59, -0.01),
        ("suspicious", "review", 0.9, None, 0.5),
        ("within limits", "accept", 0.9, 0.8, 0.2),
        ("doubtful", "review", 0.5, 0.7, 0.1),
        ("certain", "accept", 0.0, None, -0.4),
    ),
]
ORDER = ["suspicious", "doubtful", "black", "nearest", "near the gate's", "clean", "certain"]


@pytest.mark.parametrize("most", [0, 1, 3, 7, 50])
def test_reviews_come_first_then_what_is_near_a_threshold(most):
    listed = sheets_to_check(PARTS, most)
    schemas.sheets_to_check.validate(listed)
    assert listed["sheet_id"].tolist() == ORDER[:most]
    pd.testing.assert_frame_equal(listed, sheets_to_check([pd.concat(PARTS)], most))


def test_classes_are_a_text_in_csv():
    nearest = PARTS[1].iloc[[1]]
    for names, text in ((["pit", "crack"], "pit, crack"), ([], None)):
        listed = sheets_to_check([nearest.assign(classes=[np.array(names)])], 1)
        assert listed["classes"].dropna().tolist() == [text] * bool(text)
