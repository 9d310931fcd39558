"""Curves drawn from a known power law, and what is measured of one model."""

import numpy as np
import pandas as pd
import pytest

from steel_defects.decision.intervals import share_interval
from steel_defects.evaluation.learning_curve import (
    EXPONENTS,
    PowerLaw,
    fit_power_law,
    gate_figures,
    segmenter_figures,
)
from steel_defects.evaluation.paired_figures import Truth

SHARES = np.repeat([0.25, 0.5, 0.75, 1.0], 2)
LARGEST = 800
TRUTHS = [
    (a, at_full, c) for a in (0.98, 0.9) for at_full in (0.05, 0.1) for c in (0.25, 0.5, 1.0, 1.5)
]


def value_of(truth: tuple[float, float, float], share: float | np.ndarray) -> float | np.ndarray:
    """``a - b * share**-c``: b is how far all sheets lie below a."""
    a, b, c = truth
    return a - b * share**-c


def drawn(truth: tuple[float, float, float], noise: float, seed: int) -> PowerLaw:
    scatter = np.random.default_rng(seed).normal(0, noise, len(SHARES))
    law = fit_power_law(LARGEST * SHARES, value_of(truth, SHARES) + scatter)
    assert law is not None
    return law


# === The curve ===


def test_a_curve_without_scatter_is_found_again():
    law = drawn((0.9, 0.1, 0.5), 0.0, 0)
    assert (law.a, law.c) == (pytest.approx(0.9, abs=1e-4), pytest.approx(0.5, abs=1e-3))
    assert law.b == pytest.approx(0.1 * LARGEST**0.5, rel=1e-2)
    assert law.c_low <= 0.5 <= law.c_high and law.c_high - law.c_low < 0.01
    reached = law.reached(2 * LARGEST)
    assert reached.low <= reached.value <= reached.high
    assert reached.value == pytest.approx(0.9 - 0.1 * 2**-0.5, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "widest"), [(0.001, 0.25), (0.003, 0.6), (0.01, 1.8)])
def test_on_100_drawn_curves_the_interval_holds_the_exponent_in_at_least_90(noise, widest):
    laws = [(TRUTHS[n % len(TRUTHS)], drawn(TRUTHS[n % len(TRUTHS)], noise, n)) for n in range(100)]
    held = [law.c_low <= truth[2] <= law.c_high for truth, law in laws]
    assert sum(held) >= 90
    # Not because it holds everything.
    widths = [law.c_high - law.c_low for _, law in laws]
    assert np.median(widths) < widest < EXPONENTS[1] - EXPONENTS[0]
    reached = [(value_of(truth, 2.0), law.reached(2 * LARGEST)) for truth, law in laws]
    assert sum(one.low <= value <= one.high for value, one in reached) >= 90
    assert np.median([one.high - one.low for _, one in reached]) < 12 * noise


def test_of_well_determined_curves_the_exponent_is_told():
    laws = [drawn(TRUTHS[n % len(TRUTHS)], 0.001, n) for n in range(20)]
    assert all(law.determined for law in laws)


@pytest.mark.parametrize(
    "values", [0.9 - 0.1 * SHARES, 0.9 + 0.01 * np.cos(np.pi * np.arange(8)), np.eye(8)[0]]
)
def test_a_curve_that_does_not_rise_is_too_flat(values):
    law = fit_power_law(LARGEST * SHARES, values)
    assert law is not None
    assert not law.determined
    assert (law.c_low, law.c_high) == EXPONENTS
    reached = law.reached(4 * LARGEST)
    assert 0 <= reached.low <= reached.value <= reached.high <= 1


def test_scatter_that_hides_the_rise_makes_it_too_flat():
    hidden = sum(not drawn((0.9, 0.005, 0.5), 0.02, n).determined for n in range(30))
    assert hidden > 15


