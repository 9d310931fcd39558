import time

import numpy as np
import pandas as pd
import pytest
from tests.support.wrong_labels import Planter, recall, shifted

from steel_defects import tables as schemas
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.label_issues import label_issues
from steel_defects.labels import rle
from steel_defects.tables.declared import LABEL_ISSUES

NAMES = ("pit", "crack", "scale")
SHAPE = (64, 256)
#: What a planted label is wrong in.
KIND_OF = {
    "swapped": "other_class", "dropped": "missing_mask", "added": "extra_mask",
    "moved": "other_place",
}  # fmt: skip


def box(y: int, x: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[y : y + height, x : x + width] = 1
    return mask


def draw_truth(count: int, rng: np.random.Generator) -> dict[str, dict[int, np.ndarray]]:
    """Every other sheet is clean; the others have a mask of one class, some of two."""
    truth = {}
    for number in range(count):
        classes = rng.choice([1, 2, 3], rng.integers(1, 3), replace=False) if number % 2 else []
        truth[f"s{number:04}"] = {
            int(k): box(*rng.integers((0, 0, 12, 12), (40, 200, 24, 56))) for k in classes
        }
    return truth


def sheets_of(truth: dict) -> pd.DataFrame:
    return pd.DataFrame({"sheet_id": list(truth), "height": SHAPE[0], "width": SHAPE[1]})


def annotations_of(truth: dict) -> pd.DataFrame:
    rows = [
        (sheet_id, k, rle.encode(mask), int(mask.sum()))
        for sheet_id, masks in truth.items()
        for k, mask in masks.items()
    ]
    return pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle", "area_px"])


def answers_of(
    truth: dict, rng: np.random.Generator, misses: float = 0.0, repeats: int = 1
) -> pd.DataFrame:
    """Say what a network may: shifted outlines; a share is missed, and as much seen in vain."""
    rows = []
    for sheet_id, masks in truth.items():
        for repeat in range(repeats):
            for k in (1, 2, 3):
                seen = shifted(masks[k], *rng.integers(-3, 4, 2)) if k in masks else None
                score = rng.beta(8, 1.5) if k in masks else rng.beta(1, 12)
                if rng.random() < misses * (1 if k in masks else 0.2):
                    seen = (
                        None if k in masks else box(*rng.integers((0, 0, 9, 9), (40, 200, 20, 20)))
                    )
                    score = 1 - score
                encoded = "" if seen is None else rle.encode(seen)
                rows.append(
                    (sheet_id, "train", repeat, 0, k, NAMES[k - 1], encoded, rle.area(encoded),
                     score)
                )  # fmt: skip
    return as_predictions(rows)


def as_predictions(rows: list[tuple]) -> pd.DataFrame:
    names = ["sheet_id", "split", "repeat", "fold", "class_id", "class_name", "rle", "area_px"]
    table = pd.DataFrame(rows, columns=[*names, "score"])
    return table.astype({"repeat": "Int64", "fold": "Int64", "score": float})


def issues_of(predictions: pd.DataFrame, annotations: pd.DataFrame, truth: dict) -> pd.DataFrame:
    table = label_issues(predictions, annotations, sheets_of(truth), NAMES)
    schemas.label_issues.validate(table)
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["score"].is_monotonic_decreasing
    return table


def planted(kind: str, truth: dict, sheet_id: str) -> pd.DataFrame:
    """Spoil the label of one sheet that has one class; returns the annotations."""
    spoiled = {one: dict(masks) for one, masks in truth.items()}
    masks = spoiled[sheet_id]
    absent = next(k for k in (1, 2, 3) if k not in masks)
    if kind == "added":
        masks[absent] = box(3, 5, 20, 30)
    else:
        (class_id,) = masks
        mask = masks.pop(class_id)
        if kind == "swapped":
            masks[absent] = mask
        if kind == "moved":
            masks[class_id] = np.roll(mask, 128, axis=1)
    return annotations_of(spoiled)


def sheets_with(truth: dict, kind: str) -> list[str]:
    wanted = {0, 1} if kind == "added" else {1}
    return [one for one, masks in truth.items() if len(masks) in wanted]


@pytest.mark.parametrize("kind", KIND_OF)
@pytest.mark.parametrize("seed", range(4))
def test_a_wrong_label_among_right_ones_comes_first(kind, seed):
    rng = np.random.default_rng(seed)
    truth = draw_truth(160, rng)
    sheet_id = str(rng.choice(sheets_with(truth, kind)))
    first = issues_of(answers_of(truth, rng), planted(kind, truth, sheet_id), truth).iloc[0]
    assert (first["sheet_id"], first["kind"]) == (sheet_id, KIND_OF[kind])
    assert first["score"] > 0.05 and first["evaluation"] == "out_of_fold"


@pytest.mark.parametrize("seed", range(4))
def test_half_of_the_wrong_labels_lie_in_as_many_sheets_as_there_are(seed):
    rng = np.random.default_rng(seed)
    truth = draw_truth(400, rng)
    predictions = answers_of(truth, rng, misses=0.1)
    planter = Planter(annotations_of(truth), sheets_of(truth), 3, rng)
    wrong = planter.plant(0.05)
    assert sorted(wrong.values()) == sorted([*KIND_OF] * 5)
    table = issues_of(predictions, planter.annotations, truth)
    ranking = table["sheet_id"].tolist()
    assert recall(ranking, wrong, len(truth), 0.05)["all"] >= 0.5
    assert recall(ranking, wrong, len(truth), 0.1)["all"] >= 0.7
    # Of those that are found most are told for what they are.
    found = table.drop_duplicates("sheet_id").set_index("sheet_id")["kind"]
    named = [found[one] == KIND_OF[way] for one, way in wrong.items() if one in found.index]
    assert np.mean(named) >= 0.8


@pytest.mark.parametrize("seed", range(4))
def test_confident_learning_counts_wrong_labels_and_few_others(seed):
    rng = np.random.default_rng(seed)
    truth = draw_truth(400, rng)
    planter = Planter(annotations_of(truth), sheets_of(truth), 3, rng)
    wrong = planter.plant(0.05)
    table = issues_of(answers_of(truth, rng), planter.annotations, truth)
    counted = set(table.loc[table["confident"], "sheet_id"])
    assert len(counted & set(wrong)) >= 8
    assert len(counted - set(wrong)) <= 4


def test_the_box_is_where_label_and_answer_differ():
    truth = draw_truth(120, np.random.default_rng(0))
    truth |= {name: {1: box(10, 20, 12, 30)} for name in ("a", "b", "c", "d")}
    predictions = answers_of(truth, np.random.default_rng(1))
    exact = predictions["sheet_id"].isin(["a", "b", "c", "d"]) & (predictions["class_id"] == 1)
    predictions.loc[exact, "rle"] = rle.encode(box(10, 20, 12, 30))
    labels = truth | {
        "a": {},
        "b": {1: box(10, 20, 12, 30), 2: box(40, 100, 5, 6) | box(50, 150, 9, 8)},
        "c": {3: box(10, 20, 12, 30)},
        "d": {1: box(30, 180, 20, 40)},
    }
    table = issues_of(predictions, annotations_of(labels), truth).set_index("sheet_id")
    place = ["x", "y", "width", "height"]
    assert table.loc["a", place].tolist() == [20, 10, 30, 12]
    assert table.loc["b", place].tolist() == [150, 50, 8, 9]
    assert table.loc["c", place].tolist() == [20, 10, 30, 12]
    assert table.loc["d", place].tolist() == [180, 30, 40, 20]
    assert table.loc["c", ["class_name", "predicted_class_name"]].tolist() == ["scale", "pit"]
    assert table.loc["c", ["labelled_px", "predicted_px", "overlap"]].tolist() == [360, 360, 1.0]
    assert table.loc["a", "labelled_px"] == 0 and table.loc["a", "predicted_px"] == 360


def test_a_class_that_is_likely_and_not_outlined_has_no_box():
    truth = draw_truth(120, np.random.default_rng(0)) | {"a": {}}
    predictions = answers_of(truth, np.random.default_rng(1))
    predictions.loc[predictions["sheet_id"] == "a", "score"] = [0.999, 0.0, 0.0]
    row = issues_of(predictions, annotations_of(truth), truth).set_index("sheet_id").loc["a"]
    assert (row["kind"], row["class_id"], row["overlap"]) == ("missing_mask", 1, 0.0)
    assert row[["x", "y", "width", "height"]].isna().all()


def test_right_labels_and_sure_answers_leave_little_to_look_at():
    rng = np.random.default_rng(5)
    truth = draw_truth(200, rng)
    table = issues_of(answers_of(truth, rng), annotations_of(truth), truth)
    assert len(table) <= 0.05 * 200
    assert not table["confident"].any()


@pytest.mark.parametrize("seed", range(3))
def test_a_class_that_networks_take_for_another_casts_little_doubt(seed):
    rng = np.random.default_rng(seed)
    truth = draw_truth(200, rng)
    sheet_id = next(one for one, masks in truth.items() if set(masks) == {3})
    seen = {
        one: {2 if k == 1 and 2 not in masks else k: mask for k, mask in masks.items()}
        for one, masks in truth.items()
    }
    table = issues_of(answers_of(seen, rng), planted("moved", truth, sheet_id), truth)
    confused = table[(table["kind"] == "other_class") & (table["class_id"] == 1)]
    assert len(confused) >= 10
    assert confused["score"].max() < 0.25 < table.loc[table["sheet_id"] == sheet_id, "score"].max()


# --- which answers count ------------------------------------------------------------------------


def test_repeats_are_averaged_and_outlined_by_a_vote():
    rng = np.random.default_rng(2)
    truth = draw_truth(160, rng)
    sheet_id = sheets_with(truth, "dropped")[7]
    (class_id,) = truth[sheet_id]
    predictions = answers_of(truth, rng, repeats=3)
    labels = planted("dropped", truth, sheet_id)
    here = (predictions["sheet_id"] == sheet_id) & (predictions["class_id"] == class_id)
    # One of three sees nothing, and one twice as much.
    mask = truth[sheet_id][class_id]
    predictions.loc[here, "rle"] = [
        "", rle.encode(mask), rle.encode(mask | np.roll(mask, 128, axis=1)),
    ]  # fmt: skip
    first = issues_of(predictions, labels, truth).iloc[0]
    assert (first["sheet_id"], first["predicted_px"]) == (sheet_id, mask.sum())
    shuffled = predictions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        issues_of(shuffled, labels, truth), issues_of(predictions, labels, truth)
    )


