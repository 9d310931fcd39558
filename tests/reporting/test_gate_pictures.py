"""Heat over sheets: what it shows, and the sentence about it."""

import numpy as np
import pandas as pd

from steel_defects import tables as schemas
from steel_defects.reporting.gate_pictures import (
    attention_sentence,
    choose_explained,
    confident_mistakes,
    gate_outcomes,
    grad_cam_figure,
    heat_over_sheet,
    mistake_captions,
    outlined,
)
from steel_defects.tables.declared import GRAD_CAM_CHECK


def test_outcomes():
    labels, scores = pd.Series([True, True, False, False]), pd.Series([0.5, 0.4, 0.5, 0.4])
    assert gate_outcomes(labels, scores < 0.5).tolist() == ["hit", "miss", "false alarm", "clean"]


def test_sheets_are_drawn_by_seed_and_not_by_order():
    table = pd.DataFrame(
        {
            "sheet_id": [f"{k:02d}.jpg" for k in range(40)],
            "outcome": ["clean", "hit", "miss", "hit"] * 10,
        }
    )
    chosen = choose_explained(table, 3, seed=1)
    assert chosen["outcome"].tolist() == ["hit"] * 3 + ["miss"] * 3
    pd.testing.assert_frame_equal(chosen, choose_explained(table[::-1], 3, seed=1))
    others = [choose_explained(table, 3, seed)["sheet_id"].tolist() for seed in range(2, 5)]
    assert any(chosen["sheet_id"].tolist() != other for other in others)


def test_heat_is_brightest_where_it_is_hottest_and_leaves_cold_steel_gray():
    image = np.full((40, 60), 100, np.uint8)
    heat = np.zeros((40, 60), np.float32)
    heat[:, :20], heat[:, 20:40] = 2.0, 1.0
    hot, warm, cold = heat_over_sheet(image, heat)[0, [0, 30, 50]].astype(int)
    assert cold.tolist() == [100, 100, 100]
    assert hot.sum() > warm.sum() and hot[0] > hot[2]
    np.testing.assert_array_equal(
        heat_over_sheet(image, np.zeros_like(heat)), np.repeat(image[..., None], 3, axis=2)
    )


def test_the_outline_is_green_and_the_inside_is_left_alone():
    image, mask = np.full((100, 200), 90, np.uint8), np.zeros((100, 200), np.uint8)
    mask[30:70, 50:150] = 1
    drawn = outlined(image, mask).astype(int)
    assert drawn[50, 100].tolist() == [90, 90, 90]
    red, green, blue = drawn[30, 100]
    assert green > 150 > red + blue
    assert (outlined(image, np.zeros_like(mask)) == 90).all()


def test_the_figure_has_a_scale_and_says_when_there_is_nothing():
    pictures = [np.zeros((20, 90, 3), np.uint8)] * 2
    figure = grad_cam_figure(pictures, ["hit: a", "miss: b"], 0.25)
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["hit: a", "miss: b"]
    assert "flagged from 0.250" in figure.axes[-1].get_xlabel()
    (axes,) = grad_cam_figure([], [], 0.25).axes
    assert axes.texts[0].get_text().startswith("No hit, miss or false alarm")


def test_the_sentence_has_an_interval():
    table = pd.DataFrame({"heat_share": [0.214] * 40 + [0.05] * 10, "gaussian_share": 0.1})
    text = attention_sentence(table).replace("\u00a0", " ")
    assert text.startswith("On 40 of 50 defective sheets")
    assert "(80 %, 95 % interval 66 % to 90 %)" in text and "2.1 times" in text


def test_no_sheets_are_said():
    assert "no defective sheet" in attention_sentence(GRAD_CAM_CHECK.empty())


# === Mistakes ===


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