def test_what_is_reached_never_falls_and_never_passes_1():
    law = drawn((0.99, 0.08, 0.4), 0.004, 3)
    there = [law.reached(LARGEST * times) for times in (0.25, 0.5, 1, 2, 4, 8)]
    assert np.all(np.diff([one.value for one in there]) >= 0)
    assert all(one.low <= one.value <= one.high <= 1 for one in there)
    # The further away, the less is known.
    assert there[5].high - there[5].low > there[3].high - there[3].low > 0


@pytest.mark.parametrize("value", [0.0, 0.9, 1.0])
def test_equal_values_give_no_curve(value):
    assert fit_power_law(LARGEST * SHARES, np.full(8, value)) is None


@pytest.mark.parametrize("sheets", [[], [5, 10, 20], [10, 10, 20, 20, 20], [7] * 8])
def test_too_few_points_or_sizes_give_no_curve(sheets):
    assert fit_power_law(np.array(sheets, float), np.linspace(0.5, 0.6, len(sheets))) is None


# === One model ===


def splits(groups: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"sheet_id": [f"{n}.jpg" for n in range(len(groups))], "group_id": groups})


def scores(labels: list[bool], values: list[float]) -> pd.DataFrame:
    ids = [f"{n}.jpg" for n in range(len(labels))]
    return pd.DataFrame({"sheet_id": ids, "has_defect": labels, "score": values, "threshold": 0.5})


def test_a_gate_is_measured_with_intervals_of_groups():
    labels, values = [True, True, False, False] * 5, [0.9, 0.4, 0.6, 0.1] * 5
    found = gate_figures(scores(labels, values), splits([str(n) for n in range(20)]))
    assert found["roc_auc"][0] == pytest.approx(3 / 4)
    assert found["accuracy"][0] == pytest.approx(1 / 2)
    alike = gate_figures(scores(labels, values), splits([str(n // 4) for n in range(20)]))
    for name, (value, low, high) in found.items():
        assert low < value < high
        # Five groups that are all the same know no spread: their shares stay as they are.
        assert alike[name][0] == value
    assert alike["accuracy"][1:] != found["accuracy"][1:]


def test_without_clean_sheets_a_gate_has_no_roc_auc():
    found = gate_figures(scores([True] * 4, [0.9] * 4), splits(list("abcd")))
    assert np.isnan(found["roc_auc"]).all()
    assert found["accuracy"] == (1.0, *share_interval(4, 4))


def truth_of(groups: list[str]) -> Truth:
    sheets = splits(groups).assign(height=4, width=4, has_defect=True)
    annotations = pd.DataFrame({"sheet_id": sheets["sheet_id"], "class_id": 1, "rle": "1 4"})
    return Truth(sheets, annotations, splits(groups))


def masks(groups: list[str], rles: list[str]) -> pd.DataFrame:
    ids = splits(groups)["sheet_id"]
    first, second = (
        pd.DataFrame({"sheet_id": ids, "class_id": number, "rle": mask})
        for number, mask in ((1, rles), (2, ""))
    )
    return pd.concat([first, second], ignore_index=True)


def test_a_segmenter_is_measured_with_intervals_of_groups():
    groups = list("abcdefgh")
    found = segmenter_figures(masks(groups, ["1 4", ""] * 4), truth_of(groups))
    assert found["dice_on_positives"][0] == pytest.approx(1 / 2)
    assert found["mean_dice"][0] == pytest.approx(3 / 4)  # nothing was rightly seen of class 2
    for value, low, high in found.values():
        assert low < value < high
    pairs = segmenter_figures(
        masks(groups, ["1 4", ""] * 4), truth_of(["a", "a", "a", "a", *"bbbb"])
    )
    assert pairs["mean_dice"] == (3 / 4, 3 / 4, 3 / 4)  # both groups are the same


@pytest.mark.parametrize(("rle", "value"), [("", 0.0), ("1 4", 1.0)])
def test_finding_nothing_or_all_is_not_certain_for_ever(rle, value):
    groups = list("abcdefgh")
    found = segmenter_figures(masks(groups, [rle] * 8), truth_of(groups))
    assert found["dice_on_positives"] == (value, *share_interval(8 if value else 0, 8))
