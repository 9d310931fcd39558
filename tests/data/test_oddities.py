import numpy as np
import pandas as pd
import pytest

from steel_defects.data.quality import border_statistics, oddest_sheets

pytestmark = pytest.mark.slow


@pytest.fixture
def inventory() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    count = 60
    ids = [f"{k:02d}.jpg" for k in range(count)]
    return pd.DataFrame(
        {
            "sheet_id": ids,
            "path": [f"images/{name}" for name in ids],
            "group_id": ids,
            "mean_intensity": rng.normal(100, 5, count),
            "contrast": rng.normal(20, 2, count),
            "black_fraction": np.zeros(count),
            "saturated_fraction": np.zeros(count),
        }
    )


def near(inventory: pd.DataFrame) -> pd.Series:
    return pd.Series(0.5, index=inventory.index)


@pytest.mark.parametrize(
    ("column", "value", "measure", "percentile"),
    [
        ("mean_intensity", 230.0, "brightness", 100.0),
        ("mean_intensity", 4.0, "brightness", 100 / 60),
        ("contrast", 90.0, "contrast", 100.0),
        ("black_fraction", 0.97, "black share", 100.0),
        ("saturated_fraction", 0.5, "saturated share", 100.0),
    ],
)
def test_the_odd_one_comes_first_with_its_reason(inventory, column, value, measure, percentile):
    inventory.loc[17, column] = value
    first = oddest_sheets(inventory, near(inventory), 3).iloc[0]
    assert (first["sheet_id"], first["path"]) == ("17.jpg", "images/17.jpg")
    assert (first["measure"], first["value"]) == (measure, value)
    assert first["percentile"] == pytest.approx(percentile)


def test_a_sheet_like_no_other_is_odd(inventory):
    nearest = near(inventory)
    nearest[40] = -0.4
    first = oddest_sheets(inventory, nearest, 1).iloc[0]
    assert first["sheet_id"] == "40.jpg"
    assert first["measure"] == "distance from the nearest sheet"
    assert first["value"] == pytest.approx(1.4)


def test_copies_are_not_odd_and_distances_never_negative(inventory):
    nearest = pd.Series(np.random.default_rng(1).uniform(0.3, 0.6, len(inventory)))
    nearest[[7, 8]] = 1.0000894  # as correlations come out
    found = oddest_sheets(inventory, nearest, len(inventory)).set_index("sheet_id")
    distances = found[found["measure"] == "distance from the nearest sheet"]
    assert len(distances) > 3 and not {"07.jpg", "08.jpg"} & set(distances.index)
    assert not {"07.jpg", "08.jpg"} & set(found.index[:12])
    copies = pd.Series(1.0000894, index=inventory.index)
    assert (oddest_sheets(inventory, copies, 60)["value"] >= 0).all()


def test_one_sheet_a_group(inventory):
    inventory.loc[[3, 4, 5], "mean_intensity"] = [250.0, 249.0, 248.0]
    inventory.loc[[3, 4, 5], "group_id"] = "03.jpg"
    found = oddest_sheets(inventory, near(inventory), 58)["sheet_id"].tolist()
    assert found[0] in {"03.jpg", "04.jpg", "05.jpg"}
    assert len(found) == 58
    assert len({"03.jpg", "04.jpg", "05.jpg"} & set(found)) == 1


def test_the_same_data_give_the_same_sheets(inventory):
    tables = [oddest_sheets(inventory, near(inventory), 9) for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)


def bordered(left: int, right: int) -> bytes:
    thumbnail = np.full((16, 64), 90, np.uint8)
    thumbnail[:, :left] = 4
    thumbnail[:, 64 - right :] = 4
    return thumbnail.tobytes()


def test_black_borders_are_measured():
    cells = [bordered(0, 0), bordered(16, 0), bordered(0, 32), bordered(0, 0)]
    assert border_statistics(pd.DataFrame({"thumbnail": cells})) == {
        "left": 0.25, "right": 0.25, "none": 0.5, "width_p50": 0.375, "width_p95": 0.4875,
    }  # fmt: skip


def test_a_black_sheet_has_a_border_as_wide_as_itself():
    statistics = border_statistics(pd.DataFrame({"thumbnail": [bordered(64, 0)]}))
    assert (statistics["left"], statistics["right"], statistics["width_p50"]) == (1, 0, 1)
