"""Whatever stands in the files, there is an answer: a table, a finding, or the project's error."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from steel_defects import tables as schemas
from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels import rle
from steel_defects.labels.mask_folder import MaskFolder, MaskRules, read_annotations
from steel_defects.labels.rle import RleError
from steel_defects.labels.severstal import check_annotations, normalise_columns
from steel_defects.tables.csv_file import parse_csv

repeatable = settings(derandomize=True, max_examples=100, deadline=None)

SIZES = {"a.jpg": (5, 10), "b.jpg": (5, 10)}
SOUND = b"ImageId,ClassId,EncodedPixels\na.jpg,1,1 2 5 2\nb.jpg,4,50 1\na.jpg,2,3 4\n"
COMPETITION = b"ImageId_ClassId,EncodedPixels\r\na.jpg_1,1 2 5 2\r\nb.jpg_4,\r\n"


@st.composite
def damaged(draw: st.DrawFn, *files: bytes) -> bytes:
    """A sound file that has been cut, overwritten and added to at a few places."""
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        data[start:end] = draw(st.binary(max_size=8) | st.sampled_from(WORDS))
    return bytes(data)


WORDS = [b"\n", b"\r", b'"', b",", b";", b"\t", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"../", b"-1 ",
         b"ImageId", b"9" * 25, b"\xd9\xa3", b"\x1b[2J"]  # fmt: skip

NUMBERS = st.lists(st.integers(-2, 60) | st.integers(), max_size=9).map(
    lambda values: " ".join(map(str, values))
)


@repeatable
@given(st.text(max_size=60) | st.text("0123456789 -+.eE_,\t\n", max_size=30) | NUMBERS)
def test_any_text_is_a_mask_or_an_rle_error(text):
    try:
        starts, lengths = rle.parse(text, pixels=50)
    except RleError as error:
        assert shown(str(error)) == str(error)
        return
    mask = rle.decode(text, 5, 10)
    assert mask.sum() == lengths.sum() == rle.area(text)
    assert len(starts) == 0 or (starts.min() >= 0 and (starts + lengths).max() <= 50)


def keeps_the_rules(values: list[int], pixels: int) -> bool:
    last = 0
    for start, length in zip(values[0::2], values[1::2], strict=False):
        if start <= last or length < 1:
            return False
        last = start + length - 1
    return len(values) % 2 == 0 and last <= pixels


@st.composite
def nearly_runs(draw: st.DrawFn) -> list[int]:
    """Sorted runs with a gap or more between them, of which one value may then be changed."""
    values, last = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=6)):
        values += [last + gap, length]
        last += gap + length - 1
    if values and draw(st.booleans()):
        values[draw(st.integers(0, len(values) - 1))] = draw(st.integers(-1, 60))
    return values


@repeatable
@given(nearly_runs())
def test_numbers_are_a_mask_just_where_they_keep_the_rules(values):
    try:
        rle.parse(" ".join(map(str, values)), pixels=50)
        read = True
    except RleError:
        read = False
    assert read == keeps_the_rules(values, 50)


def answer(data: bytes) -> tuple[pd.DataFrame, list] | None:
    """What data engineering makes of a file."""
    try:
        table = parse_csv(data)
        assert all(isinstance(cell, str) for row in table.to_numpy() for cell in row)
        masks = check_annotations(normalise_columns(table), SIZES, list("abcd"))
        return masks.table, masks.findings
    except SteelDefectsError as error:
        # Made of what stands in the file, and still one line that can be shown.
        assert shown(str(error), 1000) == str(error)
        return None


def holds(data: bytes) -> None:
    found = answer(data)
    if found is None:
        return
    kept, findings = found
    schemas.annotations.validate(kept)
    assert set(kept["sheet_id"]) <= set(SIZES)
    for finding in findings:
        for text in (finding.where, finding.sheet_id, finding.reason):
            assert shown(text, 200) == text


@repeatable
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_the_project_s_error(data):
    holds(data)


@repeatable
@given(st.text(max_size=100))
def test_any_text_is_a_table_or_the_project_s_error(text):
    holds(text.encode("utf-8", "surrogatepass"))
    holds(b"ImageId,ClassId,EncodedPixels\n" + text.encode("utf-8", "surrogatepass"))


@repeatable
@given(damaged(SOUND, COMPETITION, SOUND.replace(b",", b";")))
def test_a_damaged_file_is_a_table_or_the_project_s_error(data):
    holds(data)


def test_the_files_that_are_damaged_here_are_sound():
    kept, findings = answer(SOUND)
    assert len(kept) == 3
    assert findings == []
    kept, findings = answer(COMPETITION)
    assert len(kept) == 1
    assert findings == []


def mask_file() -> bytes:
    mask = np.zeros((5, 10), np.uint8)
    mask[1:3, 4:8] = 2
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


@pytest.mark.slow
@repeatable
@given(data=damaged(mask_file()))
def test_a_damaged_mask_is_read_or_found(data, tmp_path_factory):
    folder = MaskFolder(tmp_path_factory.getbasetemp())
    folder.path_of("fuzzed.jpg").write_bytes(data)
    masks = read_annotations(folder, {"fuzzed.jpg": (5, 10)}, MaskRules(classes=4))
    schemas.annotations.validate(masks.table)
    found = [finding.reason for finding in masks.findings if finding.sheet_id == "fuzzed.jpg"]
    assert found == [] or (len(found) == 1 and shown(found[0], 200) == found[0])
    assert found == [] or masks.table.empty
