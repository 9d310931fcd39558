import numpy as np
import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.evaluation.detection_by_size import defect_targets, detection_curve
from steel_defects.labels import rle


def drawn(seed: int, targets: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(2, 8, targets))
    chances = 1 / (1 + np.exp(6 - 1.6 * np.log(sizes)))
    return sizes, rng.random(targets) < chances


TRUE_A90 = float(np.exp((np.log(9) + 6) / 1.6))


def test_a90_is_found_again_and_its_bound_lies_above():
    curve = detection_curve(*drawn(1, 5000))
    assert curve.a90_px == pytest.approx(TRUE_A90, rel=0.15)
    assert curve.a90_px < curve.a90_95_px < 1.5 * curve.a90_px
    assert curve.probability(np.array([curve.a90_px]))[0] == pytest.approx(0.9)
    assert curve.probability(np.array([curve.a50_px]))[0] == pytest.approx(0.5)


def test_the_bound_holds_as_often_as_it_says():
    bounds = [detection_curve(*drawn(seed)).a90_95_px for seed in range(60)]
    held = [bound is None or bound >= TRUE_A90 for bound in bounds]
    assert 0.85 <= np.mean(held) < 1.0


@pytest.mark.parametrize(
    ("sizes", "found", "reason"),
    [
        ([], [], "no defect"),
        ([5, 9], [True, True], "None of 2 was missed"),
        ([5, 9], [False, False], "None of 2 was found"),
        ([5, 9], [False, True], "too few"),
        (range(1, 21), [size > 10 for size in range(1, 21)], "steep"),
        ([7] * 20, [True, False] * 10, "of one size"),
        (range(1, 21), [size < 10 or size == 20 for size in range(1, 21)], "Larger defects"),
    ],
)
def test_what_gives_no_curve_gives_the_reason(sizes, found, reason):
    curve = detection_curve(np.array(sizes, float), np.array(found, bool))
    assert curve.a90_95_px is None and reason in curve.remark


def test_few_defects_are_said_to_be_few():
    assert "asks for 60" in detection_curve(*drawn(2, 40)).remark


def test_a_defect_is_a_region_and_found_by_any_pixel_of_its_class():
    truth = np.zeros((8, 20), np.uint8)
    truth[1:3, 1:4], truth[5:7, 10:12] = 1, 1
    seen = np.zeros_like(truth)
    seen[2, 3] = 1
    annotations = pd.DataFrame({"sheet_id": ["a"], "class_id": [1], "rle": [rle.encode(truth)]})
    sheets = pd.DataFrame({"sheet_id": ["a"], "height": [8], "width": [20]})
    rows = [("a", 1, rle.encode(seen)), ("a", 2, rle.encode(truth))]
    predictions = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"])
    found = defect_targets(predictions, annotations, sheets)
    assert found[["size_px", "found"]].to_numpy().tolist() == [[6, True], [4, False]]
    for none in (annotations.head(0), annotations.assign(sheet_id="b")):
        empty = defect_targets(predictions, none, sheets)
        assert not len(schemas.defect_targets.validate(empty))
