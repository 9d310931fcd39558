import io

import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.errors import SteelDefectsError
from steel_defects.labels.severstal import (
    check_annotations,
    normalise_columns,
    submission_table,
)

SIZES = {"a.jpg": (3, 2), "b.jpg": (3, 2)}


def read(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(table[["sheet_id", "class_id", "rle"]].itertuples(index=False, name=None))


NAMES = ("pitting", "crack", "scratch", "scale")


def checked(table: pd.DataFrame, sizes: dict[str, tuple[int, int]] = SIZES):
    masks = check_annotations(table, sizes, NAMES)
    return masks.table, masks.findings


def check(*lines: str):
    return checked(normalise_columns(read("\n".join(["ImageId,ClassId,EncodedPixels", *lines]))))


def test_todays_layout():
    table = normalise_columns(read("ImageId,ClassId,EncodedPixels\na.jpg,3,1 2\nb.jpg,1,4 1\n"))
    assert rows(table) == [("a.jpg", "3", "1 2"), ("b.jpg", "1", "4 1")]


def test_the_competitions_layout_drops_empty_cells_and_keeps_row_numbers():
    table = normalise_columns(
        read("ImageId_ClassId,EncodedPixels\na.jpg_1,\na.jpg_2,1 2\nmy_b.jpg_4,3 1\n")
    )
    assert rows(table) == [("a.jpg", "2", "1 2"), ("my_b.jpg", "4", "3 1")]
    assert table.index.tolist() == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffImageId,ClassId,EncodedPixels\na.jpg,3,1 2\n",
        " ImageId , ClassId,EncodedPixels \n a.jpg, 3 , 1 2 \n",
        "note,EncodedPixels,ImageId,ClassId\nhello,1 2,a.jpg,3\n",
        "\ufeffImageId_ClassId,EncodedPixels\na.jpg_3,1 2\n",
        " ImageId_ClassId ,EncodedPixels,extra\n a.jpg_3 , 1 2 ,x\n",
    ],
    ids=["bom", "spaces", "extra and reordered", "competition, bom", "competition, spaces"],
)
def test_untidy_headers_and_cells(text):
    assert rows(normalise_columns(read(text))) == [("a.jpg", "3", "1 2")]


@pytest.mark.parametrize(
    "header", ["ImageId,ClassId,EncodedPixels", "ImageId_ClassId,EncodedPixels"]
)
def test_a_file_with_a_header_alone_says_that_every_sheet_is_clean(header):
    kept, findings = checked(normalise_columns(read(header + "\n")))
    assert len(kept) == 0
    assert findings == []
    schemas.annotations.validate(kept)


def test_a_key_without_a_class_is_found():
    table = normalise_columns(read("ImageId_ClassId,EncodedPixels\na.jpg,1 2\na.jpg_,1 2\n"))
    kept, findings = checked(table)
    assert len(kept) == 0
    assert [finding.reason for finding in findings] == [
        "class '' is not one of 1 to 4",
        "1 row names no picture that is there",
    ]


@pytest.mark.parametrize("header", ["ImageId,EncodedPixels", "a,b", "ImageId_ClassId,mask"])
def test_missing_columns_are_named(header):
    with pytest.raises(SteelDefectsError) as caught:
        normalise_columns(read(header + "\n"))
    assert "ImageId,ClassId,EncodedPixels" in str(caught.value)
    assert "ImageId_ClassId,EncodedPixels" in str(caught.value)
    assert header.split(",")[0] in str(caught.value)


def test_sound_rows_come_sorted_with_their_areas():
    kept, findings = check("b.jpg,1,4 1", "a.jpg,3,1 2 5 2", "a.jpg,2,6 1")
    assert kept.to_dict("list") == {
        "sheet_id": ["a.jpg", "a.jpg", "b.jpg"],
        "class_id": [2, 3, 1],
        "rle": ["6 1", "1 2 5 2", "4 1"],
        "area_px": [1, 4, 1],
    }
    assert findings == []
    schemas.annotations.validate(kept)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a.jpg,0,1 2", "class '0' is not one of 1 to 4"),
        ("a.jpg,9,1 2", "class '9' is not one of 1 to 4"),
        ("a.jpg,two,1 2", "class 'two' is not one of 1 to 4"),
        ("a.jpg,,1 2", "class '' is not one of 1 to 4"),
        ("a.jpg,1.5,1 2", "class '1.5' is not one of 1 to 4"),
        ("a.jpg,٢,1 2", "class '٢' is not one of 1 to 4"),
        ("a.jpg,000000001234,1 2", "class '000000001234' is not one of 1 to 4"),
        ("a.jpg," + "9" * 5000 + ",1 2", "is not one of 1 to 4"),
        ("a.jpg,1,6 2", "past the end"),
        ("a.jpg,1,1 2 3", "odd count"),
        ("a.jpg,1,x", "not a positive whole number"),
    ],
)
def test_a_bad_row_is_one_finding_and_the_others_stay(line, reason):
    kept, findings = check("b.jpg,4,1 1", line, "a.jpg,2,2 2")
    assert rows(kept) == [("a.jpg", 2, "2 2"), ("b.jpg", 4, "1 1")]
    (finding,) = findings
    assert reason in finding.reason
    assert finding.where == "annotations, row 2"
    assert finding.sheet_id == line.split(",")[0]
    assert finding.set_aside


def test_a_picture_that_is_not_there_is_told_once():
    kept, (finding,) = check("c.jpg,1,1 2", "d.jpg,1,1 2", "a.jpg,2,2 2")
    assert rows(kept) == [("a.jpg", 2, "2 2")]
    assert finding.reason == "2 rows name no picture that is there"
    assert not finding.set_aside


def test_a_sound_row_after_a_bad_one_of_the_same_class_is_kept():
    kept, findings = check("a.jpg,1,99 1", "a.jpg,1,1 1")
    assert rows(kept) == [("a.jpg", 1, "1 1")]
    assert [finding.where for finding in findings] == ["annotations, row 1"]


def test_submission_has_a_row_a_sheet_and_class_and_empty_text_for_none():
    predictions = pd.DataFrame(
        {
            "sheet_id": ["a.jpg", "a.jpg"],
            "class_id": [1, 2],
            "rle": ["", "1 2"],
            "score": [0.1, 0.9],
        }
    )
    text = submission_table(predictions).to_csv(index=False)
    assert text == "ImageId_ClassId,EncodedPixels\na.jpg_1,\na.jpg_2,1 2\n"


def test_the_real_file_has_no_bad_row(real_data):
    table = normalise_columns(
        pd.read_csv(real_data / "severstal" / "train.csv", dtype=str, keep_default_na=False)
    )
    kept, findings = checked(table, dict.fromkeys(table["sheet_id"], (256, 1600)))
    assert len(kept) == len(table) > 0
    assert findings == []
