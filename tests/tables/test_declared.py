"""What follows from the declaration of a table besides its schema."""

import pandas as pd
import pytest
from tests.support.good_tables import GOOD

from steel_defects import tables as schemas
from steel_defects.tables import declared
from steel_defects.tables.columns import COLUMNS, format_of, title_of

NAMES = sorted(GOOD)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_table_keeps_its_schema(name):
    empty = getattr(declared, name.upper()).empty()
    assert len(empty) == 0
    getattr(schemas, name).validate(empty)


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_any_form_become_the_same_table(name):
    table = getattr(declared, name.upper())
    frame = pd.DataFrame(GOOD[name])[list(table.columns)]
    expected = table.typed(frame)
    getattr(schemas, name).validate(expected)
    for rows in (
        frame[frame.columns[::-1]].assign(surprise=1),
        frame.to_dict("records"),
        frame.itertuples(index=False, name=None),
    ):
        pd.testing.assert_frame_equal(table.typed(rows), expected)


def test_a_table_that_lacks_a_column_is_refused():
    with pytest.raises(KeyError, match="rle"):
        declared.ANNOTATIONS.typed(pd.DataFrame(GOOD["annotations"]).drop(columns="rle"))


def test_headings_and_formats_are_declared_with_the_column():
    assert title_of("roc_auc") == "ROC-AUC"
    assert title_of("true_px") == title_of("true px") == "true px"
    assert title_of("true_px", "true_px") == "true_px"
    assert (format_of("recall"), format_of("recall_class_2")) == ("percent", "percent")
    assert (format_of("sheets"), format_of("dice"), format_of("unheard_of")) == ("whole", "", "")
    known = {"", "percent", "whole", "tenths", "duration"}
    assert {column.format for column in COLUMNS.values()} == known


def test_a_table_that_is_not_declared_has_no_schema():
    with pytest.raises(AttributeError, match="no table sheeets"):
        _ = schemas.sheeets
