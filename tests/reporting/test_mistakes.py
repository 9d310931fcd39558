"""The most confident mistakes: which sheets, in which order, by which scores."""

import pandas as pd

from steel_defects import tables as schemas
from steel_defects.reporting.gate_pictures import confident_mistakes, mistake_captions


def scores(*rows: tuple[str, str, int | None, bool, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["sheet_id", "split", "repeat", "has_defect", "score"])
    return table.astype({"repeat": "Int64"})


HELD_OUT = scores(
    ("learned", "train", None, True, 0.0),
    ("right", "test", None, True, 0.9),
    ("missed", "test", None, True, 0.05),
    ("alarm", "calibration", None, False, 0.99),
    ("doubtful", "validation", None, False, 0.6),
    ("even", "test", None, False, 0.5),
)


def test_sheets_that_were_not_learned_from_the_most_certain_first():
    table = schemas.confident_mistakes.validate(confident_mistakes(HELD_OUT, 20))
    assert table["sheet_id"].tolist() == ["alarm", "missed", "doubtful"]
    assert table["evaluation"].tolist() == ["calibration", "test", "validation"]
    assert confident_mistakes(HELD_OUT, 2)["sheet_id"].tolist() == ["alarm", "missed"]


def test_scores_out_of_fold_count_alone_and_on_average():
    crossed = scores(
        ("learned", "train", 0, True, 0.2),
        ("learned", "train", 1, True, 0.4),
        ("alarm", "calibration", 0, False, 0.8),
        ("alarm", "calibration", 1, False, 0.1),
    )
    table = confident_mistakes(pd.concat([HELD_OUT, crossed]), 20)
    assert table["sheet_id"].tolist() == ["learned"]
    assert table["score"].round(6).tolist() == [0.3]
    assert table["evaluation"].tolist() == ["out_of_fold"]


def test_captions_say_label_and_score():
    assert mistake_captions(confident_mistakes(HELD_OUT, 2)) == [
        "1  alarm: labelled clean, score 0.990 (calibration)",
        "2  missed: labelled defective, score 0.050 (test)",
    ]


def test_no_mistakes():
    none = confident_mistakes(HELD_OUT.head(2), 20)
    assert schemas.confident_mistakes.validate(none).empty
    assert mistake_captions(none) == []
