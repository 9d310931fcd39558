"""Figures over all pixels, held to scikit-learn's on classes that are chosen pixel by pixel."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from steel_defects.evaluation.pooled import POOLED, class_areas, pooled_figures
from steel_defects.labels import rle

CLASSES = 5
ABSENT = 5  # neither in truth nor in prediction

# Four rows, five columns; "1 4" is the first column, "1 8" the first two.
SHEETS = pd.DataFrame({"sheet_id": list("abc"), "group_id": list("012"), "width": 5, "height": 4})


def truth(*rows: tuple[str, int, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"])
    return table.assign(area_px=table["rle"].map(rle.area).astype(int))


def predictions(*rows: tuple[str, int, str, float], repeat: int | None = None) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle", "score"])
    return table.assign(repeat=pd.array([repeat] * len(table), dtype="Int64"))


# --- against scikit-learn -------------------------------------------------------------------


@dataclass
class Drawn:
    """Tables, and the class of every known pixel in truth and in prediction."""

    predictions: pd.DataFrame
    annotations: pd.DataFrame
    sheets: pd.DataFrame
    true: NDArray[np.int64]
    given: NDArray[np.int64]


def chosen(masks: dict[int, NDArray[np.bool_]], ranks: dict[int, float]) -> NDArray[np.int64]:
    """Give each pixel the class of the lowest rank, the lower class among equals; 0 for none."""
    labels = np.zeros(masks[1].shape, np.int64)
    for place in np.ndindex(labels.shape):
        labels[place] = min(((ranks[k], k) for k in masks if masks[k][place]), default=(0, 0))[1]
    return labels


def drawn(seed: int, with_void: bool) -> Drawn:
    """Draw sheets of several sizes, with masks that overlap."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 30, (6, 2))
    names = [f"{number}.png" for number in range(len(sizes))]
    masks, guesses, void, labels = [], [], [], []
    for name, size in zip(names, sizes, strict=True):
        shares = rng.choice([0, 0.2, 0.5], (2, CLASSES)) * (np.arange(1, CLASSES + 1) != ABSENT)
        true, seen = ({k + 1: rng.random(size) < p for k, p in enumerate(row)} for row in shares)
        scores = {k: int(rng.integers(1, 4)) / 4 for k in seen}  # some are equal
        known = rng.random(size) < (0.8 if with_void else 1)
        void.append(rle.encode(~known))
        masks += [(name, k, rle.encode(mask)) for k, mask in true.items() if mask.any()]
        guesses += [(name, k, rle.encode(mask), scores[k]) for k, mask in seen.items()]
        areas = {k: float(mask.sum()) for k, mask in true.items()}
        ranks = {k: -score for k, score in scores.items()}
        labels.append((chosen(true, areas)[known], chosen(seen, ranks)[known]))
    sheets = pd.DataFrame(sizes, columns=["height", "width"])
    sheets = sheets.assign(sheet_id=names, group_id=names, void=void)
    return Drawn(
        predictions(*guesses).sample(frac=1, random_state=seed),
        truth(*masks).sample(frac=1, random_state=seed),
        sheets if with_void else sheets.drop(columns="void"),
        np.concatenate([one for one, _ in labels]),
        np.concatenate([other for _, other in labels]),
    )


@pytest.mark.parametrize("with_void", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_figures_are_scikit_learns(seed: int, with_void: bool) -> None:
    data = drawn(seed, with_void)
    figures = pooled_figures(data.predictions, data.annotations, data.sheets)
    occurring = sorted({*data.true.tolist(), *data.given.tolist()})
    assert ABSENT not in occurring
    for end, labels in (("", occurring[1:]), ("_with_background", occurring)):
        options = {"labels": labels, "average": "macro"}
        iou = jaccard_score(data.true, data.given, **options)
        dice = f1_score(data.true, data.given, **options)
        assert figures[f"pooled_mean_iou{end}"] == pytest.approx(iou, abs=1e-9)
        assert figures[f"pooled_mean_dice{end}"] == pytest.approx(dice, abs=1e-9)


@pytest.mark.parametrize("with_void", [False, True])
def test_areas_are_those_of_scikit_learns_matrix(with_void: bool) -> None:
    data = drawn(20, with_void)
    areas = sum(class_areas(data.predictions, data.annotations, data.sheets).values())
    matrix = confusion_matrix(data.true, data.given, labels=range(CLASSES + 1))
    assert areas.dtype == np.int64
    expected = [matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)]
    np.testing.assert_array_equal(areas, expected)


# --- the rule -------------------------------------------------------------------------------


def areas_of(found: pd.DataFrame, labels: pd.DataFrame, sheets: pd.DataFrame = SHEETS) -> list:
    return class_areas(found, labels, sheets)["a"].tolist()


