"""CSV as spreadsheets and scripts write it, and what is no CSV."""

import csv
import io

import pandas as pd
import pytest

from steel_defects.cli import one_line
from steel_defects.datasets.tables import AnnotationFileDataset, OptionalCSVDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.tables.csv_file import LONGEST_ROW, MOST_COLUMNS, parse_csv

PLAIN = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\nb.jpg,,\n"
CELLS = [["a.jpg", "1", "1 2"], ["b.jpg", "", ""]]

SOUND = {
    "plain": PLAIN,
    "no newline at the end": PLAIN.rstrip("\n"),
    "BOM": "\ufeff" + PLAIN,
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "CR": PLAIN.replace("\n", "\r"),
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "BOM, semicolons and CRLF": "\ufeff" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
    "quotes": '"ImageId","ClassId","EncodedPixels"\n"a.jpg","1","1 2"\n"b.jpg","",""\n',
    "quotes and semicolons": '"ImageId";"ClassId";"EncodedPixels"\n"a.jpg";1;"1 2"\nb.jpg;;\n',
    "empty lines": "\n\r\n" + PLAIN.replace("\n", "\n\n") + "  \n\n",
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_the_ways_to_write_one_table(text):
    table = parse_csv(text.encode())
    assert list(table.columns) == ["ImageId", "ClassId", "EncodedPixels"]
    assert table.to_numpy().tolist() == CELLS
    assert table.index.tolist() == [0, 1]


def test_cells_keep_separators_quotes_and_lines_that_stand_in_quotes():
    table = parse_csv(b'a;b\n"1;2,3";"say ""so"""\n"two\nlines";NA\n')
    assert table.to_numpy().tolist() == [["1;2,3", 'say "so"'], ["two\nlines", "NA"]]


def test_the_header_decides_what_separates():
    table = parse_csv(b"name;note\na.jpg;one, two, three, four\n")
    assert table.to_numpy().tolist() == [["a.jpg", "one, two, three, four"]]


def test_a_header_alone_is_a_table_without_rows():
    table = parse_csv(b"ImageId,ClassId,EncodedPixels\n")
    assert table.shape == (0, 3)
    assert table["ImageId"].str.strip().tolist() == []


def test_a_cell_may_be_longer_than_the_limit_of_python_s_reader():
    before = csv.field_size_limit()
    long = "1 2 " * before
    assert parse_csv(f"a,b\nx,{long}\n".encode()).loc[0, "b"] == long
    assert csv.field_size_limit() == before


BROKEN = {
    "0 bytes": (b"", "the file is empty"),
    "BOM alone": (b"\xef\xbb\xbf", "the file is empty"),
    "empty lines alone": (b"\n\r\n  \n", "the file is empty"),
    "UTF-16": (PLAIN.encode("utf-16"), "UTF-16 or UTF-32; save it as CSV in UTF-8"),
    "UTF-16, big-endian": (b"\xfe\xff" + PLAIN.encode("utf-16-be"), "UTF-16 or UTF-32"),
    "UTF-32": (PLAIN.encode("utf-32"), "UTF-16 or UTF-32"),
    "UTF-16 without BOM": (PLAIN.encode("utf-16-le"), "not text"),
    "Latin-1": (
        "ImageId,x\na.jpg,1\nBlech_ü.jpg,1\n".encode("latin-1"),
        "line 3 is not text in UTF-8",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "line 1 is not text in UTF-8"),
    "a spreadsheet": (b"PK\x03\x04\x14\0\x06\0", "not text"),
    "a short row": (b"a,b,c\n1,2,3\n1,2\n", "line 3 has 2 cells, the header has 3"),
    "a long row": (b"a,b,c\n1,2,3,4\n", "line 2 has 4 cells, the header has 3"),
    "a row with another separator": (b"a,b,c\n1;2;3\n", "line 2 has 1 cells, the header has 3"),
    "a quote that is not closed": (b'a,b\n1,"2\n3,4\n', "is not CSV: unexpected end"),
    "text after a quote": (b'a,b\n"1"x,2\n', "line 2 is not CSV"),
}


@pytest.mark.parametrize(("data", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_table_is_refused_in_one_line(data, reason):
    with pytest.raises(SteelDefectsError, match=reason) as caught:
        parse_csv(data)
    assert "\n" not in str(caught.value)


HEADER = b"ImageId,ClassId,EncodedPixels\n"
ENDLESS = {
    "a row": HEADER + b"a.jpg,1," + b"1 2 " * (LONGEST_ROW // 3),
    "a header": b"1 2 " * (LONGEST_ROW // 3),
    "lines in quotes": HEADER + b'a.jpg,1,"' + (b"1 2 " * 1000 + b"\r\n") * (LONGEST_ROW // 3000),
    "a quote that is not closed": HEADER + b'"' + (b"a" * 5000 + b"\n") * (LONGEST_ROW // 4000),
}


class CountedFile(io.BytesIO):
    """Counts the bytes that were read."""

    count = 0

    def read1(self, size: int | None = -1) -> bytes:
        data = super().read1(size)
        self.count += len(data)
        return data


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS)
def test_a_row_without_end_is_refused_before_the_rest_is_read(data):
    file = CountedFile(data)
    with pytest.raises(SteelDefectsError, match=f"more than {LONGEST_ROW:,} characters"):
        parse_csv(file)
    assert 0 < file.count < LONGEST_ROW + 100_000 < len(data)


def test_the_longest_row_is_read():
    row = b"a.jpg,1,".ljust(LONGEST_ROW - 1, b"1") + b"\n"
    assert len(parse_csv(HEADER + row + row)) == 2


def test_more_columns_than_any_table_has_are_refused():
    row = b"," * (MOST_COLUMNS - 1) + b"\n"
    assert parse_csv(row + row).shape == (1, MOST_COLUMNS)
    for data in (b"," + row, HEADER + b"," + row):
        with pytest.raises(SteelDefectsError, match=r"1,001 cells; at most 1,000 columns"):
            parse_csv(data)


@pytest.mark.parametrize("dataset", [AnnotationFileDataset, OptionalCSVDataset])
@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (ENDLESS["lines in quotes"], f"{LONGEST_ROW:,} char"),
        (b"," * 10**6, f"{MOST_COLUMNS:,} col"),
    ],
)
def test_files_that_people_bring_are_held_to_the_limits(tmp_path, dataset, data, limit):
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(Exception, match="Failed while loading") as caught:
        dataset(filepath=str(tmp_path / "table.csv")).load()
    line = one_line(caught.value)
    assert line.startswith(str(tmp_path / "table.csv"))
    assert limit in line


# === The catalog's dataset ===


def stored(tmp_path, data: bytes) -> AnnotationFileDataset:
    (tmp_path / "train.csv").write_bytes(data)
    return AnnotationFileDataset(filepath=str(tmp_path / "train.csv"))


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_the_dataset_loads_text(tmp_path, text):
    dataset = stored(tmp_path, text.encode())
    assert dataset.exists()
    assert dataset.load().to_numpy().tolist() == CELLS


def test_what_is_saved_comes_back(tmp_path):
    dataset = AnnotationFileDataset(filepath=str(tmp_path / "raw" / "train.csv"))
    assert not dataset.exists()
    numbers = pd.DataFrame({"ImageId": ["a,b.jpg"], "ClassId": [3], "EncodedPixels": ["1 2"]})
    dataset.save(numbers)
    assert dataset.load().to_numpy().tolist() == [["a,b.jpg", "3", "1 2"]]
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["train.csv"]


def test_preview_is_the_first_rows(tmp_path):
    assert stored(tmp_path, PLAIN.encode()).preview(nrows=1) == {
        "index": [0],
        "columns": ["ImageId", "ClassId", "EncodedPixels"],
        "data": [["a.jpg", "1", "1 2"]],
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        *BROKEN.values(),
        (b"ImageId,EncodedPixels\na.jpg,1 2\n", "have columns ImageId, EncodedPixels; expected"),
        (b"a.jpg,1,1 2\n", "have columns a.jpg, 1, 1 2; expected"),
        (b"ImageId,ClassId,EncodedPixels,ClassId\na.jpg,1,1 2,2\n", "two columns ClassId"),
    ],
)
def test_what_the_dataset_refuses_names_the_file(tmp_path, data, reason):
    dataset = stored(tmp_path, data)
    with pytest.raises(Exception, match="Failed while loading") as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__, SteelDefectsError)
    line = one_line(caught.value)
    assert line.startswith(f"{tmp_path / 'train.csv'}: ")
    assert reason in line
    assert "AnnotationFileDataset" not in line


def test_a_header_of_megabytes_is_not_shown_whole(tmp_path):
    with pytest.raises(Exception, match="expected ImageId") as caught:
        stored(tmp_path, b"\x1b[2J" + b"x" * 2_000_000).load()
    assert len(one_line(caught.value)) < 600
    assert one_line(caught.value).isprintable()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "train.csv").mkdir()
    dataset = AnnotationFileDataset(filepath=str(tmp_path / "train.csv"))
    assert not dataset.exists()
    with pytest.raises(Exception, match=r"train.csv cannot be read: Is a directory"):
        dataset.load()