def test_sheets_that_training_saw_are_not_ranked_and_out_of_fold_rows_come_first():
    rng = np.random.default_rng(3)
    truth = draw_truth(160, rng)
    chosen = sheets_with(truth, "dropped")[:3]
    wrong = annotations_of({one: {} if one in chosen else m for one, m in truth.items()})
    held_out = answers_of(truth, rng).assign(repeat=pd.NA, fold=pd.NA)
    held_out = held_out.astype({"repeat": "Int64", "fold": "Int64"})
    held_out["split"] = np.where(held_out["sheet_id"] == chosen[0], "train", "validation")
    found = issues_of(held_out, wrong, truth)
    assert set(chosen) & set(found["sheet_id"]) == set(chosen[1:])
    assert set(found["evaluation"]) == {"validation"}

    folds = answers_of({one: truth[one] for one in list(truth)[:100]}, rng)
    found = issues_of(pd.concat([held_out, folds]), wrong, truth).set_index("sheet_id")
    assert found.loc[chosen, "evaluation"].tolist() == ["out_of_fold"] * 3


def test_nothing_to_look_at():
    truth = draw_truth(20, np.random.default_rng(0))
    predictions, labels = answers_of(truth, np.random.default_rng(0)), annotations_of(truth)
    for table in (
        label_issues(predictions.head(0), labels, sheets_of(truth), NAMES),
        label_issues(predictions, labels, sheets_of(truth).head(0), NAMES),
        label_issues(
            predictions.assign(repeat=pd.NA, split="train"), labels, sheets_of(truth), NAMES
        ),
    ):
        pd.testing.assert_frame_equal(table, LABEL_ISSUES.empty())