@pytest.mark.parametrize(
    ("scores", "predicted"),
    [((0.9, 0.8), [8, 8, 4]), ((0.8, 0.9), [8, 4, 8]), ((0.9, 0.9), [8, 8, 4])],
)
def test_a_pixel_of_two_predicted_classes_counts_for_the_most_probable(scores, predicted):
    # The second column is in both masks, and in none of the truth.
    found = predictions(("a", 1, "1 8", scores[0]), ("a", 2, "5 8", scores[1]))
    assert areas_of(found, truth()) == [[8, 0, 0], [20, 0, 0], predicted]


@pytest.mark.parametrize(
    ("masks", "true"),
    [
        (("1 20", "5 4"), [0, 16, 4]),  # the small one inside the large one is not lost
        (("5 4", "1 20"), [0, 4, 16]),
        (("1 8", "5 8"), [8, 8, 4]),  # of equal areas: the lower class
    ],
)
def test_a_pixel_of_two_true_classes_counts_for_the_smaller_mask(masks, true):
    labels = truth(*(("a", k, mask) for k, mask in enumerate(masks, start=1)))
    found = predictions(("a", 1, "", 0.1), ("a", 2, "", 0.2))
    assert areas_of(found, labels) == [[true[0], 0, 0], true, [20, 0, 0]]


def test_void_pixels_count_neither_for_nor_against():
    sheets = SHEETS.assign(void=["5 8", "", ""])
    found, labels = predictions(("a", 1, "1 8", 0.9)), truth(("a", 1, "9 8"))
    # Of four columns, the first is a false alarm, the fourth missed; void are the two between.
    assert areas_of(found, labels, sheets) == [[4, 0], [8, 4], [8, 4]]


# --- which sheets, and the intervals --------------------------------------------------------

# The class is right on a, missed on b and nowhere on c.
LABELS = truth(("a", 1, "1 4"), ("b", 1, "1 4"))
FOUND = predictions(("a", 1, "1 4", 0.9), ("b", 1, "", 0.1), ("c", 1, "", 0.1))


def test_a_sheet_without_the_class_counts_by_its_background():
    figures = pooled_figures(FOUND, LABELS, SHEETS)
    assert figures["pooled_mean_iou"] == pytest.approx(4 / 8)
    assert figures["pooled_mean_dice"] == pytest.approx(8 / 12)
    assert figures["pooled_mean_iou_with_background"] == pytest.approx((4 / 8 + 52 / 56) / 2)
    assert figures["pooled_mean_dice_with_background"] == pytest.approx((8 / 12 + 104 / 108) / 2)


def test_repeats_are_averaged_and_not_pooled():
    better = predictions(("a", 1, "1 4", 0.9), ("b", 1, "1 4", 0.9), ("c", 1, "", 0.1), repeat=1)
    figures = pooled_figures(pd.concat([FOUND.assign(repeat=0), better]), LABELS, SHEETS)
    assert figures["pooled_mean_iou"] == pytest.approx((4 / 8 + 1) / 2)
    # More than a fortieth of the draws has a without b, and as many have b without a.
    assert figures["pooled_mean_iou_high"] == 1
    assert figures["pooled_mean_iou_low"] == pytest.approx((0 + 1) / 2)


def test_intervals_come_from_groups_not_from_sheets():
    found, sheets = FOUND[FOUND["sheet_id"] != "c"], SHEETS.assign(group_id=["0", "1", "2"])
    figures = pooled_figures(found, LABELS, sheets)
    # A quarter of the draws is a twice, another one b twice.
    ends = [figures[f"pooled_mean_dice{end}"] for end in ("_low", "_high")]
    assert ends == [0, 1]
    together = pooled_figures(found, LABELS, SHEETS.assign(group_id="0"))
    assert np.isnan([together[f"pooled_mean_dice{end}"] for end in ("_low", "_high")]).all()
    assert together["pooled_mean_dice"] == figures["pooled_mean_dice"]


def test_draws_without_the_class_do_not_count():
    missed = FOUND.assign(rle="")
    figures = pooled_figures(missed, LABELS, SHEETS)
    # Of c alone, one draw in 27, nothing but background would be averaged, which is right.
    assert figures["pooled_mean_iou_with_background_high"] < 0.5


def test_figures_without_a_class_and_without_a_sheet():
    clean = pooled_figures(FOUND[FOUND["sheet_id"] == "c"], LABELS, SHEETS)
    assert clean["pooled_mean_iou_with_background"] == 1
    assert np.isnan(clean["pooled_mean_iou"]) and np.isnan(clean["pooled_mean_iou_low"])
    none = pooled_figures(FOUND.head(0), LABELS, SHEETS)
    assert list(none) == list(clean)
    assert set(POOLED) < set(none) and np.isnan(list(none.values())).all()
