import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from steel_defects.labels import rle
from steel_defects.labels.rle import RleError

MASKS = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.integers(0, 1)
)


def coco_decode(text: str, height: int, width: int) -> np.ndarray:
    """Decode with COCO's tools: counts of background and defect in turn, column-major."""
    counts, here = [], 0
    for start, length in zip(*[iter(map(int, text.split()))] * 2, strict=True):
        counts += [start - 1 - here, length]
        here = start - 1 + length
    counts.append(height * width - here)
    encoded = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return coco.decode(encoded)


# pycocotools 2.0 on NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# Three rows and two columns: pixels 1, 2, 3 go down the first column, 4, 5, 6 down the second.
SMALL = np.array([[0, 1], [1, 1], [1, 0]], np.uint8)


def test_a_small_mask_is_counted_down_the_columns_from_one():
    assert rle.encode(SMALL) == "2 4"
    assert rle.decode("2 4", height=3, width=2).tolist() == SMALL.tolist()
    assert rle.area("2 4") == 4


def test_runs_on_both_ends_and_apart():
    assert rle.encode(SMALL == 0) == "1 1 6 1"
    assert rle.area("1 1 6 1") == 2


def test_nothing_and_everything():
    assert rle.encode(np.zeros((3, 2), np.uint8)) == ""
    assert rle.encode(np.ones((3, 2), np.uint8)) == "1 6"
    assert not rle.decode("", 3, 2).any()
    assert rle.area("") == 0


def test_every_value_but_zero_counts_as_defect():
    assert rle.encode(SMALL * 255) == rle.encode(SMALL.astype(bool)) == "2 4"


def test_touching_runs_are_allowed_and_encoded_as_one():
    mask = rle.decode("2 2 4 2", 3, 2)
    assert mask.tolist() == SMALL.tolist()
    assert rle.encode(mask) == "2 4"


@given(MASKS)
def test_masks_survive_the_round_trip(mask):
    text = rle.encode(mask)
    np.testing.assert_array_equal(rle.decode(text, *mask.shape), mask)
    assert rle.area(text) == mask.sum()


@given(MASKS)
def test_encoding_is_canonical(mask):
    text = rle.encode(mask)
    starts, lengths = rle.parse(text, mask.size)
    assert (starts[1:] > starts[:-1] + lengths[:-1]).all(), "touching runs should be one"
    assert rle.encode(rle.decode(text, *mask.shape)) == text


@given(MASKS)
def test_agrees_with_coco_on_random_masks(mask):
    text = rle.encode(mask)
    np.testing.assert_array_equal(coco_decode(text, *mask.shape), rle.decode(text, *mask.shape))
    assert rle.area(text) == coco.area(coco.encode(np.asfortranarray(mask)))


@pytest.mark.slow
@pytest.mark.parametrize(("file", "rows"), [("rows_5907.csv", 300), ("train.csv", 98)])
def test_agrees_with_coco_on_real_masks(real_data, file, rows):
    table = pd.read_csv(real_data / "severstal" / file, dtype=str)
    for text in table["EncodedPixels"].sample(rows, random_state=0):
        mask = rle.decode(text, 256, 1600)
        np.testing.assert_array_equal(mask, coco_decode(text, 256, 1600))
        assert rle.encode(mask) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1", "odd count of values"),
        ("1 2 3", "odd count of values"),
        ("0 2", "start below 1"),
        ("-1 2", "not a positive whole number"),
        ("+1 2", "not a positive whole number"),
        ("1 0", "length 0"),
        ("1 -2", "not a positive whole number"),
        ("4 1 1 1", "out of order"),
        ("2 1 2 1", "out of order"),
        ("1 3 3 1", "overlap"),
        ("7 1", "past the end"),
        ("5 3", "past the end"),
        ("1 7", "past the end"),
        ("one two", "not a positive whole number"),
        ("1.0 2", "not a positive whole number"),
        ("1e0 2", "not a positive whole number"),
        ("1_0 2", "not a positive whole number"),
        ("nan", "not a positive whole number"),
        ("١ ٢", "not a positive whole number"),
        ("² 1", "not a positive whole number"),
        ("1 " + "9" * 18, "past the end"),
        ("9" * 18 + " 1", "past the end"),
        ("1 9223372036854775808", "past the end"),
        ("1 " + "9" * 5000, "past the end"),
    ],
)
def test_malformed_masks_are_refused_with_the_reason(text, reason):
    with pytest.raises(RleError, match=reason) as caught:
        rle.parse(text, pixels=6)
    assert str(caught.value) in MESSAGES


MESSAGES = {
    "mask has a value that is not a positive whole number",
    "mask has an odd count of values (1)",
    "mask has an odd count of values (3)",
    "mask has a start below 1",
    "mask has a run of length 0",
    "mask runs past the end of the sheet (6 pixels)",
    "mask has runs out of order",
    "mask has runs that overlap",
}


def test_runs_may_touch_each_other_and_the_end():
    starts, lengths = rle.parse("1 1 2 1 5 2", pixels=6)
    assert starts.tolist() == [0, 1, 4]
    assert lengths.tolist() == [1, 1, 2]


def test_only_neighbours_overlap():
    """The second run is long, the third lies past it."""
    assert rle.parse("1 1 3 5 9 1", pixels=9)[0].tolist() == [0, 2, 8]


def test_an_empty_mask_of_no_pixels_is_empty_text():
    assert rle.encode(np.zeros((0, 5), np.uint8)) == ""
    assert rle.decode("", 3, 4).dtype == np.uint8


@given(st.one_of(st.text(), st.text("0123456789 -+._"), st.lists(st.integers()).map(str)))
def test_no_text_raises_anything_but_rle_error(text):
    try:
        starts, lengths = rle.parse(text, pixels=50)
    except RleError:
        return
    assert lengths.sum() == rle.decode(text, 5, 10).sum() == rle.area(text)