def test_a_handful_of_sheets_goes_by_the_scores_as_they_are():
    truth = {"a": {1: box(0, 0, 9, 9)}, "b": {}}
    predictions = answers_of(truth, np.random.default_rng(0))
    predictions["score"] = [0.001, 0.0, 0.0, 0.999, 0.0, 0.0]
    predictions["rle"] = ["", "", "", rle.encode(box(5, 5, 9, 9)), "", ""]
    table = issues_of(predictions, annotations_of(truth), truth)
    assert dict(zip(table["sheet_id"], table["kind"], strict=True)) == {
        "a": "extra_mask", "b": "missing_mask",
    }  # fmt: skip


def test_sheets_without_any_mask_and_without_any_label():
    truth = {f"s{number}": {} for number in range(30)}
    rng = np.random.default_rng(0)
    assert issues_of(answers_of(truth, rng), annotations_of(truth), truth).empty
    masked = draw_truth(30, rng)
    found = issues_of(answers_of(masked, rng), annotations_of(truth), masked)
    assert set(found["kind"]) == {"missing_mask"}


@pytest.mark.parametrize("source", ["predictions", "annotations"])
def test_a_class_without_a_name_is_refused(source):
    truth = {"a": {3: box(0, 0, 9, 9)}}
    predictions, labels = answers_of(truth, np.random.default_rng(0)), annotations_of(truth)
    if source == "annotations":
        predictions = predictions[predictions["class_id"] < 3]
    with pytest.raises(SteelDefectsError, match=rf"{source} name class 3, and class_names has 2"):
        label_issues(predictions, labels, sheets_of(truth), NAMES[:2])


@pytest.mark.slow
def test_ten_thousand_sheets_take_seconds():
    rng = np.random.default_rng(0)
    few = draw_truth(500, rng)
    predictions, labels = answers_of(few, rng, misses=0.1), annotations_of(few)

    def repeated(table: pd.DataFrame) -> pd.DataFrame:
        parts = (table.assign(sheet_id=f"{part:02}" + table["sheet_id"]) for part in range(20))
        return pd.concat(parts, ignore_index=True)

    started = time.perf_counter()
    table = label_issues(repeated(predictions), repeated(labels), repeated(sheets_of(few)), NAMES)
    assert len(table) and time.perf_counter() - started < 120
