"""Rows that can't be right: each is a finding with its reason, and the others stay."""

import pytest

from steel_defects.errors import shown
from steel_defects.labels.severstal import check_annotations, normalise_columns
from steel_defects.tables.csv_file import parse_csv

SIZES = {"a.jpg": (3, 2), "b.jpg": (3, 2), "coil/c.jpg": (3, 2), "odd\\name.jpg": (3, 2)}
OUTSIDE = "row names a file outside the picture folder"
NOT_A_NUMBER = "mask has a value that is not a positive whole number"


def check(*lines: str):
    data = "\n".join(["ImageId,ClassId,EncodedPixels", *lines]).encode()
    masks = check_annotations(normalise_columns(parse_csv(data)), SIZES, list("abcd"))
    return masks.table, masks.findings


ROWS = {
    "odd count": ("a.jpg,1,1 2 3", "mask has an odd count of values (3)"),
    "zero start": ("a.jpg,1,0 2", "mask has a start below 1"),
    "negative start": ("a.jpg,1,-2 2", NOT_A_NUMBER),
    "negative length": ("a.jpg,1,1 -2", NOT_A_NUMBER),
    "length zero": ("a.jpg,1,1 0", "mask has a run of length 0"),
    "unsorted": ("a.jpg,1,4 1 1 1", "mask has runs out of order"),
    "overlapping": ("a.jpg,1,1 3 3 1", "mask has runs that overlap"),
    "past the end": ("a.jpg,1,5 3", "mask runs past the end of the sheet (6 pixels)"),
    "start past the end": ("a.jpg,1,7 1", "mask runs past the end of the sheet (6 pixels)"),
    "past 64 bits": ("a.jpg,1,1 " + "9" * 30, "mask runs past the end of the sheet (6 pixels)"),
    "non-numeric": ("a.jpg,1,one two", NOT_A_NUMBER),
    "fractions": ("a.jpg,1,1.5 2", NOT_A_NUMBER),
    "other digits": ("a.jpg,1,١ ٢", NOT_A_NUMBER),
    "not a number": ("a.jpg,1,nan nan", NOT_A_NUMBER),
    "class 0": ("a.jpg,0,1 2", "class '0' is not one of 1 to 4"),
    "class 9": ("a.jpg,9,1 2", "class '9' is not one of 1 to 4"),
    "negative class": ("a.jpg,-1,1 2", "class '-1' is not one of 1 to 4"),
    "no class": ("a.jpg,,1 2", "class '' is not one of 1 to 4"),
    "class with control characters": (
        "a.jpg,\x1b[31m,1 2",
        r"class '\x1b[31m' is not one of 1 to 4",
    ),
    "parent folder": ("../a.jpg,1,1 2", OUTSIDE),
    "parent folder, within": ("coil/../../../etc/passwd,1,1 2", OUTSIDE),
    "absolute path": ("/etc/passwd,1,1 2", OUTSIDE),
    "backslashes": (r"..\..\a.jpg,1,1 2", OUTSIDE),
    "drive": (r"C:\Windows\system.ini,1,1 2", OUTSIDE),
    "outside, of class 9": ("../a.jpg,9,1 2", OUTSIDE),
}


@pytest.mark.parametrize(("line", "reason"), ROWS.values(), ids=ROWS)
def test_a_row_that_cannot_be_right_is_found(line, reason):
    kept, (finding,) = check("b.jpg,4,1 1", line, "coil/c.jpg,2,2 2")
    assert finding.reason == reason
    assert finding.where == "annotations, row 2"
    assert finding.sheet_id == line.split(",")[0]
    assert finding.set_aside
    assert kept["sheet_id"].tolist() == ["b.jpg", "coil/c.jpg"]


def test_a_name_with_dots_or_a_backslash_is_no_way_out_where_there_is_such_a_sheet():
    kept, findings = check("odd\\name.jpg,1,1 2")
    assert findings == []
    assert kept["sheet_id"].tolist() == ["odd\\name.jpg"]


@pytest.mark.parametrize(
    "line",
    [
        "x" * 2_000_000 + ",1,1 2",
        "a.jpg," + "7" * 2_000_000 + ",1 2",
        "a.jpg,1," + "1 " * 1_000_001,
        "a.jpg,1," + "x" * 2_000_000,
        "../\x1b]0;title\x07,1,1 2",
        '"two\nlines.jpg",1,1 2',
        "\u202egpj.a,1,1 2",
    ],
    ids=["name", "class", "odd mask", "wordy mask", "escapes", "lines", "right-to-left"],
)
def test_findings_are_short_and_safe_to_show(line):
    _, (finding,) = check(line)
    for text in (finding.where, finding.sheet_id, finding.reason):
        assert len(text) < 150
        assert text.isprintable()


def test_text_that_is_shown_keeps_what_can_be_seen():
    assert shown("Blech_übrig.png") == "Blech_übrig.png"
    assert shown("a\nb\x00\udce9") == r"a\nb\x00\udce9"
    assert shown("x" * 81) == "x" * 80 + "…"
    assert shown("x" * 80) == "x" * 80
    assert shown("") == ""
