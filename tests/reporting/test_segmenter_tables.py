"""Tables of the segmenters."""

import pandas as pd

from steel_defects.reporting.segmenter_tables import segmenter_sections


def test_quality_and_cost_stand_in_tables_of_their_own() -> None:
    table = pd.DataFrame(
        {"architecture": ["unet", "fpn"], "evaluation": "test", "sheets": 9, "mean_dice": 0.9,
         "parameters": [3, 2], "tta": "flips", "detection_rate": 1.0}
    )  # fmt: skip
    quality, cost = segmenter_sections(table, "fpn")
    assert quality[1] and cost[1]
    assert [name for name, _ in quality[1].columns] == [
        "architecture", "evaluation", "sheets", "mean Dice", "detection rate",
    ]  # fmt: skip
    assert [name for name, _ in cost[1].columns][3:] == ["parameters", "averaged over"]
    assert quality[1].chosen == cost[1].chosen == {1}


def test_nothing_to_compare_is_said() -> None:
    assert segmenter_sections(pd.DataFrame(), None) == [
        ("Segmenters", None, "No segmenter was compared.")
    ]
