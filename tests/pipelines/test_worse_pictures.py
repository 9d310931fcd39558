"""Gate and segmenter on worse pictures, with stand-ins for the networks."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.support.data import Data
from tests.support.trained import stand_in

from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.evaluation.robustness import LEVELS
from steel_defects.pipelines.reporting.detection_nodes import measure_robustness
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.reporting.config import ReportingConfig


def outline(batch: np.ndarray) -> np.ndarray:
    """Call the darkest pixels a defect of class 1."""
    return np.concatenate([batch < 40, *[np.zeros_like(batch)] * 3], axis=-1).astype(np.float32)


def test_every_level_is_judged_and_darkness_is_noticed(data: Data) -> None:
    from steel_defects.pipelines.reporting.worse_pictures import Judges, robustness_table

    judges = Judges(
        gate=None,
        segmenter=SimpleNamespace(predict_on_batch=outline),
        point=None,
        settings=[ClassPostprocessing(threshold=0.5, min_area_px=0)] * 4,
        tta="none",
    )
    sheets = data.sheets.groupby("has_defect").head(1)
    table = robustness_table(judges, data.folder, sheets, data.annotations, seed=1)
    assert len(table) == 6 * len(LEVELS) and (table["sheets"] == 2).all()
    assert table["accuracy"].isna().all() and table["mean_dice"].notna().all()
    as_is = table.loc[table["level"] == 0, "mean_dice"]
    assert as_is.nunique() == 1
    dark = table[(table["corruption"] == "brightness") & (table["level"] == 5)]["mean_dice"].item()
    assert dark < as_is.iloc[0]


@pytest.mark.parametrize("gate", [None, stand_in("vgg16")])
def test_without_sheets_nothing_is_loaded(data: Data, gate) -> None:
    table = measure_robustness(
        data.folder, data.sheets, data.annotations, data.splits, stand_in("unet"),
        SegmenterPredictionConfig(), ReportingConfig(overlays=8, robustness_sheets=0, seed=0), gate,
    )  # fmt: skip
    assert isinstance(table, pd.DataFrame) and table.empty and "mean_dice" in table
