"""Which class is taken for which, as the report shows it."""

import numpy as np
import pandas as pd
import pytest

from steel_defects.evaluation.class_confusion import _table
from steel_defects.reporting.class_confusion import (
    class_confusion_figure,
    confusion_sentence,
    confusion_table,
)
from steel_defects.reporting.comparison import comparison_parts
from steel_defects.reporting.context import ReportContext
from steel_defects.tables.declared import CLASS_CONFUSION

COUNTS = {(1, 1): 5, (1, 2): 3, (1, None): 2, (2, 2): 1200, (None, 2): 4, (2, 1): 1}


def confusion(counts: dict) -> pd.DataFrame:
    table = _table(counts, ("pit", "crack"))
    return CLASS_CONFUSION.typed(table.assign(evaluation="out_of_fold", sheets=123))


def test_the_table_has_a_row_for_each_class_and_one_for_false_alarms():
    table = confusion_table(confusion(COUNTS))
    assert [name for name, _ in table.columns] == ["truth", "pit", "crack", "missed", "regions"]
    assert table.rows == [
        ["pit", "5", "3", "2", "10"],
        ["crack", "1", "1,200", "0", "1,201"],
        ["false alarm", "0", "4", "–", "4"],
    ]
    assert table.remark == confusion_sentence(confusion(COUNTS))


def test_the_sentence_adds_up_and_names_the_usual_mix_up():
    sentence = confusion_sentence(confusion(COUNTS))
    assert sentence.startswith("Of 1,211 defects on 123 out-of-fold sheets, 1,205 (99.5\u00a0%)")
    assert "4 (0.3\u00a0%) another one, and 2 (0.2\u00a0%) are missed" in sentence
    assert "4 predicted regions touch no defect." in sentence
    assert sentence.endswith("3 of 10 defects of pit are taken for crack.")


@pytest.mark.parametrize(
    ("counts", "end"),
    [
        ({(1, 1): 5}, "No defect is taken for one of another class."),
        ({(None, 1): 2}, "2 predicted regions touch no defect."),
    ],
)
def test_what_is_never_mixed_up(counts, end):
    assert confusion_sentence(confusion(counts)).endswith(end)


def test_the_figure_writes_every_count_once():
    figure = class_confusion_figure(confusion(COUNTS))
    (axes,) = figure.axes
    counts = [text.get_text() for text in axes.texts if "%" not in text.get_text()]
    assert sorted(counts) == sorted(["5", "3", "2", "1", "1,200", "0", "0", "4"])
    shades = np.asarray(axes.images[0].get_array())
    assert shades[0].tolist() == [0.5, 0.3, 0.2] and shades[2].tolist() == [0, 0, 0]


def test_nothing_to_mix_up_is_said():
    empty = confusion({})
    assert confusion_table(empty) is None and confusion_table(pd.DataFrame()) is None
    assert "no defect" in class_confusion_figure(empty).axes[0].texts[0].get_text()


def test_the_report_has_the_table():
    parts = comparison_parts(ReportContext(confusion=confusion(COUNTS)))
    (part,) = [part for part in parts if part.heading == "Which class is taken for which"]
    assert part.table is not None
