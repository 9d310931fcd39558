import numpy as np
import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.evaluation.class_confusion import FALSE_ALARM, MISSED, class_confusion
from steel_defects.evaluation.detection_by_size import defect_targets
from steel_defects.labels import rle
from steel_defects.tables.declared import CLASS_CONFUSION

NAMES = ("pit", "crack")
SHAPE = (40, 200)
SHEETS = pd.DataFrame({"sheet_id": ["a", "b"], "height": SHAPE[0], "width": SHAPE[1]})


def encoded(*boxes: tuple[int, int, int]) -> str:
    """Encode squares, each by row, column and side."""
    mask = np.zeros(SHAPE, np.uint8)
    for y, x, side in boxes:
        mask[y : y + side, x : x + side] = 1
    return rle.encode(mask)


def masks(*rows: tuple[str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"])


TRUTH = masks(("a", 1, encoded((2, 2, 8), (2, 40, 8), (2, 80, 8))), ("a", 2, encoded((2, 120, 8))))


def counted(predictions: pd.DataFrame, truth: pd.DataFrame = TRUTH) -> dict[tuple[str, str], int]:
    table = class_confusion(predictions, truth, SHEETS, NAMES)
    schemas.class_confusion.validate(
        CLASS_CONFUSION.typed(table.assign(evaluation="test", sheets=2))
    )
    assert len(table) == 8
    cells = table[["class_name", "predicted_class_name", "regions"]].itertuples(index=False)
    return {(one, other): regions for one, other, regions in cells if regions}


def test_each_region_counts_for_the_class_that_covers_most_of_it():
    predictions = masks(
        ("a", 1, encoded((2, 2, 8), (4, 42, 2), (4, 160, 9))),
        ("a", 2, encoded((2, 40, 8), (20, 2, 5), (4, 161, 3))),
        ("b", 1, encoded((2, 2, 3))),
        ("b", 2, ""),
    )
    assert counted(predictions) == {
        ("pit", "pit"): 1,
        ("pit", "crack"): 1,
        ("pit", MISSED): 1,
        ("crack", MISSED): 1,
        (FALSE_ALARM, "pit"): 2,
        (FALSE_ALARM, "crack"): 2,
    }


def test_all_right_all_missed_and_nothing():
    every = masks(*TRUTH.itertuples(index=False, name=None), ("b", 1, ""), ("b", 2, ""))
    assert counted(every) == {("pit", "pit"): 3, ("crack", "crack"): 1}
    assert counted(every.assign(rle="")) == {("pit", MISSED): 3, ("crack", MISSED): 1}
    assert counted(every.head(0)) == {}
    # Sheets without a prediction are none that were evaluated.
    assert counted(every.tail(2)) == {}


def test_among_equals_a_region_counts_for_its_own_class():
    both = encoded((2, 2, 8), (2, 40, 8), (2, 80, 8), (2, 120, 8))
    predictions = masks(("a", 1, both), ("a", 2, both))
    assert counted(predictions) == {("pit", "pit"): 3, ("crack", "crack"): 1}


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_those_of_the_defects_and_no_class_is_found_that_was_not_seen(seed):
    rng = np.random.default_rng(seed)

    def random_masks() -> pd.DataFrame:
        rows = []
        for sheet_id in ("a", "b"):
            for class_id in (1, 2):
                boxes = rng.integers((0, 0, 1), (30, 190, 10), (rng.integers(0, 6), 3))
                rows.append((sheet_id, class_id, encoded(*map(tuple, boxes))))
        return masks(*rows)

    truth, predictions = random_masks(), random_masks()
    truth = truth[truth["rle"] != ""]
    table = class_confusion(predictions, truth, SHEETS, NAMES)
    true = table[table["class_id"].notna()]
    targets = defect_targets(predictions, truth, SHEETS)
    totals = true.groupby("class_id")["regions"].sum()
    assert totals.to_dict() == targets["class_id"].value_counts().reindex([1, 2]).to_dict()
    own = true[true["class_id"] == true["predicted_class_id"]].set_index("class_id")["regions"]
    assert (own <= targets.groupby("class_id")["found"].sum()).all()
